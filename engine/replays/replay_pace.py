"""How far a replay may run ahead of its roles.

Four rules, each of which a batch has to meet before it is published:

1. *As of.* A signal has to reach the scorer while its bar is among the last AS_OF_BARS_MAX of its
   series. So no more bars of a series go out behind what the strategies have answered than that:
   the depths of all batches from the first unanswered one on, and of the new one, add up to at
   most AS_OF_BARS_MAX. A signal of an unanswered batch is then stored in INPUT before more bars
   are; whoever reads INPUT in order, however slowly, has seen AS_OF_BARS_MAX bars of the series
   from the signal's own on at most. "Answered" is exact: the strategies' progress names the
   sequence of INPUT up to which they have said everything, and stands there behind it.
2. *Retraining.* What takes effect `delay_ns` after it was asked for is in INPUT before the signals
   it is for: every role vouches for everything up to the batch's end less `delay_ns`. A role knows
   that an instant is complete when it sees the next, so the last batch but one is the newest
   that can be vouched for; a longer gap asks for no more.
3. *Room.* No role is more than BATCHES_BEHIND_MAX batches behind, so that lag is bounded.
4. *Time gone by.* Bars of a time that the labeller has vouched for already, as a history of other
   symbols after a first one, are held by no watermark: the labeller would take them all before
   their answers, and forget. So every BYGONE_BARS_MAX bars of a series what went out goes through
   the labeller first.

A batch has at most RUN_BARS_MAX bars of a series, no more than AS_OF_BARS_MAX: with the largest
batches the strategies answer one before the next goes out. They say their position whenever they
have moved on, so rule 1 never waits for what only a later batch would bring.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from engine.bar_book import AS_OF_BARS_MAX
from engine.labels.label_kernels import RING_BARS
from streams.block import RUN_BARS_MAX
from streams.watermark import Watermark

assert RUN_BARS_MAX <= AS_OF_BARS_MAX

BATCHES_BEHIND_MAX = 64
MARK_BARS = 16
# The batch that reaches into new time comes on top.
BYGONE_BARS_MAX = RING_BARS - RUN_BARS_MAX
STRATEGIES, LABELLER = "strategies", "labeller"


class _Mark(NamedTuple):
    """Up to sequence `seq` of INPUT, `depth` bars of a series since the mark before it."""

    seq: int
    depth: int


class Pace:
    """What has been published, beside what `watermarks`, one for each role, have vouched for."""

    def __init__(self, watermarks: dict[str, Watermark], delay_ns: int | None) -> None:
        self._watermarks = watermarks
        self._delay_ns = delay_ns
        self._marks: deque[_Mark] = deque()
        self._marked_depth = 0
        self._open_depth = 0
        self._bygone_depth = 0
        self._ends: deque[int] = deque(maxlen=BATCHES_BEHIND_MAX)

    def publish(self, last_ts: int, depth: int) -> None:
        """Note that a batch goes out; one without bars (depth 0) moves no role's time."""
        self._open_depth += depth
        if self._is_bygone(last_ts):
            self._bygone_depth += depth
        if depth and (not self._ends or last_ts > self._ends[-1]):
            self._ends.append(last_ts)

    def is_mark_due(self, next_depth: int) -> bool:
        """Whether `mark` should be told where in INPUT the bars published last stand.

        `next_depth` is that of the batch that follows, 0 where none with bars does at once. A
        batch never waits for bars that are open: nobody would be told of their answers.
        """
        is_in_the_way = self._open_depth + next_depth > AS_OF_BARS_MAX
        return not next_depth or is_in_the_way or self._open_depth >= MARK_BARS

    def is_settling_due(self, last_ts: int, depth: int) -> bool:
        """Whether what went out has to go through the labeller before a batch may."""
        is_too_much = self._bygone_depth + depth > BYGONE_BARS_MAX
        return is_too_much and self._is_bygone(last_ts)

    def settle(self) -> None:
        """Note that all marked bars have gone through the labeller."""
        self._bygone_depth = self._open_depth

    def _is_bygone(self, last_ts: int) -> bool:
        return LABELLER in self._watermarks and last_ts <= self._watermarks[LABELLER].event_ts

    def mark(self, seq: int) -> None:
        """Learn the sequence of the last bars that have been published."""
        self._marks.append(_Mark(seq, self._open_depth))
        self._marked_depth += self._open_depth
        self._open_depth = 0

    def goal(self, last_ts: int, depth: int) -> tuple[str, Callable[[], bool]] | None:
        """Return what has to come true before a batch may go out, in words and as a question."""
        if STRATEGIES in self._watermarks and not self.is_answerable(depth):
            return "the signals of the batch before the last", lambda: self.is_answerable(depth)
        needed_ts = self._needed_ts(last_ts)
        if needed_ts <= self.slowest_ts():
            return None
        return f"event time {needed_ts}", lambda: self.slowest_ts() >= needed_ts

    def is_answerable(self, depth: int) -> bool:
        """Whether signals still to come would find their bars with `depth` more published."""
        answered_seq = self._watermarks[STRATEGIES].seq
        while self._marks and self._marks[0].seq <= answered_seq:
            self._marked_depth -= self._marks.popleft().depth
        return self._marked_depth + self._open_depth + depth <= AS_OF_BARS_MAX

    def slowest_ts(self) -> int:
        """Return the event time that every role vouches for."""
        return min((mark.event_ts for mark in self._watermarks.values()), default=2**63)

    def _needed_ts(self, last_ts: int) -> int:
        ends = self._ends
        needed_ts = ends[0] if len(ends) == BATCHES_BEHIND_MAX else 0
        if self._delay_ns is not None and len(ends) >= 2 and last_ts > ends[-1]:
            needed_ts = max(needed_ts, min(last_ts - self._delay_ns, ends[-2]))
        return needed_ts
