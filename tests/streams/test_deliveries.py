"""Deliveries: in whatever order answers are handed out and done, none is lost or done twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import deliveries
from streams.deliveries import Deliveries
from streams.marks import AnswerId, Mark
from streams.reply import Reply
from tests.streams.engine import scored, signal

SYMBOLS = ("AAPL", "BRK.B")
ACTIONS = ("read", "read", "next", "claim", "done", "done", "give back", "crash")


def reply_of(stream_seq: int, number: int) -> Reply:
    symbol = SYMBOLS[number % 2]
    return Reply(scored(signal(number, symbol)), AnswerId("65f", number, 0), stream_seq)


class Engine:
    """Reads a recorded stream of answer numbers, and forgets all but the marks in a crash."""

    def __init__(self, stream: list[int]) -> None:
        self.stream = stream
        self.marks: dict[str, Mark] = {}
        self.finished: list[int] = []
        self.begin()

    def begin(self) -> None:
        position = max((mark.position for mark in self.marks.values()), default=0)
        self.deliveries = Deliveries(
            self.marks.values(), current="65f", stream="66", scope="", position=position
        )
        self.waiting: list[Reply] = []
        self.out: list[Reply] = []

    def read(self) -> None:
        seq = self.deliveries.read_seq + 1
        if seq <= len(self.stream):
            reply = reply_of(seq, self.stream[seq - 1])
            assert reply.answer_id is not None
            if self.deliveries.add(reply, reply.answer_id):
                self.waiting.append(reply)

    def next(self) -> None:
        reply = self.deliveries.next()
        assert reply == (self.waiting.pop(0) if self.waiting else None)
        if reply is not None:
            self.out.append(reply)

    def act(self, action: str, chance: int) -> None:
        if action == "read":
            self.read()
        elif action == "next":
            self.next()
        elif action == "crash":
            self.begin()
        elif action == "claim" and self.waiting:
            reply = self.waiting.pop(chance % len(self.waiting))
            self.deliveries.claim(reply)
            self.out.append(reply)
        elif action == "done" and self.out:
            self.done(self.out.pop(chance % len(self.out)))
        elif action == "give back" and self.out:
            reply = self.out.pop(chance % len(self.out))
            self.deliveries.give_back(reply)
            self.waiting = sorted([*self.waiting, reply], key=lambda one: one.seq)

    def done(self, reply: Reply) -> None:
        foreseen = self.deliveries.mark_after(reply)
        mark = self.deliveries.done(reply)
        assert mark == foreseen
        assert mark is not None
        assert self.deliveries.done(reply) is None
        self.marks[mark.symbol] = mark
        assert reply.answer_id is not None
        self.finished.append(reply.answer_id.sequence)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), max_size=10),
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=120),
)
def test_each_answer_is_done_once_whatever_happens(runs, actions):
    stream: list[int] = []
    newest = 0
    for ahead, back in runs:
        stream += range(max(1, newest - back + 1), newest + 1)
        stream += range(newest + 1, newest + ahead + 1)
        newest += ahead
    engine = Engine(stream)
    for action, chance in actions:
        engine.act(action, chance)
    engine.begin()
    for _ in stream:
        engine.read()
    while engine.waiting:
        engine.next()
        engine.done(engine.out.pop())
    assert sorted(engine.finished) == list(range(1, newest + 1))
    assert engine.deliveries.held == engine.deliveries.ready == 0
    for mark in engine.marks.values():
        assert mark.ahead == ()
    if newest:
        newest_mark = engine.marks[SYMBOLS[newest % 2]]
        assert newest_mark.answer_id == f"65f:{newest}:0"


def test_late_signals_are_bounded_and_the_oldest_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(deliveries, "LATE_SIGNALS_MAX", 2)
    kept = Deliveries([], current="65f", stream="66", scope="", position=0)
    for number in (1, 2, 3):
        kept.give_up(signal(number))
    assert kept.late == 2
    assert "an answer to 'breakout-1' would not be known as late" in caplog.text
