"""Answers and outcomes as the streams carry them, made from a dataset."""

from collections.abc import Iterator

from models.vector import digest_of
from streams.events import Outcome, Scored
from trainers.dataset import Dataset


def events_of(samples: Dataset, strategy: str = "synthetic") -> Iterator[tuple[Scored, Outcome]]:
    digest = digest_of(samples.names)
    for row in range(len(samples)):
        signal_id, symbol = str(samples.signal_ids[row]), str(samples.symbols[row])
        ts, y = int(samples.ts[row]), int(samples.y[row])
        r = float(samples.r_multiple[row])
        scored = Scored(
            signal_id=signal_id,
            strategy=strategy,
            symbol=symbol,
            interval="1d",
            ts=ts,
            side=1,
            score=0.5,
            price=100.0,
            stop=98.0,
            features={},
            probability=None,
            final_score=0.5,
            accepted=True,
            mode="pass_through",
            threshold=0.5,
            weight=0.3,
            model=None,
            reasons=("no_model",),
            inputs=samples.x[row].tobytes(),
            features_digest=digest,
        )
        outcome = Outcome(
            signal_id=signal_id,
            strategy=strategy,
            symbol=symbol,
            interval="1d",
            ts=ts,
            side=1,
            accepted=True,
            entry_ts=int(samples.entry_ts[row]),
            exit_ts=int(samples.exit_ts[row]),
            entry_price=100.0,
            exit_price=100.0 + 2.0 * r,
            y_return=0.02 * r,
            r_multiple=r,
            y_pnl_gross=2.0 * r,
            y_pnl_net=2.0 * r,
            y_binary=y,
            exit_reason="target" if y else "stop",
            virtual=True,
            probability=None,
            model=None,
        )
        yield scored, outcome
