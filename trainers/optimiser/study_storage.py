"""Where a study's trials are kept: an Optuna storage, opened, prepared and told of in words."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from streams.errors import ConfigError, DataError
from trainers.database.engine import BUSY_TIMEOUT_S
from trainers.database.location import is_url, name_of, url_of, without_password

OPEN_TRIES = 5
"""Processes that open a new storage at one moment make its tables at one moment."""

_IDENTITY = "identity"


class StoredStudy:
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

    def trials(self) -> list[FrozenTrial]:
        """Return the trials as they stand now, by number."""
        found = self._storage.get_all_trials(self._id, deepcopy=False)
        return sorted(found, key=lambda trial: trial.number)

    def close(self) -> None:
        """Let go of the storage."""
        if isinstance(self._opened, RDBStorage):
            self._opened.remove_session()
            self._opened.engine.dispose()


def open_storage(location: str | Path) -> BaseStorage:
    """Return the Optuna storage in a SQLite file, made if it is missing, or a PostgreSQL database.

    Raises DataError where that cannot be used; it shows no password.
    """
    url = url_of(location)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for number in range(1, OPEN_TRIES + 1):
        try:
            if not is_url(location):
                Path(location).parent.mkdir(parents=True, exist_ok=True)
            return _opened(url.render_as_string(hide_password=False), is_file=not is_url(location))
        except (SQLAlchemyError, OSError) as error:
            is_made_by_another = isinstance(error, IntegrityError) or "already exists" in str(error)
            if number < OPEN_TRIES and is_made_by_another:
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
