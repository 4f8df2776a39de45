"""The one ledger of search trials, of strategies and of models, that deflates what a search finds.

A trial is one set of parameters judged on some data. It counts once, whoever tried it, in
whichever study, and however often: a search that is resumed, repeated or given another name does
not become more modest by it. What is in the ledger stays there.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, MetaData, Table, func, select
from sqlalchemy.sql.elements import ColumnElement

from streams.errors import DataError
from trainers.database.engine import (
    FLOAT64,
    INT64,
    TEXT,
    insert_new,
    open_database,
    reading,
    writing,
)
from trainers.database.migration import migrate
from trainers.statistics.performance import Performance
from trainers.statistics.sharpe import (
    NORMAL_KURTOSIS,
    DeflatedSharpe,
    deflated_sharpe,
)

SCHEMA = "trials"
# Not "trials", which is a table of Optuna's: both may share a database.
_TABLE = "search_trials"

_KEY = ("kind", "scope", "symbols_digest", "data_digest", "params_digest")

_trials = Table(
    _TABLE,
    MetaData(),
    *(Column(name, TEXT, primary_key=True) for name in _KEY),
    Column("study", TEXT, nullable=False),
    Column("sharpe", FLOAT64),
    Column("periods", INT64, nullable=False),
    sqlite_strict=True,
)


class Trial(msgspec.Struct, frozen=True):
    """One set of parameters on some data, and what it came to.

    `scope`: the strategy's name. `data_digest`: of the whole history that the search may look at,
    before it is cut into training and validation, so that another cut is no other data.
    `sharpe`: per period, not annualised, None where it is not defined (too few trades): such a
    trial counts all the same. `periods`: how many returns it is of. `study` says who tried it
    first; it is no part of what makes a trial one.
    """

    kind: Literal["strategy", "model"]
    scope: str
    symbols_digest: str
    data_digest: str
    params_digest: str
    study: str
    sharpe: float | None
    periods: int


class Among(msgspec.Struct, frozen=True):
    """Which trials count together: those that agree with all that is given here.

    `data_digests`: those of any of these data.
    """

    kind: Literal["strategy", "model"] | None = None
    scope: str | None = None
    symbols_digest: str | None = None
    data_digest: str | None = None
    data_digests: tuple[str, ...] | None = None


EVERY_TRIAL = Among()


def symbols_digest_of(symbols: Iterable[str]) -> str:
    """Return the SHA-256 of a set of symbols, in whichever order, as hex."""
    return hashlib.sha256(msgspec.json.encode(sorted(set(symbols)))).hexdigest()


class TrialLedger:
    """An open ledger; a context manager. Any number of processes may write to one.

    `location` is a SQLite file, made if it is missing, or a PostgreSQL URL. Raises DataError
    where that cannot be used.
    """

    def __init__(self, location: str | Path) -> None:
        self._engine = open_database(location, title="trial ledger")
        migrate(self._engine, SCHEMA, (_create_version_1,))

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
        """Let go of the database."""
        self._engine.dispose()

    def record(self, trials: Iterable[Trial]) -> int:
        """Add the trials that are new; return how many that were. All of them, or none.

        Of a trial that is there already the first Sharpe ratio stays. Raises DataError for one
        that is no finite number.
        """
        rows = [msgspec.structs.asdict(_checked(trial)) for trial in trials]
        with writing(self._engine) as connection:
            return insert_new(connection, _trials, rows)

    def count(self, among: Among = EVERY_TRIAL) -> int:
        """Return how many trials there are."""
        query = select(func.count()).select_from(_trials).where(*_conditions(among))
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def sharpes(self, among: Among = EVERY_TRIAL) -> NDArray[np.float64]:
        """Return the Sharpe ratios, per period, of the trials that have one, ascending."""
        with reading(self._engine) as connection:
            return _sharpes(connection, among)

    def sharpe_variance(self, among: Among = EVERY_TRIAL) -> float | None:
        """Return the variance (n - 1) of the Sharpe ratios; None for fewer than two."""
        return _variance(self.sharpes(among))

    def deflated(
        self,
        sharpe: float,
        periods: int,
        *,
        skew: float = 0.0,
        kurtosis: float = NORMAL_KURTOSIS,
        among: Among = EVERY_TRIAL,
    ) -> DeflatedSharpe:
        """Return what `sharpe`, per period, is worth as the best of the trials so far.

        Record the search's own trials first. With fewer than two Sharpe ratios their variance is
        taken to be that of worthless trials, 1 / (periods - 1).
        """
        with reading(self._engine) as connection:
            query = select(func.count()).select_from(_trials).where(*_conditions(among))
            count = int(connection.execute(query).scalar_one())
            variance = _variance(_sharpes(connection, among))
        if variance is None:
            variance = 1.0 / max(periods - 1, 1)
        trials = max(count, 1)
        return deflated_sharpe(
            sharpe, periods, trials=trials, variance=variance, skew=skew, kurtosis=kurtosis
        )

    def deflated_performance(
        self, performance: Performance, among: Among = EVERY_TRIAL
    ) -> DeflatedSharpe | None:
        """Return the same of a performance; None where it has no Sharpe ratio."""
        sharpe = performance.period_sharpe
        if sharpe is None or performance.skew is None or performance.kurtosis is None:
            return None
        return self.deflated(
            sharpe,
            performance.periods,
            skew=performance.skew,
            kurtosis=performance.kurtosis,
            among=among,
        )


def _create_version_1(connection: Connection) -> None:
    columns = [Column(name, TEXT, primary_key=True) for name in _KEY]
    Table(
        _TABLE,
        MetaData(),
        *columns,
        Column("study", TEXT, nullable=False),
        Column("sharpe", FLOAT64),
        Column("periods", INT64, nullable=False),
        sqlite_strict=True,
    ).create(connection)


def _checked(trial: Trial) -> Trial:
    if trial.sharpe is not None and not np.isfinite(trial.sharpe):
        raise DataError(
            f"the Sharpe ratio of a trial must be a finite number, was {trial.sharpe} for "
            f"{trial.scope}: give None where it is not defined"
        )
    return trial


def _conditions(among: Among) -> list[ColumnElement[bool]]:
    wanted = msgspec.structs.asdict(among)
    several = wanted.pop("data_digests")
    given = [_trials.c[name] == value for name, value in wanted.items() if value is not None]
    return given if several is None else [*given, _trials.c.data_digest.in_(several)]


def _sharpes(connection: Connection, among: Among) -> NDArray[np.float64]:
    # In order, so that the same trials give the same variance to the last bit.
    query = (
        select(_trials.c.sharpe)
        .where(_trials.c.sharpe.is_not(None), *_conditions(among))
        .order_by(_trials.c.sharpe)
    )
    return np.array(connection.execute(query).scalars().all(), dtype=np.float64)


def _variance(sharpes: NDArray[np.float64]) -> float | None:
    return float(np.var(sharpes, ddof=1)) if sharpes.size > 1 else None
