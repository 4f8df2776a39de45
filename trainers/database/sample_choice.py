"""Which samples are meant: the filters that reading, training and export share.

A signal may stand there under several parameter sets. Where none is chosen, one sample of it
counts: that of `preferred_digest` if there is one, else the one that came in last. So training
never counts a signal twice, whatever was tried before.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, select

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
        return select(*chosen).where(self._chosen()).order_by(samples.c.ts, samples.c.signal_id)

    def counted(self) -> Select[Any]:
        """Return the query for the number of signals."""
        return select(func.count(samples.c.signal_id.distinct())).where(self._meets())

    def layouts(self) -> Select[Any]:
        """Return the query for the digests of the samples' layouts, the newest first."""
        digest = samples.c.features_digest
        return (
            select(digest)
            .where(self._meets())
            .group_by(digest)
            .order_by(func.max(samples.c.id).desc())
        )

    def _meets(self) -> ColumnElement[bool]:
        table = samples.c
        conditions = [
            table.strategy == self.strategy,
            table.source == self.source,
            table.ts.between(self.from_ts, self.to_ts),
            table.exit_ts <= self.known_by_ts,
        ]
        if self.symbol is not None:
            conditions.append(table.symbol == self.symbol)
        if self.params_digest is not None:
            conditions.append(table.params_digest == self.params_digest)
        return and_(*conditions)

    def _chosen(self) -> ColumnElement[bool]:
        if self.params_digest is not None:
            return self._meets()
        # Ranked in one pass: a search for rivals of each sample is quadratic on a server that
        # knows nothing yet of how many there are.
        is_preferred = case((samples.c.params_digest == self.preferred_digest, 1), else_=0)
        place = func.row_number().over(
            partition_by=samples.c.signal_id, order_by=(is_preferred.desc(), samples.c.id.desc())
        )
        ranked = select(samples.c.id, place.label("place")).where(self._meets()).subquery()
        return samples.c.id.in_(select(ranked.c.id).where(ranked.c.place == 1))
