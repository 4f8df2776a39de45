"""The learner that CONTRIBUTING.md shows is one: dropped in, it keeps what every learner keeps."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documents import blocks
from tests.trainers.learner_checks import CHECKS
from trainers import learners
from trainers.learner import Learner, learner_names, load_learner

NAME = "extra_trees"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learner]:
    (source,) = (
        block.body
        for block in blocks("python")
        if block.document == "CONTRIBUTING.md" and "-> ExtraTrees" in block.body
    )
    folder: Path = tmp_path_factory.mktemp("learners")
    (folder / f"{NAME}.py").write_text(source, encoding="utf-8")
    assert NAME not in learner_names()
    learners.__path__.append(str(folder))
    learner_names.cache_clear()
    importlib.invalidate_caches()
    try:
        yield load_learner(NAME)
    finally:
        learners.__path__.remove(str(folder))
        learner_names.cache_clear()
        sys.modules.pop(f"{learners.__name__}.{NAME}", None)


def test_a_file_in_the_room_is_found_by_its_name(shown: Learner):
    assert NAME in learner_names()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_learner_shown_keeps(check: Callable[[Learner], None], shown: Learner):
    check(shown)
