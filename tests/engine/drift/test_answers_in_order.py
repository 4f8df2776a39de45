"""Answers come out by instant, in one order, however they arrived."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drift import answers_in_order
from engine.drift.answers_in_order import AnswersInOrder
from streams.events import Scored
from tests.engine.drift.answers import answer

ANSWERS = [answer(f"s{i:03d}", ts=1 + i // 3) for i in range(60)]


def released(buffer: AnswersInOrder, watermark: int) -> list[tuple[int, list[str]]]:
    return [(ts, [one.signal_id for one in heard]) for ts, heard in buffer.release(watermark)]


@given(st.permutations(ANSWERS))
def test_the_order_of_arrival_does_not_matter(arriving: list[Scored]):
    buffer = AnswersInOrder()
    for scored in (*arriving, *arriving[:5]):
        assert buffer.add(scored) == []
    first, rest = released(buffer, 7), released(buffer, 1_000)
    expected = [(ts, [f"s{3 * ts - 3 + i:03d}" for i in range(3)]) for ts in range(1, 21)]
    assert first + rest == expected
    assert len(first) == 7


def test_what_comes_behind_the_watermark_is_counted_and_left_out():
    buffer = AnswersInOrder()
    released(buffer, 5)
    assert buffer.add(answer("late", ts=5)) == []
    assert (len(buffer), buffer.late) == (0, 1)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers_in_order, "ANSWERS_WAITING_MAX", 6)
    buffer = AnswersInOrder()
    out = [one for scored in ANSWERS for one in buffer.add(scored)]
    assert len(buffer) <= 6
    # Instants leave whole.
    assert [len(heard) for _, heard in out] == [3] * len(out)


def test_what_waits_is_saved():
    buffer, other = AnswersInOrder(), AnswersInOrder()
    for scored in reversed(ANSWERS):
        buffer.add(scored)
    released(buffer, 4)
    other.load(msgspec.msgpack.decode(msgspec.msgpack.encode(buffer.save())))
    assert other.add(ANSWERS[30]) == []
    assert released(other, 1_000) == released(buffer, 1_000)
    assert other.add(ANSWERS[0]) == []
    assert other.late == 1
