"""A composed kernel is named by all it draws on, so that it is never stale."""

import sys
from pathlib import Path

import pytest

from models.compiled import cache_folder, drawn_from, load_compiled
from models.feature_set import families


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.startswith("assay_test_"):
            del sys.modules[name]


def test_the_cache_is_private():
    assert cache_folder().stat().st_mode & 0o777 == 0o700


def test_the_same_source_is_the_same_module():
    first = load_compiled("test_same", "VALUE = 1\n", ())
    assert load_compiled("test_same", "VALUE = 1\n", ()) is first
    assert first.VALUE == 1


def test_another_source_or_another_dependency_is_another_module(tmp_path: Path):
    lender = type(sys)("lender")
    lender.__file__ = str(tmp_path / "lender.py")
    Path(lender.__file__).write_text("NUMBER = 1\n")
    first = load_compiled("test_other", "VALUE = 1\n", (lender,))
    assert load_compiled("test_other", "VALUE = 2\n", (lender,)).VALUE == 2
    Path(lender.__file__).write_text("NUMBER = 2\n")
    assert load_compiled("test_other", "VALUE = 1\n", (lender,)) is not first


def test_a_spoilt_cache_file_is_written_anew():
    module = load_compiled("test_spoilt", "VALUE = 1\n", ())
    Path(str(module.__file__)).write_text("VALUE = 666\n")
    del sys.modules[module.__name__]
    assert load_compiled("test_spoilt", "VALUE = 1\n", ()).VALUE == 1


def test_features_draw_on_everything_their_families_import():
    names = {module.__name__ for module in drawn_from(families())}
    assert {
        "models.context",
        "models.feature",
        "models.feature_history",
        "models.features.calendar",
        "models.history",
        "models.kernel",
        "models.windows",
    } <= names
