"""What cannot be honoured is a dead letter, is rejected where its id can be read, stops nothing."""

import msgspec
import pytest

from engine.scorer import Scorer
from engine.settings import StrategySettings
from streams import codec
from streams.errors import WireError
from tests.engine.market import random_bars, signal_on
from tests.simulation.stage import make_scorer as scorer_of


def make_scorer() -> Scorer:
    return scorer_of((StrategySettings(name="alpha", kind="external"),))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategy": "nobody"}, "unknown_strategy"),
        ({"side": 0}, "side"),
        ({"score": 1.5}, "score"),
        ({"score": float("nan")}, "score"),
        ({"price": float("inf")}, "price"),
        ({"stop": 1e9}, "stop_side"),
        ({"interval": "1h"}, "interval"),
        ({"ts": -1}, "ts"),
        ({"features": {"x": float("nan")}}, "feature"),
    ],
)
def test_a_signal_that_cannot_be_honoured_is_a_dead_letter_and_is_rejected(changes, reason):
    scorer = make_scorer()
    (bar,) = random_bars(count=1)
    scorer.step(bar)
    letter, answer = scorer.step(signal_on(bar, **changes))
    assert letter.subject.startswith("dlq.signals.raw.")
    assert letter.error.startswith(f"{reason}:")
    assert answer.subject.startswith("signals.rejected.")
    assert answer.event.reasons == (f"invalid:{reason}",)
    assert codec.decode(codec.encode(answer.event)) == answer.event


def test_an_unreadable_payload_with_a_readable_id_is_rejected_once():
    scorer = make_scorer()
    payload = b'{"type":"signal","signal_id":"x1","side":"up"}'
    with pytest.raises(WireError) as caught:
        codec.decode(payload)
    answers = scorer.refuse("signals.raw.alpha.BRK%2EB", payload, caught.value)
    assert [a.subject for a in answers] == [
        "dlq.signals.raw.alpha.BRK%2EB",
        "signals.rejected.alpha.BRK%2EB",
    ]
    assert answers[1].event.signal_id == "x1"
    assert answers[1].event.symbol == "BRK.B"
    assert scorer.refuse("signals.raw.alpha.BRK%2EB", payload, caught.value) == []


def test_noise_without_an_id_is_a_dead_letter_only():
    scorer = make_scorer()
    error = WireError("unparseable", "no")
    assert len(scorer.refuse("signals.raw.alpha.AAA", b"\xff\xff", error)) == 1
    assert len(scorer.refuse("bars.1d.AAA", b"", error)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"high": 1.0}, "high_below_low"),
        ({"open": float("nan")}, "price"),
        ({"close": -5.0}, "price"),
        ({"volume": float("inf")}, "volume"),
        ({"ts": 0}, "ts"),
    ],
)
def test_a_bad_bar_is_a_dead_letter_and_changes_nothing(changes, reason):
    clean, disturbed = make_scorer(), make_scorer()
    bars = random_bars(count=30)
    for bar in bars:
        clean.step(bar)
        disturbed.step(bar)
    (letter,) = disturbed.step(
        msgspec.structs.replace(bars[-1], ts=bars[-1].ts + 1, **changes)
        if "ts" not in changes
        else msgspec.structs.replace(bars[-1], **changes)
    )
    assert letter.subject == "dlq.bars.1d.AAA"
    assert letter.error.startswith(f"{reason}:")
    signal = signal_on(bars[-1])
    assert clean.step(signal) == disturbed.step(signal)


def test_a_repeated_bar_is_ignored_and_a_different_one_is_a_correction():
    scorer = make_scorer()
    bars = random_bars(count=3)
    for bar in bars:
        scorer.step(bar)
    assert scorer.step(bars[1]) == []
    (letter,) = scorer.step(msgspec.structs.replace(bars[1], volume=1.0))
    assert letter.error.startswith("correction:")
