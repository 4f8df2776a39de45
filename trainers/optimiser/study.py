"""An optimisation in a shared Optuna storage: its trials, and exactly as many as were asked for.

Any number of processes work on one study, on any number of machines. A trial is begun by one
write, which names its parameters and its member, and finished by another: what is finished stays
finished, whoever is killed. Trials of the dead are failed and take nobody's place.

Trials have numbers, given by the storage. One goes on only while fewer than `limit` of those
before it have not failed; what has failed never comes back, so no more than `limit` are ever
complete, however many processes race.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from trainers.optimiser.evaluation import Evaluated
from trainers.optimiser.search_space import SearchSpace, params_key
from trainers.optimiser.study_storage import StoredStudy

_MEMBER, _KEY, _FIGURES, _REFUSED = "member", "key", "figures", "refused"

Floats = NDArray[np.float64]


class Finished(NamedTuple):
    """A complete trial. `evaluated` is None where the strategy refused the parameters."""

    number: int
    params: dict[str, Any]
    value: float
    evaluated: Evaluated | None


class Trials:
    """The trials of a study at one moment, in the order of their numbers."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        self.complete = [one for one in trials if one.state == TrialState.COMPLETE]
        self.running = [one for one in trials if one.state == TrialState.RUNNING]
        self._alive = [one for one in trials if one.state != TrialState.FAIL]

    @property
    def alive(self) -> int:
        """How many have not failed."""
        return len(self._alive)

    @property
    def best_value(self) -> float | None:
        """The highest objective of a complete trial, on the train days."""
        return max((float(one.values[0]) for one in self.complete), default=None)

    @property
    def finished(self) -> list[Finished]:
        """The complete trials with their figures."""
        return [finished_of(trial) for trial in self.complete]

    @property
    def members(self) -> set[str]:
        """Who is working on a trial."""
        return {one.user_attrs[_MEMBER] for one in self.running}

    def of(self, members: set[str]) -> list[FrozenTrial]:
        """Return what `members` are working on."""
        return [one for one in self.running if one.user_attrs[_MEMBER] in members]

    def running_one(self, trial_id: int) -> FrozenTrial | None:
        """Return a trial that has not been given up meanwhile."""
        return next((one for one in self.running if one._trial_id == trial_id), None)

    def has_place(self, trial: FrozenTrial, limit: int) -> bool:
        """Whether fewer than `limit` of the trials before it have not failed."""
        return sum(one.number < trial.number for one in self._alive) < limit

    def twin_of(self, trial: FrozenTrial) -> FrozenTrial | None:
        """Return a complete trial with the same parameters."""
        key = trial.user_attrs[_KEY]
        return next((one for one in self.complete if one.user_attrs[_KEY] == key), None)


class TrialStudy(StoredStudy):
    """One study with its trials, as `StoredStudy`."""

    def begin(self, space: SearchSpace, sampled: dict[str, Any], member: str) -> int:
        """Write a trial down as running, and return its id."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=sampled,
            distributions=space.distributions(),
            user_attrs={_MEMBER: member, _KEY: params_key(space.rounded(sampled))},
        )
        return self._storage.create_new_trial(self._id, template_trial=template)

    def finish(self, trial: FrozenTrial, value: float, evaluated: Evaluated | None) -> bool:
        """Write a result down; return False for a trial that was failed meanwhile."""
        given = {_REFUSED: True} if evaluated is None else {_FIGURES: _packed(evaluated)}
        try:
            for key, figures in given.items():
                self._storage.set_trial_user_attr(trial._trial_id, key, figures)
            return bool(
                self._storage.set_trial_state_values(
                    trial._trial_id, state=TrialState.COMPLETE, values=[value]
                )
            )
        except UpdateFinishedTrialError:
            return False

    def fail(self, trial: FrozenTrial) -> None:
        """Give a trial up, unless it is finished."""
        try:
            self._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
        except UpdateFinishedTrialError:
            return

    def look(self) -> "Trials":
        """Return the trials as they stand now."""
        return Trials(self.trials())


def finished_of(trial: FrozenTrial) -> Finished:
    """Return a complete trial with its figures."""
    packed = trial.user_attrs.get(_FIGURES)
    return Finished(
        number=trial.number,
        params=msgspec.json.decode(trial.user_attrs[_KEY]),
        value=float(trial.values[0]),
        evaluated=None if packed is None else _unpacked(packed),
    )


def _packed(evaluated: Evaluated) -> dict[str, Any]:
    raw = zlib.compress(evaluated.returns.astype("<f4").tobytes(), level=6)
    return {**evaluated._asdict(), "returns": base64.b64encode(raw).decode("ascii")}


def _unpacked(packed: Mapping[str, Any]) -> Evaluated:
    raw = zlib.decompress(base64.b64decode(packed["returns"]))
    returns = np.frombuffer(raw, dtype="<f4").astype(np.float64)
    folds = tuple(packed["folds"])
    return Evaluated(**{**packed, "returns": returns, "folds": folds})
