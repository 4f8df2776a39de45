"""Where composed kernels are kept."""

import pytest

from models.compiled import cache_folder, load_compiled
from streams.errors import ConfigError


def test_a_folder_that_cannot_be_made_is_told_with_its_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="set ASSAY_CACHE_DIR to a folder that can be written"):
        cache_folder()


def test_a_changed_source_is_another_module(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path))
    one = load_compiled("probe", "VALUE = 1\n", ())
    two = load_compiled("probe", "VALUE = 2\n", ())
    assert (one.VALUE, two.VALUE) == (1, 2)
    assert load_compiled("probe", "VALUE = 1\n", ()) is one
    assert (tmp_path / "kernels").stat().st_mode & 0o777 == 0o700
