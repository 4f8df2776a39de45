"""An optimisation in a shared Optuna storage: its trials, and exactly as many as were asked for.

Any number of processes work on one study, on any number of machines. A trial is begun by one
write, which names its parameters and its member, and finished by another: what is finished stays
finished, whoever is killed. Trials of the dead are failed and take nobody's place.

Trials have numbers, given by the storage. One goes on only while fewer than `limit` of those
before it have not failed; what has failed never comes back, so no more than `limit` are ever
complete, however many processes race.
"""

import base64
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from streams.errors import ConfigError, DataError
from trainers.database.engine import BUSY_TIMEOUT_S
from trainers.database.location import is_url, name_of, url_of, without_password
from trainers.optimiser.evaluation import Evaluated
from trainers.optimiser.search_space import SearchSpace, params_key

OPEN_TRIES = 5
"""Processes that open a new storage at one moment make its tables at one moment."""

_IDENTITY, _MEMBER, _KEY, _FIGURES, _REFUSED = "identity", "member", "key", "figures", "refused"

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


class TrialStudy:
    """One study, by its name in a storage. `identity` is what its trials depend on.

    A context manager. Raises ConfigError where the study is there already with another identity.
    """

    def __init__(self, storage: BaseStorage, name: str, identity: Mapping[str, Any]) -> None:
        self.name = name
        self._opened = storage
        self._storage = get_storage(storage)
        created = optuna.create_study(
            storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
        )
        self._id = self._storage.get_study_id_from_name(name)
        if _IDENTITY not in created.user_attrs:
            created.set_user_attr(_IDENTITY, dict(identity))
        found = self._storage.get_study_user_attrs(self._id)[_IDENTITY]
        wanted = msgspec.json.decode(msgspec.json.encode(dict(identity)))
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                raise ConfigError(
                    f"study {name} is there with another {key}: its trials cannot be compared "
                    "with new ones; give another --study, or what it was begun with"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the storage."""
        if isinstance(self._opened, RDBStorage):
            self._opened.remove_session()
            self._opened.engine.dispose()

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
        found = self._storage.get_all_trials(self._id, deepcopy=False)
        return Trials(sorted(found, key=lambda trial: trial.number))


def finished_of(trial: FrozenTrial) -> Finished:
    """Return a complete trial with its figures."""
    packed = trial.user_attrs.get(_FIGURES)
    return Finished(
        number=trial.number,
        params=msgspec.json.decode(trial.user_attrs[_KEY]),
        value=float(trial.values[0]),
        evaluated=None if packed is None else _unpacked(packed),
    )


def open_storage(location: str | Path) -> BaseStorage:
    """Return the Optuna storage in a SQLite file, made if it is missing, or a PostgreSQL database.

    Raises DataError where that cannot be used; it shows no password.
    """
    url = url_of(location)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not is_url(location):
        Path(location).parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, OPEN_TRIES + 1):
        try:
            return _opened(url.render_as_string(hide_password=False), is_file=not is_url(location))
        except (SQLAlchemyError, OSError) as error:
            if number < OPEN_TRIES and "already exists" in str(error):
                continue
            raise _unusable(location, error) from None
    raise AssertionError("the last try returns or raises")


@contextmanager
def telling_of(location: str | Path) -> Iterator[None]:
    """Say of a storage that is full, gone or held by others what can be done; raises DataError."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _unusable(location, error.__cause__ or error) from None


def _unusable(location: str | Path, error: BaseException) -> DataError:
    cause = " ".join(str(getattr(error, "orig", None) or error).split())
    return DataError(
        f"the study storage {name_of(location)} cannot be used: "
        f"{without_password(cause, url_of(location))}; what it holds is kept: see to it and run "
        "the same command again, or name another file or server with --storage"
    )


def _opened(url: str, *, is_file: bool) -> BaseStorage:
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_TIMEOUT_S}} if is_file else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = RDBStorage(url, engine_kwargs=options)
    if is_file:
        event.listen(storage.engine, "connect", _prepare_sqlite)
        storage.engine.dispose()
    return storage


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _packed(evaluated: Evaluated) -> dict[str, Any]:
    raw = zlib.compress(evaluated.returns.astype("<f4").tobytes(), level=6)
    return {**evaluated._asdict(), "returns": base64.b64encode(raw).decode("ascii")}


def _unpacked(packed: Mapping[str, Any]) -> Evaluated:
    raw = zlib.decompress(base64.b64decode(packed["returns"]))
    returns = np.frombuffer(raw, dtype="<f4").astype(np.float64)
    folds = tuple(packed["folds"])
    return Evaluated(**{**packed, "returns": returns, "folds": folds})
