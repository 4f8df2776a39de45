"""The deliveries of one client: which answers are new, where each of them is, and the marks.

No I/O and no clock. An answer that was taken in is `ready`, then `out` with the engine, then
`done`. A (strategy, symbol) takes an answer only above the highest it took before, so a repeat
of whatever origin goes no further than here.
"""

import enum
import logging
from collections import deque
from collections.abc import Iterable

from streams.events import Signal
from streams.marks import AnswerId, Mark
from streams.reply import Key, Reply

LATE_SIGNALS_MAX = 1_024
RECENT_SIGNALS_MAX = 8_192

logger = logging.getLogger(__name__)


class State(enum.Enum):
    """Where an answer is."""

    READY = enum.auto()
    OUT = enum.auto()
    DONE = enum.auto()


class Held:
    """An answer that was taken in and is not behind the mark yet."""

    __slots__ = ("answer_id", "lane", "reply", "seq", "state")

    def __init__(self, lane: "Lane", reply: Reply, answer_id: AnswerId, state: State) -> None:
        self.lane = lane
        self.reply = reply
        self.answer_id = answer_id
        self.seq = reply.seq
        self.state = state


class Lane:
    """One strategy and symbol: its mark, and what it holds above it, in order.

    `ahead` are ids that are done above the mark; `late` are signals decided without their
    answer, True once that decision has had its effect.
    """

    def __init__(self, strategy: str, symbol: str, mark: Mark) -> None:
        self.strategy = strategy
        self.symbol = symbol
        self.mark = AnswerId.parse(mark.answer_id) if mark.answer_id else None
        self.seen = self.mark
        self.held: deque[Held] = deque()
        self.ahead = dict.fromkeys(map(AnswerId.parse, mark.ahead))
        self.late = dict.fromkeys(mark.decided, True)

    def passed(self, doing: Held | None = None) -> list[Held]:
        """Return what is done from the mark on without a gap, were `doing` done as well."""
        found = []
        for held in self.held:
            if held.state is not State.DONE and held is not doing:
                break
            found.append(held)
        return found


