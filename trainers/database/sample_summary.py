"""What a feature database holds, in one line per strategy, source and parameter set."""

from typing import Any

import msgspec
from sqlalchemy import func, select

from trainers.database.feature_database import FeatureDatabase
from trainers.database.sample_tables import parameter_sets, samples


class SampleSummary(msgspec.Struct, frozen=True):
    """Samples that share strategy, source and parameters; `params` is None where nobody told.

    `from_ts` and `to_ts`: the first and the last signal, UTC ns.
    """

    strategy: str
    source: str
    params_digest: str
    params: dict[str, Any] | None
    samples: int
    symbols: int
    from_ts: int
    to_ts: int


def summaries_of(database: FeatureDatabase) -> list[SampleSummary]:
    """Return what there is, ordered by strategy, source and parameters' digest."""
    table = samples.c
    key = (table.strategy, table.source, table.params_digest)
    query = (
        select(
            *key,
            parameter_sets.c.params,
            func.count(),
            func.count(table.symbol.distinct()),
            func.min(table.ts),
            func.max(table.ts),
        )
        .join_from(
            samples,
            parameter_sets,
            parameter_sets.c.params_digest == table.params_digest,
            isouter=True,
        )
        .group_by(*key, parameter_sets.c.params)
        .order_by(*key)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    return [
        SampleSummary(
            strategy=row[0],
            source=row[1],
            params_digest=row[2],
            params=None if row[3] is None else msgspec.json.decode(row[3]),
            samples=row[4],
            symbols=row[5],
            from_ts=row[6],
            to_ts=row[7],
        )
        for row in rows
    ]
