"""What the types cannot say: which values of an event can be honoured.

A WireError's reason is one short word, the same in the dead-letter header and, after
`invalid:`, in the rejected answer.
"""

import math
from functools import lru_cache

import numpy as np

from streams import subjects
from streams.errors import WireError
from streams.events import (
    Audit,
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
from streams.interval import DAY_NS

TS_MAX = 2**63 - 1
AHEAD_MAX_NS = DAY_NS
PLACES_KNOWN_MAX = 65_536
PLACE_CHARS_MAX = 128
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
    # Nearly all that comes is one bar or one signal, on a subject that was seen before. What has
    # long names is looked at each time: of those, many that are remembered would be much.
    if len(subject) <= PLACE_CHARS_MAX:
        if isinstance(event, Signal) and _is_known(subject, Signal, event.strategy, event.symbol):
            return
        if isinstance(event, Bar) and _is_known(subject, Bar, event.interval, event.symbol):
            return
    types = _types_on(subject)
    if types and not isinstance(event, types):
        raise WireError("type", f"{subject} does not carry {type(event).__name__}")
    expected = _subjects_of(event, subject)
    if expected and subject not in expected:
        raise WireError("subject", f"the payload belongs on {expected[0]}, came on {subject}")


def check_arrival(event: Event, stored_ns: int) -> None:
    """Raise WireError `future` for bars and signals later than AHEAD_MAX_NS after `stored_ns`.

    `stored_ns` is when the stream took the message. One such time would hold every watermark
    behind it for good, and would make the ledger of signal ids forget.
    """
    if isinstance(event, _ONE):
        newest = event.ts
    elif isinstance(event, _COLUMNS):
        whole = len(event.ts) - len(event.ts) % 8
        newest = int(np.frombuffer(event.ts[:whole], "<i8").max(initial=0))
    else:
        return
    if newest > stored_ns + AHEAD_MAX_NS:
        raise WireError("future", f"ts {newest} is later than the day after it was published")


_ONE, _COLUMNS = (Bar, Signal), (Bars, Signals)
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
    ("audit.", (Audit,)),
    ("progress.", (Progress,)),
)


def _types_on(subject: str) -> tuple[type[Event], ...]:
    """What a subject of the contract may carry; () for any."""
    for prefix, types in _TYPES_BY_PREFIX:
        if subject.startswith(prefix):
            return types
    return ()


def _is_known(subject: str, kind: type[Bar] | type[Signal], first: str, second: str) -> bool:
    # A short name's token is no shorter than the name.
    return len(first) + len(second) < len(subject) and _is_usual(subject, kind, first, second)


@lru_cache(maxsize=PLACES_KNOWN_MAX)
def _is_usual(subject: str, kind: type[Bar] | type[Signal], first: str, second: str) -> bool:
    usual = subjects.raw(first, second) if kind is Signal else subjects.bar(first, second)
    return subject == usual and kind in _types_on(subject)


def _subjects_of(event: Event, came_on: str) -> tuple[str, ...]:
    """The subjects that may carry an event, the first being the usual; () for any."""
    if isinstance(event, Bar):
        return (subjects.bar(event.interval, event.symbol),)
    if isinstance(event, Bars):
        frame = subjects.frame(event.interval)
        is_run = len(event.symbols) == 1
        return (frame, subjects.bar(event.interval, event.symbols[0])) if is_run else (frame,)
    if isinstance(event, Signal):
        return (subjects.raw(event.strategy, event.symbol),)
    if isinstance(event, Signals):
        frame = subjects.raw_frame(event.strategy)
        any_symbol = f"{frame.removesuffix(subjects.FRAME)}{came_on.rpartition('.')[2]}"
        return (frame, any_symbol)
    if isinstance(event, Policy):
        return (subjects.policy(event.strategy),)
    if isinstance(event, Audit):
        return (subjects.audit(event.strategy),)
    if isinstance(event, Deployment):
        return (subjects.deployed(event.strategy), subjects.kept(event.strategy))
    if isinstance(event, Reset):
        return (subjects.reset(event.symbol),)
    if isinstance(event, Expire):
        return (subjects.expire(event.strategy, event.symbol),)
    if isinstance(event, Progress):
        return (subjects.progress(event.role, event.shard),)
    return ()


def _check_ts(ts: int) -> None:
    if not 0 < ts <= TS_MAX:
        raise WireError("ts", f"ts must be UTC nanoseconds in (0, 2^63), was {ts}")