class Deliveries:
    """Answers of SCORED on their way to one engine.

    `current` is the incarnation of INPUT, `stream` that of SCORED, `scope` the selection's, and
    `position` where reading begins. Raises WireError for marks whose ids are none.
    """

    def __init__(
        self, marks: Iterable[Mark], *, current: str, stream: str, scope: str, position: int
    ) -> None:
        self.current = current
        self.stream = stream
        self.read_seq = position
        self.repeats = 0
        self._scope = scope
        self._lanes = {
            (mark.strategy, mark.symbol): Lane(mark.strategy, mark.symbol, mark)
            for mark in marks
            if mark.strategy
        }
        self._ready: deque[Held] = deque()
        self._order: deque[Held] = deque()
        self._by_id: dict[AnswerId, Held] = {}
        self._by_signal: dict[Key, Held] = {}
        self._recent: dict[Key, AnswerId] = {}

    @property
    def ready(self) -> int:
        """How many answers wait to be handed out."""
        return len(self._ready)

    @property
    def held(self) -> int:
        """How many answers were taken in and are not done."""
        return len(self._by_id)

    @property
    def late(self) -> int:
        """How many signals were decided without their answer, and still have none."""
        return sum(len(lane.late) for lane in self._lanes.values())

    def read_to(self, seq: int) -> None:
        """Note that SCORED has been read up to `seq`."""
        self.read_seq = seq

    def renew(self, current: str) -> None:
        """Note that INPUT was made anew: its ids count from the beginning."""
        self.current = current
        self._recent.clear()

    def read_anew(self, stream: str) -> None:
        """Note that SCORED was made anew: positions in the old one mean nothing."""
        self.stream = stream
        self.read_seq = 0
        for held in self._order:
            held.seq = 0

    def add(self, reply: Reply, answer_id: AnswerId) -> bool:
        """Take an answer in; False where it is a repeat."""
        self.read_seq = reply.seq
        lane = self._lane(reply.scored.strategy, reply.scored.symbol)
        order = answer_id.order
        if lane.seen is not None and order(self.current) <= lane.seen.order(self.current):
            self.repeats += 1
            return False
        lane.seen = answer_id
        if answer_id in lane.ahead:
            self.repeats += 1
            lane.held.append(Held(lane, reply, answer_id, State.DONE))
            return False
        if reply.scored.signal_id in lane.late:
            reply = Reply(reply.scored, answer_id, reply.seq, late=True)
        held = Held(lane, reply, answer_id, State.READY)
        self._by_id[answer_id] = held
        self._by_signal[reply.key] = held
        lane.held.append(held)
        self._order.append(held)
        self._ready.append(held)
        return True

    def next(self) -> Reply | None:
        """Hand out the oldest answer that is ready."""
        if not self._ready:
            return None
        held = self._ready.popleft()
        held.state = State.OUT
        return held.reply

    def claim(self, reply: Reply) -> None:
        """Hand out this answer, which is ready, before its turn."""
        held = self._by_id[_id_of(reply)]
        held.state = State.OUT
        if self._ready[-1] is held:
            self._ready.pop()
        else:
            self._ready.remove(held)

    def give_back(self, reply: Reply) -> None:
        """Make an answer that was handed out ready again, in its place."""
        held = self._by_id.get(_id_of(reply))
        if held is None or held.state is not State.OUT:
            return
        held.state = State.READY
        place = sum(1 for one in self._ready if one.seq < held.seq)
        self._ready.insert(place, held)

    def waiting_for(self, key: Key) -> Reply | None:
        """Return the answer that is ready for a signal, or None where none has come.

        Raises ValueError where the engine has it already: a signal has effect once.
        """
        held = self._by_signal.get(key)
        if held is not None and held.state is State.READY:
            return held.reply
        known = self._recent.get(key) if held is None else held.answer_id
        lane = self._lanes.get(key[:2])
        if known is not None:
            raise ValueError(f"signal {key[2]!r} was answered as {known}: it has effect once")
        if lane is not None and lane.late.get(key[2]):
            raise ValueError(f"signal {key[2]!r} was decided without its answer before")
        return None

    def give_up(self, signal: Signal) -> None:
        """Note that the engine decides `signal` itself; its answer, when it comes, is late."""
        late = self._lane(signal.strategy, signal.symbol).late
        late.setdefault(signal.signal_id, False)
        if len(late) > LATE_SIGNALS_MAX:
            forgotten = next(iter(late))
            del late[forgotten]
            logger.warning(
                "%s %s: more than %d signals were never answered; an answer to %r would not be "
                "known as late",
                signal.strategy,
                signal.symbol,
                LATE_SIGNALS_MAX,
                forgotten,
            )

    def mark_after(self, reply: Reply) -> Mark:
        """Return the mark of the reply's strategy and symbol, were it done; change nothing."""
        scored = reply.scored
        lane = self._lane(scored.strategy, scored.symbol)
        held = None if reply.answer_id is None else self._by_id.get(reply.answer_id)
        top, ahead = lane.mark, dict(lane.ahead)
        decided = [signal_id for signal_id, is_decided in lane.late.items() if is_decided]
        if reply.answer_id is None:
            if lane.late.get(scored.signal_id) is False:
                decided.append(scored.signal_id)
        elif scored.signal_id in decided:
            decided.remove(scored.signal_id)
        passed = lane.passed(held)
        for one in passed:
            top = one.answer_id
            ahead.pop(top, None)
        if held is not None and held not in passed:
            ahead[held.answer_id] = None
        return Mark(
            lane.strategy,
            lane.symbol,
            str(top) if top else "",
            tuple(map(str, ahead)),
            tuple(decided),
            self._position(held),
            self.stream,
            self._scope,
        )

    def done(self, reply: Reply) -> Mark | None:
        """Note that the reply has had its effect; return the mark to keep, None for a repeat."""
        scored = reply.scored
        lane = self._lane(scored.strategy, scored.symbol)
        if reply.answer_id is None:
            if lane.late.get(scored.signal_id) is not False:
                return None
            lane.late[scored.signal_id] = True
            return self.mark_after(reply)
        held = self._by_id.get(reply.answer_id)
        if held is None:
            return None
        mark = self.mark_after(reply)
        if held.state is State.READY:
            self._ready.remove(held)
        held.state = State.DONE
        self._forget(held)
        return mark

    def _forget(self, held: Held) -> None:
        lane, key = held.lane, held.reply.key
        del self._by_id[held.answer_id]
        if self._by_signal.get(key) is held:
            del self._by_signal[key]
        self._recent[key] = held.answer_id
        if len(self._recent) > RECENT_SIGNALS_MAX:
            del self._recent[next(iter(self._recent))]
        lane.late.pop(key[2], None)
        lane.ahead[held.answer_id] = None
        for passed in lane.passed():
            lane.held.popleft()
            lane.mark = passed.answer_id
            lane.ahead.pop(passed.answer_id, None)
        while self._order and self._order[0].state is State.DONE:
            self._order.popleft()

    def _position(self, doing: Held | None) -> int:
        for held in self._order:
            if held.state is not State.DONE and held is not doing:
                return max(0, held.seq - 1)
        return self.read_seq

    def _lane(self, strategy: str, symbol: str) -> Lane:
        lane = self._lanes.get((strategy, symbol))
        if lane is None:
            lane = self._lanes[strategy, symbol] = Lane(strategy, symbol, Mark())
        return lane


def _id_of(reply: Reply) -> AnswerId:
    if reply.answer_id is None:
        raise ValueError("a fallback is no answer of the stream")
    return reply.answer_id
