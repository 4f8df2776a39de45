"""Outcomes of models whose truth is known, and what a drift monitor says to them."""

import msgspec
import numpy as np

from engine.answer import Answer
from engine.drift.drift_monitor import DriftMonitor
from engine.settings import DriftSettings
from streams import layer_a
from streams.events import Drift, Event, Outcome, Progress, Retrain

DAY_NS = 86_400_000_000_000
SLOPE = DriftSettings(detectors=("slope",), first_outcomes=0, review_outcomes=0, refresh_growth=0.0)


def outcome(number: int, probability: float | None, y: int, **changes: object) -> Outcome:
    """The outcome of a signal of day `number`, held for three days."""
    fields: dict[str, object] = {
        "signal_id": f"s{number:05d}",
        "strategy": "alpha",
        "symbol": "AAA",
        "interval": "1d",
        "ts": number * DAY_NS,
        "side": 1,
        "accepted": True,
        "entry_ts": (number + 1) * DAY_NS,
        "exit_ts": (number + 3) * DAY_NS,
        "entry_price": 100.0,
        "exit_price": 101.0,
        "y_return": 0.01,
        "r_multiple": 1.0,
        "y_pnl_gross": 1.0,
        "y_pnl_net": 1.0,
        "y_binary": y,
        "exit_reason": "signal",
        "virtual": True,
        "probability": probability,
        "model": "alpha-1",
    }
    return Outcome(**(fields | changes))


def stream(
    seed: int, count: int, drift: layer_a.Drift = "NONE", drift_at: int = 0, **changes: object
) -> list[Outcome]:
    """Outcomes of a model that says the true probability, until the law changes."""
    rng = np.random.default_rng(seed)
    samples = layer_a.draw(rng, count, bayes_auc=0.70, drift=drift, drift_at=drift_at)
    said = layer_a.sigmoid(samples.score).tolist()
    happened = samples.outcome.tolist()
    pairs = enumerate(zip(said, happened, strict=True), start=1)
    return [outcome(i, p, y, **changes) for i, (p, y) in pairs]


def shifted(outcomes: list[Outcome], by: int, **changes: object) -> list[Outcome]:
    """The same outcomes, `by` days later."""
    return [
        msgspec.structs.replace(
            o,
            signal_id=f"{o.signal_id}+{by}",
            ts=o.ts + by * DAY_NS,
            exit_ts=o.exit_ts + by * DAY_NS,
            **changes,
        )
        for o in outcomes
    ]


def run(monitor: DriftMonitor, events: list[Event]) -> list[Answer]:
    return [answer for event in events for answer in monitor.step(event)]


def watermark(day: int, shard: int = 0, shards: int = 1) -> Progress:
    return Progress("labeller", shard, day * DAY_NS, 0, shards)


def judged(outcomes: list[Outcome], settings: DriftSettings = SLOPE) -> list[Answer]:
    return run(DriftMonitor(settings), [*outcomes, watermark(100_000)])


def drifts(answers: list[Answer]) -> list[Drift]:
    return [a.event for a in answers if isinstance(a.event, Drift)]


def requests(answers: list[Answer]) -> list[Retrain]:
    return [a.event for a in answers if isinstance(a.event, Retrain)]
