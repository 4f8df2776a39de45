"""A search that is killed goes on as if nothing had been."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from models.compiled import drawn_from
from streams.errors import ConfigError
from tests.trainers.samples import layer_a_dataset
from tests.trainers.tuning.test_tuning import FEW, plan_of, same
from trainers.tuning import tuning_study
from trainers.tuning.fold_plan import FoldPlan
from trainers.tuning.tuning import Tuned, tune
from trainers.tuning.tuning_study import identity_of

STUDY = "breakout logistic"
KILLED_AFTER = 13

KILLS_ITSELF = """
import os, signal, sys
from tests.trainers.tuning.test_tuning import FEW, plan_of
from tests.trainers.samples import layer_a_dataset
from trainers.tuning.tuning import tune

def die(trial):
    if trial.number == {after}:
        os.kill(os.getpid(), signal.SIGKILL)

tune("logistic", plan_of(layer_a_dataset(320, seed=2)), FEW,
     storage=sys.argv[1], study="{study}", on_trial=die)
"""


@pytest.fixture(scope="module")
def plan() -> FoldPlan:
    return plan_of(layer_a_dataset(320, seed=2))


@pytest.fixture(scope="module")
def undisturbed(plan: FoldPlan) -> Tuned:
    return tune("logistic", plan, FEW)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


def made(plan: FoldPlan, storage: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tuned, int]:
    """What a run gives, and how many trials it had to make."""
    from trainers.tuning import tuning

    count, plain = [0], tuning.run_trial

    def counted(*args, **kwargs):
        count[0] += 1
        return plain(*args, **kwargs)

    monkeypatch.setattr(tuning, "run_trial", counted)
    return tune("logistic", plan, FEW, storage=storage, study=STUDY), count[0]


def test_a_killed_search_ends_as_an_undisturbed_one(
    plan: FoldPlan, undisturbed: Tuned, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = KILLS_ITSELF.format(after=KILLED_AFTER, study=STUDY)
    done = subprocess.run([sys.executable, "-c", script, str(storage)], check=False)
    assert done.returncode == -signal.SIGKILL
    tuned, count = made(plan, storage, monkeypatch)
    assert count == FEW.trials - KILLED_AFTER - 1, "what was written is not made again"
    assert same(tuned, undisturbed)


def test_a_finished_search_is_only_read(
    plan: FoldPlan, undisturbed: Tuned, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune("logistic", plan, FEW, storage=storage, study=STUDY)
    tuned, count = made(plan, storage, monkeypatch)
    assert count == 1, "only the centre of the best is tried anew"
    assert same(tuned, undisturbed)


def test_more_trials_go_on_where_fewer_ended(
    plan: FoldPlan, undisturbed: Tuned, storage: Path
) -> None:
    few = msgspec.structs.replace(FEW, trials=11)
    tune("logistic", plan, few, storage=storage, study=STUDY)
    assert same(tune("logistic", plan, FEW, storage=storage, study=STUDY), undisturbed)


def test_two_who_search_the_same_disturb_no_third(
    plan: FoldPlan, undisturbed: Tuned, storage: Path
) -> None:
    once = [False]

    def join(trial):
        if not once[0]:
            once[0] = True
            tune("logistic", plan, FEW, storage=storage, study=STUDY)

    tune("logistic", plan, FEW, storage=storage, study=STUDY, on_trial=join)
    assert same(tune("logistic", plan, FEW, storage=storage, study=STUDY), undisturbed)


@pytest.mark.parametrize("changed", ["data", "seed", "learner"])
def test_a_study_of_something_else_is_refused(plan: FoldPlan, storage: Path, changed: str) -> None:
    short = msgspec.structs.replace(FEW, trials=2)
    tune("logistic", plan, short, storage=storage, study=STUDY)
    learner = "lightgbm" if changed == "learner" else "logistic"
    other = plan_of(layer_a_dataset(320, seed=3)) if changed == "data" else plan
    settings = msgspec.structs.replace(short, seed=8) if changed == "seed" else short
    with pytest.raises(ConfigError, match=f"another ({changed}|code)"):
        tune(learner, other, settings, storage=storage, study=STUDY)


def test_a_study_is_of_all_the_code_that_fits_and_of_its_libraries(
    plan: FoldPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: set[str] = set()

    def drawn(*args):
        found = drawn_from(*args)
        hashed.update(module.__name__ for module in found)
        return found

    def code() -> str:
        tuning_study._code_digest.cache_clear()
        return identity_of("lightgbm", plan, FEW)["code"]

    monkeypatch.setattr(tuning_study, "drawn_from", drawn)
    before = code()
    assert code() == before
    fits = {"learners.lightgbm", "tree_growth", "tree_ensemble", "sample_weights", "columns"}
    assert {f"trainers.{name}" for name in fits} <= hashed
    monkeypatch.setattr(tuning_study, "version", lambda name: "0.1")
    assert code() != before
    tuning_study._code_digest.cache_clear()
