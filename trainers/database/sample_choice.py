"""Which samples are meant: the filters that reading, training and export share.

A signal may stand there under several parameter sets. Where none is chosen, one sample of it
counts: that of `preferred_digest` if there is one, else the one that came in last. So training
never counts a signal twice, whatever was tried before.
"""

from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Tuple,
    and_,
    case,
    exists,
    func,
    select,
    tuple_,
)

from trainers.database.sample_tables import samples

INT64_MAX = 2**63 - 1


class SampleChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one strategy and source with ts in [from_ts, to_ts], labels known by a time."""

    strategy: str
    source: str = "virtual"
    symbol: str | None = None
    from_ts: int = 0
    to_ts: int = INT64_MAX
    known_by_ts: int = INT64_MAX
    params_digest: str | None = None
    preferred_digest: str = ""

    def query(self, *columns: str) -> Select[tuple[object, ...]]:
        """Return the query for `columns`, in the order of (ts, signal_id)."""
        chosen = [samples.c[name] for name in columns]
        return (
            select(*chosen)
            .where(self._meets(samples, samples.c.ts), *self._stands_alone())
            .order_by(samples.c.ts, samples.c.signal_id)
        )

    def layouts(self) -> Select[Any]:
        """Return the query for the digests of the samples' layouts, the newest first."""
        digest = samples.c.features_digest
        return (
            select(digest)
            .where(self._meets(samples, samples.c.ts))
            .group_by(digest)
            .order_by(func.max(samples.c.id).desc())
        )

    def _meets(self, table: FromClause, ts: ColumnElement[int]) -> ColumnElement[bool]:
        conditions = [
            table.c.strategy == self.strategy,
            table.c.source == self.source,
            ts.between(self.from_ts, self.to_ts),
            table.c.exit_ts <= self.known_by_ts,
        ]
        if self.symbol is not None:
            conditions.append(table.c.symbol == self.symbol)
        if self.params_digest is not None:
            conditions.append(table.c.params_digest == self.params_digest)
        return and_(*conditions)

    def _stands_alone(self) -> list[ColumnElement[bool]]:
        if self.params_digest is not None:
            return []
        other = samples.alias("other")
        same = other.c.signal_id == samples.c.signal_id
        before = self._rank(other) > self._rank(samples)
        # A sum has no index: SQLite would walk all of that time instead of the one signal.
        return [~exists().where(same, self._meets(other, other.c.ts + 0), before)]

    def _rank(self, table: FromClause) -> Tuple:
        is_preferred = case((table.c.params_digest == self.preferred_digest, 1), else_=0)
        return tuple_(is_preferred, table.c.id)
