"""The one ledger of search trials, of strategies and of models, that deflates what a search finds.

A trial is one set of parameters judged on some data. It counts once, whoever tried it, in
whichever study, and however often: a search that is resumed, repeated or given another name does
not become more modest by it. What is in the ledger stays there.

Trials of hours and of days, of months and of decades stand in one ledger. Their Sharpe ratios are
compared as t-statistics, ratio * sqrt(periods): without merit those are of one size, whatever a
period is. A ratio of a few bars, that may be huge by chance, is then no larger than it is worth.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
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

    `symbols_digests`: those on any of these symbols.
    """

    kind: Literal["strategy", "model"] | None = None
    scope: str | None = None
    symbols_digest: str | None = None
    data_digest: str | None = None
    symbols_digests: tuple[str, ...] | None = None


EVERY_TRIAL = Among()

DIGESTS_ASKED_MAX = 500
"""How many digests are looked up in one statement."""


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
        with reading(self._engine) as connection:
            return _count(connection, among)

    def symbols_of(self, data_digests: Iterable[str]) -> set[str]:
        """Return the digests of the symbols that were tried on any of these data."""
        asked, found = iter(data_digests), set[str]()
        with reading(self._engine) as connection:
            while part := list(itertools.islice(asked, DIGESTS_ASKED_MAX)):
                column = _trials.c.symbols_digest
                query = select(column).where(_trials.c.data_digest.in_(part)).distinct()
                found.update(connection.execute(query).scalars())
        return found

    def t_statistics(self, among: Among = EVERY_TRIAL) -> NDArray[np.float64]:
        """Return those of the trials that have a Sharpe ratio, ascending."""
        with reading(self._engine) as connection:
            return _t_statistics(connection, among)

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

        Record the search's own trials first; see `variance_among` for the spread of all.
        """
        with reading(self._engine) as connection:
            count = _count(connection, among)
            variance = variance_among(_t_statistics(connection, among), periods)
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


def variance_among(t_statistics: NDArray[np.float64], periods: int) -> float:
    """Return the variance (n - 1) of the Sharpe ratios of trials, as of `periods` returns each.

    With fewer than two it is taken to be that of worthless trials, 1 / (periods - 1).
    """
    if t_statistics.size < 2:
        return 1.0 / max(periods - 1, 1)
    return float(np.var(t_statistics, ddof=1)) / max(periods, 1)


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
    del wanted["symbols_digests"]
    return [_trials.c[name] == value for name, value in wanted.items() if value is not None]


def _parts(among: Among) -> Iterator[list[ColumnElement[bool]]]:
    """The conditions, in parts that no trial meets two of: a statement has room for so much."""
    conditions = _conditions(among)
    if among.symbols_digests is None:
        yield conditions
        return
    asked = iter(sorted(set(among.symbols_digests)))
    while part := list(itertools.islice(asked, DIGESTS_ASKED_MAX)):
        yield [*conditions, _trials.c.symbols_digest.in_(part)]


def _count(connection: Connection, among: Among) -> int:
    return sum(
        int(connection.execute(select(func.count()).select_from(_trials).where(*part)).scalar_one())
        for part in _parts(among)
    )


def _t_statistics(connection: Connection, among: Among) -> NDArray[np.float64]:
    found: list[float] = []
    for part in _parts(among):
        query = select(_trials.c.sharpe, _trials.c.periods).where(
            _trials.c.sharpe.is_not(None), *part
        )
        found += (row.sharpe * row.periods**0.5 for row in connection.execute(query))
    # In order, so that the same trials give the same variance to the last bit.
    return np.sort(np.array(found, dtype=np.float64))
