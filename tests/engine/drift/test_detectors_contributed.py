"""The detector that CONTRIBUTING.md shows is one: dropped in, it keeps what all others keep."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import detectors
from engine.drift.detector import detector_names
from tests.documents import blocks
from tests.engine.drift.detector_checks import CHECKS

NAME = "hddm_w"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (source,) = (
        block.body
        for block in blocks("python")
        if block.document == "CONTRIBUTING.md" and "-> RiverDetector" in block.body
    )
    folder: Path = tmp_path_factory.mktemp("detectors")
    (folder / f"{NAME}.py").write_text(source, encoding="utf-8")
    assert NAME not in detector_names()
    detectors.__path__.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield NAME
    finally:
        detectors.__path__.remove(str(folder))
        sys.modules.pop(f"{detectors.__name__}.{NAME}", None)


def test_a_file_in_the_room_is_found_by_its_name(shown: str):
    assert shown in detector_names()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_detector_shown_keeps(check: Callable[[str], None], shown: str):
    check(shown)
