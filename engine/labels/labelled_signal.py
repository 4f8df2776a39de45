"""What the labeller keeps of an answered signal: what its outcomes say of it."""

from collections.abc import Sequence
from sys import intern
from typing import Any

import msgspec

from engine.labels.label_rule import LabelRule
from models.mode import CANARY
from streams.events import Scored


class LabelledSignal(msgspec.Struct, gc=False):
    """A signal, its answer and the rule it is labelled by; a stop may be learned from its bar.

    `inputs` and `features_digest` are what it was served, until that has been compared; `canary`:
    by a model that spoke beside the one in force.
    """

    rule: LabelRule
    signal_id: str
    strategy: str
    symbol: str
    interval: str
    ts: int
    side: int
    price: float
    stop: float | None
    accepted: bool
    probability: float | None
    model: str | None
    inputs: bytes = b""
    features_digest: str = ""
    canary: bool = False

    def save(self) -> tuple[Any, ...]:
        """Return all but the rule as plain values, for `loaded`."""
        return msgspec.structs.astuple(self)[1:]


def signal_of(scored: Scored, rule: LabelRule, inputs: bytes) -> LabelledSignal:
    """Return what is to be kept of an answer; names that many share are kept once."""
    model = scored.model
    return LabelledSignal(
        rule,
        scored.signal_id,
        rule.name,
        intern(scored.symbol),
        intern(scored.interval),
        scored.ts,
        scored.side,
        scored.price,
        scored.stop,
        scored.accepted,
        scored.probability,
        None if model is None else intern(model),
        inputs,
        intern(scored.features_digest),
        CANARY in scored.reasons,
    )


def loaded(saved: Sequence[Any], rules: dict[str, LabelRule]) -> LabelledSignal:
    """Return the signal that `save` was called on. Raises KeyError without its rule."""
    _, strategy, *_ = saved
    return LabelledSignal(rules[strategy], *saved)
