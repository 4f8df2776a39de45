"""The trials of a tuning in a storage, each written down whole, in one write, when it has ended.

A trial is known by its place in the search, not by the storage's number: whoever repeats a
search makes the same trials, so that of two at one place either will do.
"""

import base64
import hashlib
import importlib
import zlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from models.compiled import drawn_from
from trainers import learners
from trainers.optimiser.search_space import SearchSpace
from trainers.optimiser.study_storage import StoredStudy
from trainers.tuning import tuning_trial
from trainers.tuning.fold_plan import FoldPlan
from trainers.tuning.tuning_settings import TuningSettings
from trainers.tuning.tuning_trial import TuningTrial, complete_trial, pruned_trial

CODE_DIGITS = 12

_NUMBER, _MARGINS = "number", "margins"
_OURS = ("trainers.",)
_LIBRARIES = ("catboost", "lightgbm", "numpy", "scikit-learn", "xgboost-cpu")


class TuningStudy(StoredStudy):
    """The trials of one learner on one plan, as `StoredStudy`."""

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        identity: Mapping[str, Any],
        space: SearchSpace,
        plan: FoldPlan,
    ) -> None:
        super().__init__(storage, name, identity)
        self._space = space
        self._plan = plan

    def read(self) -> dict[int, TuningTrial]:
        """Return the trials that have ended, by their numbers."""
        found: dict[int, TuningTrial] = {}
        for one in self.trials():
            trial = self._thawed(one)
            found.setdefault(trial.number, trial)
        return found

    def write(self, trial: TuningTrial) -> None:
        """Write a trial down."""
        attrs: dict[str, Any] = {_NUMBER: trial.number, "params": trial.params}
        if trial.is_complete:
            attrs[_MARGINS] = _packed(trial.margins[self._plan.tested])
        template = frozen(trial, self._space, attrs)
        self._storage.create_new_trial(self._id, template_trial=template)

    def _thawed(self, one: FrozenTrial) -> TuningTrial:
        number, params = int(one.user_attrs[_NUMBER]), dict(one.user_attrs["params"])
        steps = [value for _, value in sorted(one.intermediate_values.items())]
        if one.state != TrialState.COMPLETE:
            return pruned_trial(self._plan, number, params, steps)
        margins = np.full(len(self._plan.samples), np.nan)
        margins[self._plan.tested] = _unpacked(one.user_attrs[_MARGINS])
        return complete_trial(self._plan, number, params, steps, margins)


def frozen(
    trial: TuningTrial, space: SearchSpace, attrs: Mapping[str, Any] | None = None
) -> FrozenTrial:
    """Return a trial as Optuna knows it; without parameters where the ranges do not hold them."""
    is_held = space.holds(trial.params)
    return create_trial(
        state=TrialState.COMPLETE if trial.is_complete else TrialState.PRUNED,
        params={one.name: trial.params[one.name] for one in space.ranges} if is_held else {},
        distributions=space.distributions() if is_held else {},
        value=trial.value if trial.is_complete else None,
        intermediate_values=dict(enumerate(trial.steps, start=1)),
        user_attrs=dict(attrs or {}),
    )


def identity_of(learner: str, plan: FoldPlan, settings: TuningSettings) -> dict[str, Any]:
    """Return what the trials of a search depend on: more of them may be made later."""
    return {
        "learner": learner,
        "data": _digest(plan),
        "code": _code_digest(learner),
        "seed": settings.seed,
        "startup_trials": settings.startup_trials,
        "prune": settings.prune,
    }


@cache
def _code_digest(learner: str) -> str:
    """Of what makes a trial. Read once: a file that is edited later is not what runs here."""
    fitting = importlib.import_module(f"{learners.__name__}.{learner}")
    digest = hashlib.sha256()
    for module in drawn_from([fitting, tuning_trial], _OURS):
        digest.update(Path(str(module.__file__)).read_bytes())
    for name in _LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    return digest.hexdigest()[:CODE_DIGITS]


def _digest(plan: FoldPlan) -> str:
    digest = hashlib.sha256(plan.samples.digest().encode())
    digest.update(plan.weights.astype("<f8").tobytes())
    for fold in plan.folds:
        for rows in (fold.columns, fold.train, fold.test):
            digest.update(len(rows).to_bytes(8, "little") + rows.astype("<i8").tobytes())
    return digest.hexdigest()


def _packed(values: NDArray[np.float64]) -> str:
    return base64.b64encode(zlib.compress(values.astype("<f8").tobytes(), level=1)).decode("ascii")


def _unpacked(packed: str) -> NDArray[np.float64]:
    raw = zlib.decompress(base64.b64decode(packed))
    return np.frombuffer(raw, dtype="<f8").astype(np.float64)
