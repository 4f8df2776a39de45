"""The sealed days of a study: opened once, for one configuration, and that is written down.

A holdout that was opened for another configuration before is no longer sealed: whoever chose
again knew what it holds. So every opening is recorded before a bar of it is looked at, by the
symbols and days, beside the ledger of trials: in whichever storage a study is.
"""

from typing import NamedTuple

from sqlalchemy import Column, Connection, Engine, MetaData, Table, select, text

from trainers.database.engine import INT64, TEXT, is_sqlite, writing
from trainers.database.migration import migrate
from trainers.optimiser.study_spans import Span
from trainers.statistics.performance import Performance
from trainers.statistics.sharpe import NORMAL_KURTOSIS, sharpe_error

ERRORS_MAX = 1.645
"""How many standard errors a holdout may fall below the validation: one-sided 5 %."""

_SCHEMA = "holdout_openings"
_openings = Table(
    "holdout_openings",
    MetaData(),
    Column("number", INT64, primary_key=True),
    *(Column(name, TEXT, nullable=False) for name in ("symbols_digest", "scope", "study")),
    Column("params", TEXT, nullable=False),
    *(Column(name, INT64, nullable=False) for name in ("first_day", "last_day", "opened_ts")),
    sqlite_strict=True,
)


class Opened(NamedTuple):
    """How often the days were opened before: at all, and for other configurations.

    `first_ts`: when they were first opened for this one.
    """

    before: int
    for_others: int
    first_ts: int


class Agreement(NamedTuple):
    """Whether the holdout agrees with the validation, and why in words."""

    agrees: bool
    reason: str


def open_holdout(
    engine: Engine,
    *,
    symbols_digest: str,
    span: Span,
    strategy: str,
    study: str,
    params: str,
    opened_ts: int,
) -> Opened:
    """Record an opening for `params`, and return how often days of it were opened before.

    `strategy` is the rule's name, `params` the text that stands for a configuration. Openings
    count that were of the same strategy and symbols and share a day, in any study.
    """
    migrate(engine, _SCHEMA, (_create_openings,))
    query = select(_openings.c.params, _openings.c.opened_ts).where(
        _openings.c.symbols_digest == symbols_digest,
        _openings.c.scope == strategy,
        _openings.c.first_day <= span.last_day,
        _openings.c.last_day >= span.first_day,
    )
    with writing(engine) as connection:
        if not is_sqlite(connection):
            # Whoever opens at the same moment is told of this opening, or this one of theirs.
            connection.execute(text(f"LOCK TABLE {_openings.name} IN SHARE ROW EXCLUSIVE MODE"))
        earlier = connection.execute(query).all()
        connection.execute(
            _openings.insert(),
            {
                "symbols_digest": symbols_digest,
                "first_day": span.first_day,
                "last_day": span.last_day,
                "scope": strategy,
                "study": study,
                "params": params,
                "opened_ts": opened_ts,
            },
        )
    own = [one.opened_ts for one in earlier if one.params == params]
    return Opened(len(earlier), len(earlier) - len(own), min(own, default=opened_ts))


def agreement(validation: Performance | None, holdout: Performance | None) -> Agreement:
    """Return whether the holdout's Sharpe ratio is above 0, and not below the validation's by
    more than ERRORS_MAX standard errors of their difference.
    """
    if holdout is None or holdout.sharpe_ratio is None:
        return Agreement(False, "nothing was traded on the holdout")
    if holdout.sharpe_ratio <= 0.0:
        return Agreement(False, f"its Sharpe ratio is {holdout.sharpe_ratio:.2f}")
    if validation is None or validation.sharpe_ratio is None:
        return Agreement(False, "nothing was traded on the validation days")
    error = (_annual_error(validation) ** 2 + _annual_error(holdout) ** 2) ** 0.5
    fall = (validation.sharpe_ratio - holdout.sharpe_ratio) / error
    words = f"Sharpe {holdout.sharpe_ratio:.2f} after {validation.sharpe_ratio:.2f}"
    if fall > ERRORS_MAX:
        return Agreement(False, f"{words}, {fall:.1f} standard errors below")
    return Agreement(True, words)


def _annual_error(performance: Performance) -> float:
    sharpe, skew = performance.period_sharpe or 0.0, performance.skew or 0.0
    kurtosis = NORMAL_KURTOSIS if performance.kurtosis is None else performance.kurtosis
    error = sharpe_error(sharpe, performance.periods, skew=skew, kurtosis=kurtosis)
    return error * float(performance.periods_per_year**0.5)


def _create_openings(connection: Connection) -> None:
    _openings.create(connection)
