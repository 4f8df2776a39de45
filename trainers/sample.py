"""One labelled signal, as it is stored."""

import math

import msgspec

from streams.events import Outcome, Scored
from trainers.database.provenance import Provenance

TS_MAX = 2**63 - 1
VIRTUAL, REAL = "virtual", "real"
UNTOLD = Provenance()


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What was served for a signal and what became of it.

    `vector` is float32 little-endian in the order that `features_digest` names. `params_digest`,
    `data_digest` and `code_version` say which parameters, bars and code it comes from, where that
    is known: see `trainers/database/provenance.py`.
    """

    strategy: str
    signal_id: str
    source: str
    symbol: str
    ts: int
    entry_ts: int
    exit_ts: int
    side: int
    score: float
    y_binary: int
    y_return: float
    r_multiple: float
    pnl_net: float
    vector: bytes
    features_digest: str
    probability: float | None = None
    model: str | None = None
    params_digest: str = ""
    data_digest: str = ""
    code_version: str = ""


def is_sound(sample: Sample) -> bool:
    """Whether a sample can be stored and learned from: finite figures, a span, two classes."""
    figures = (sample.score, sample.y_return, sample.r_multiple, sample.pnl_net)
    # A database server has no room for a zero character.
    words = (sample.strategy, sample.signal_id, sample.symbol, sample.model or "")
    return (
        all(map(math.isfinite, figures))
        and min(sample.ts, sample.entry_ts) > 0
        and max(sample.ts, sample.entry_ts) <= sample.exit_ts <= TS_MAX
        and sample.y_binary in (0, 1)
        and sample.side in (-1, 0, 1)
        and not any("\0" in word for word in words)
    )


def sample_of(scored: Scored, outcome: Outcome, provenance: Provenance = UNTOLD) -> Sample:
    """Join the answer to a signal with what became of it."""
    return Sample(
        strategy=scored.strategy,
        signal_id=scored.signal_id,
        source=VIRTUAL if outcome.virtual else REAL,
        symbol=scored.symbol,
        ts=scored.ts,
        entry_ts=outcome.entry_ts,
        exit_ts=outcome.exit_ts,
        side=scored.side,
        score=scored.score,
        y_binary=outcome.y_binary,
        y_return=outcome.y_return,
        r_multiple=outcome.r_multiple,
        pnl_net=outcome.y_pnl_net,
        vector=scored.inputs,
        features_digest=scored.features_digest,
        probability=outcome.probability,
        model=outcome.model,
        params_digest=provenance.params.get(scored.strategy, ""),
        data_digest=provenance.data_digest,
        code_version=provenance.code_version,
    )
