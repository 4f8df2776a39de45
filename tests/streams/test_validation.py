"""Which values of an event can be honoured: the reason, and the text."""

import math
from dataclasses import dataclass

import msgspec
import pytest

from streams import subjects
from streams.columns import pack_bars, pack_signals
from streams.errors import WireError
from streams.events import Bar, Expire, Policy, Progress, Signal
from streams.validation import (
    TS_MAX,
    _is_usual,
    check_bar,
    check_policy,
    check_signal,
    check_subject,
)

BAR = Bar("A", "1d", 1, 10.0, 12.0, 9.0, 11.0, 100.0)
SIGNAL = Signal("i", "s", "A", "1d", 1, 1, 0.5, 10.0, 9.0, {"x": 1.0})


@dataclass(frozen=True)
class Wrong:
    """A change to a valid event and what it must be called."""

    change: dict[str, object]
    reason: str
    text: str


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"volume": 0.0},
        {"ts": TS_MAX},
        {"open": 9.0, "close": 12.0},
        {"open": 5.0, "high": 5.0, "low": 5.0, "close": 5.0},
    ],
)
def test_an_honest_bar_passes(change: dict[str, object]):
    check_bar(msgspec.structs.replace(BAR, **change))


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong({"ts": 0}, "ts", "nanoseconds"),
        Wrong({"ts": -1}, "ts", "was -1"),
        Wrong({"ts": 2**63}, "ts", "nanoseconds"),
        Wrong({"open": 0.0}, "price", "open must be finite and > 0, was 0.0"),
        Wrong({"low": -1.0}, "price", "low must be"),
        Wrong({"high": math.inf}, "price", "high must be"),
        Wrong({"close": math.nan}, "price", "close must be"),
        Wrong({"high": 8.0}, "high_below_low", "high 8.0 is below low 9.0"),
        Wrong({"open": 13.0}, "outside_range", "open 13.0"),
        Wrong({"close": 8.5}, "outside_range", "close 8.5"),
        Wrong({"volume": -1.0}, "volume", "volume must be finite and >= 0, was -1.0"),
        Wrong({"volume": math.nan}, "volume", "volume must be"),
    ],
)
def test_a_bar_that_cannot_be_has_a_reason(wrong: Wrong):
    with pytest.raises(WireError) as caught:
        check_bar(msgspec.structs.replace(BAR, **wrong.change))
    assert caught.value.reason == wrong.reason
    assert wrong.text in caught.value.detail


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stop": None},
        {"side": -1, "stop": 11.0},
        {"score": 0.0},
        {"score": 1.0},
        {"features": {}},
    ],
)
def test_an_honest_signal_passes(change: dict[str, object]):
    check_signal(msgspec.structs.replace(SIGNAL, **change))


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong({"ts": 0}, "ts", "nanoseconds"),
        Wrong({"side": 0}, "side", "side must be 1 or -1, was 0"),
        Wrong({"side": 2}, "side", "was 2"),
        Wrong({"score": 1.01}, "score", "score must be in [0, 1], was 1.01"),
        Wrong({"score": -0.1}, "score", "was -0.1"),
        Wrong({"score": math.nan}, "score", "was nan"),
        Wrong({"price": 0.0}, "price", "price must be"),
        Wrong({"price": math.inf}, "price", "price must be"),
        Wrong({"stop": math.nan}, "stop", "stop must be"),
        Wrong({"stop": 0.0}, "stop", "stop must be"),
        Wrong({"stop": 10.0}, "stop_side", "losing side of price 10.0"),
        Wrong({"stop": 11.0}, "stop_side", "stop 11.0"),
        Wrong({"side": -1}, "stop_side", "stop 9.0"),
        Wrong({"features": {"x": math.nan}}, "feature", "feature 'x' must be finite"),
    ],
)
def test_a_signal_that_cannot_be_honoured_has_a_reason(wrong: Wrong):
    with pytest.raises(WireError) as caught:
        check_signal(msgspec.structs.replace(SIGNAL, **wrong.change))
    assert caught.value.reason == wrong.reason
    assert wrong.text in caught.value.detail


@pytest.mark.parametrize("action", ["observe", "pass_through", "block", "resume"])
def test_the_actions_of_a_policy_pass(action: str):
    check_policy(Policy("s", action, "ops", "why"))


def test_another_action_names_the_allowed_ones():
    with pytest.raises(WireError, match="action must be one of observe, pass_through, block"):
        check_policy(Policy("s", "halt", "ops", "why"))


@pytest.mark.parametrize(
    ("subject", "event"),
    [
        ("bars.1d.A", BAR),
        ("signals.raw.s.A", SIGNAL),
        ("policy.s", Policy("s", "block", "", "")),
        ("progress.scorer.0", Progress("scorer", 0, 1, 1)),
        ("bars.1d._frame", pack_bars([BAR])),
        ("bars.1d.A", pack_bars([BAR])),
        ("signals.raw.s._frame", pack_signals([SIGNAL])),
        ("signals.raw.s.A", pack_signals([SIGNAL])),
        ("signals.expire.s.A", Expire("s", "A", "x")),
    ],
)
def test_a_payload_on_its_own_subject_passes(subject: str, event: object):
    check_subject(subject, event)


@pytest.mark.parametrize(
    ("subject", "event"),
    [
        ("bars.1d.B", BAR),
        ("bars.1h.A", BAR),
        ("signals.raw.other.A", SIGNAL),
        ("signals.raw.s.B", SIGNAL),
        ("policy.other", Policy("s", "block", "", "")),
        ("bars.1d.B", pack_bars([BAR])),
        ("bars.1h._frame", pack_bars([BAR])),
        ("signals.raw.other._frame", pack_signals([SIGNAL])),
        ("signals.expire.other.A", Expire("s", "A", "x")),
        ("progress.scorer.1", Progress("scorer", 0, 1, 1)),
    ],
)
def test_a_payload_on_a_foreign_subject_is_refused(subject: str, event: object):
    with pytest.raises(WireError, match="the payload belongs on") as caught:
        check_subject(subject, event)
    assert caught.value.reason == "subject"


def test_a_bar_on_the_subject_of_resets_is_refused_although_its_names_fit():
    bar = msgspec.structs.replace(BAR, interval="reset")
    for _ in range(2):
        with pytest.raises(WireError, match="does not carry Bar") as caught:
            check_subject("bars.reset.A", bar)
        assert caught.value.reason == "type"


def test_long_names_are_taken_as_short_ones_are_and_not_remembered():
    remembered = _is_usual.cache_info().currsize
    bar = msgspec.structs.replace(BAR, symbol="\N{COLLISION SYMBOL}" * 200)
    check_subject(subjects.bar(bar.interval, bar.symbol), bar)
    for subject in ("bars.1d." + "A" * 3_900, "bars.1d.A"):
        with pytest.raises(WireError, match="belongs on"):
            check_subject(subject, bar)
    assert _is_usual.cache_info().currsize == remembered
