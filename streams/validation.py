"""What the types cannot say: which values of an event can be honoured.

A WireError's reason is one short word, the same in the dead-letter header and, after
`invalid:`, in the rejected answer.
"""

import math

from streams import subjects
from streams.errors import WireError
from streams.events import (
    Bar,
    Bars,
    Deployment,
    Event,
    Expire,
    Outcome,
    Policy,
    Progress,
    Reset,
    Scored,
    Signal,
    Signals,
    Trade,
)

TS_MAX = 2**63 - 1
POLICY_ACTIONS = ("observe", "pass_through", "block", "resume")


def check_bar(bar: Bar) -> None:
    """Raise WireError unless prices are finite, > 0 and ordered, and volume is finite, >= 0."""
    _check_ts(bar.ts)
    for name in ("open", "high", "low", "close"):
        value = getattr(bar, name)
        if not (math.isfinite(value) and value > 0.0):
            raise WireError("price", f"{name} must be finite and > 0, was {value}")
    if bar.high < bar.low:
        raise WireError("high_below_low", f"high {bar.high} is below low {bar.low}")
    if not (bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high):
        raise WireError(
            "outside_range",
            f"open {bar.open} and close {bar.close} must lie in [{bar.low}, {bar.high}]",
        )
    if not (math.isfinite(bar.volume) and bar.volume >= 0.0):
        raise WireError("volume", f"volume must be finite and >= 0, was {bar.volume}")


def check_signal(signal: Signal) -> None:
    """Raise WireError unless side, score, price, stop and features are usable."""
    _check_ts(signal.ts)
    if signal.side not in (1, -1):
        raise WireError("side", f"side must be 1 or -1, was {signal.side}")
    if not 0.0 <= signal.score <= 1.0:
        raise WireError("score", f"score must be in [0, 1], was {signal.score}")
    if not (math.isfinite(signal.price) and signal.price > 0.0):
        raise WireError("price", f"price must be finite and > 0, was {signal.price}")
    if signal.stop is not None:
        if not (math.isfinite(signal.stop) and signal.stop > 0.0):
            raise WireError("stop", f"stop must be finite and > 0, was {signal.stop}")
        if signal.side * (signal.price - signal.stop) <= 0.0:
            raise WireError(
                "stop_side",
                f"stop {signal.stop} must be on the losing side of price {signal.price}",
            )
    for name, value in signal.features.items():
        if not math.isfinite(value):
            raise WireError("feature", f"feature {name!r} must be finite, was {value}")


def check_policy(policy: Policy) -> None:
    """Raise WireError unless the action is one of POLICY_ACTIONS."""
    if policy.action not in POLICY_ACTIONS:
        raise WireError(
            "action", f"action must be one of {', '.join(POLICY_ACTIONS)}, was {policy.action!r}"
        )


def check_subject(subject: str, event: Event) -> None:
    """Raise WireError unless `subject` is one that carries such an event, and names what it
    names. Subjects outside the contract are left alone.
    """
    for prefix, types in _TYPES_BY_PREFIX:
        if subject.startswith(prefix):
            if not isinstance(event, types):
                raise WireError("type", f"{subject} does not carry {type(event).__name__}")
            break
    expected = _subject_of(event)
    if expected and subject != expected:
        raise WireError("subject", f"the payload belongs on {expected}, came on {subject}")


_TYPES_BY_PREFIX: tuple[tuple[str, tuple[type[Event], ...]], ...] = (
    ("bars.reset.", (Reset,)),
    ("bars.", (Bar, Bars)),
    ("signals.raw.", (Signal, Signals)),
    ("signals.expire.", (Expire,)),
    ("signals.scored", (Scored,)),
    ("signals.rejected.", (Scored,)),
    ("trades.closed.", (Trade,)),
    ("outcomes.", (Outcome,)),
    ("models.deployed.", (Deployment,)),
    ("policy.", (Policy,)),
    ("progress.", (Progress,)),
)


def _subject_of(event: Event) -> str:
    if isinstance(event, Bar):
        return subjects.bar(event.interval, event.symbol)
    if isinstance(event, Signal):
        return subjects.raw(event.strategy, event.symbol)
    if isinstance(event, Policy):
        return subjects.policy(event.strategy)
    if isinstance(event, Deployment):
        return subjects.deployed(event.strategy)
    if isinstance(event, Reset):
        return subjects.reset(event.symbol)
    return ""


def _check_ts(ts: int) -> None:
    if not 0 < ts <= TS_MAX:
        raise WireError("ts", f"ts must be UTC nanoseconds in (0, 2^63), was {ts}")
