"""What the tests of the labeller share: answers, and streams of bars and answers."""

import msgspec

from engine.answer import Answer
from engine.settings import CostSettings, LabelSettings, StrategySettings
from streams import codec
from streams.events import Bar, Outcome, Scored, Signal

FREE = CostSettings(bps_per_side=0.0)

EXTERNAL = StrategySettings(
    name="ext",
    kind="external",
    label=LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=5),
    costs=FREE,
)


def bar(ts: int, open_: float, high: float, low: float, close: float, symbol: str = "AAA") -> Bar:
    return Bar(symbol, "1d", ts, float(open_), float(high), float(low), float(close), 1.0)


def answered(
    ts: int,
    signal_id: str = "s1",
    *,
    strategy: str = "ext",
    symbol: str = "AAA",
    price: float = 100.0,
    stop: float | None = 95.0,
    side: int = 1,
    **changes: object,
) -> Scored:
    """An accepted answer to a signal."""
    signal = Signal(signal_id, strategy, symbol, "1d", ts, side, 0.5, price, stop)
    return answer_to(signal, **changes)


def answer_to(signal: Signal, **changes: object) -> Scored:
    fields: dict[str, object] = {
        "probability": 0.6,
        "final_score": 0.5,
        "accepted": True,
        "mode": "filter",
        "threshold": 0.5,
        "weight": 0.3,
        "model": "m1",
        "reasons": (),
        "inputs": b"\x00" * 8,
        "features_digest": "d",
    }
    return Scored(**(msgspec.structs.asdict(signal) | fields | changes))


def outcomes(answers: list[Answer]) -> list[Outcome]:
    return [a.event for a in answers if isinstance(a.event, Outcome)]


def wire(answers: list[Answer]) -> list[tuple[str, str, bytes]]:
    """Everything of an answer that reaches the bus."""
    return [(a.subject, a.identity, codec.encode(a.event)) for a in answers]
