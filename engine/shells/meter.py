"""What a shell counts of what passes through it: plain numbers, read when somebody asks.

It is on the path of every live signal: a few dictionary entries for a message, and the clock once
for a message that was answered. Names come from outside; LABELS_MAX bounds how many are told
apart, so that no publisher can make it grow.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from engine.answer import Answer
from engine.shells.histogram import Histogram
from engine.shells.reading import Reading, counter, gauge
from streams.bus import Message
from streams.clock import Clock
from streams.errors import WireError
from streams.events import Event, Progress, Scored

LABELS_MAX = 1_000
"""Different answers, and different dead letters, that are counted apart; all others together."""

OTHER = "other"
UNREADABLE = "unreadable"
BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)
_TWO_TOKENS = ("signals", "models")
_NS = 1e9

K = TypeVar("K")
AnswerKey = tuple[str, str, bool, tuple[str, ...]]


class Meter:
    """Counts of one shell, from the start of the process.

    `strategies` are those whose names are told; `clock` is the machine's, as is the broker's that
    stamps messages: where they are two machines, times to an answer hold their difference.
    """

    def __init__(self, strategies: Iterable[str], clock: Clock) -> None:
        self._strategies = frozenset(strategies)
        self._clock = clock
        self._taken: dict[tuple[str, type], int] = {}
        self._published: dict[str, int] = {}
        self._answers: dict[AnswerKey, int] = {}
        self._letters: dict[str, int] = {}
        self._waits = Histogram(BOUNDS_S)
        self._taken_at_ns = 0
        self._newest: dict[str, Event] = {}

    def take(self, stream: str, message: Message, event: Event | WireError, said: int) -> None:
        """Count a message of `stream` that was taken, and to which `said` answers were sent."""
        key = (stream, type(event))
        self._taken[key] = self._taken.get(key, 0) + 1
        if not isinstance(event, WireError):
            self._newest[stream] = event
        if said and message.time_ns:
            self._waits.add(max(0, self._clock.now_ns() - message.time_ns), said)

    def turn(self) -> None:
        """Note that messages were taken just now."""
        self._taken_at_ns = self._clock.now_ns()

    def publish(self, answer: Answer) -> None:
        """Count an answer that was sent."""
        first, _, rest = answer.subject.partition(".")
        kind = f"{first}.{rest.partition('.')[0]}" if first in _TWO_TOKENS else first
        self._published[kind] = self._published.get(kind, 0) + 1
        event = answer.event
        if answer.error:
            reason = answer.error.partition(":")[0]
            _count(self._letters, reason, OTHER)
        elif isinstance(event, Scored):
            strategy = event.strategy if event.strategy in self._strategies else OTHER
            key = (strategy, event.mode, event.accepted, event.reasons)
            _count(self._answers, key, (strategy, OTHER, event.accepted, (OTHER,)))

    def now_ns(self) -> int:
        """Return the present by the meter's clock, UTC nanoseconds."""
        return self._clock.now_ns()

    def newest_ts(self) -> int:
        """Return the event time of the newest message taken, UTC nanoseconds; 0 before any."""
        return max(map(_event_ts, self._newest.values()), default=0)

    def readings(self) -> Iterator[Reading]:
        """Yield what was counted."""
        for (stream, kind), count in self._taken.items():
            name = UNREADABLE if kind is WireError else kind.__name__.lower()
            yield counter("taken_messages", "Messages taken.", count, stream=stream, type=name)
        for subject, count in self._published.items():
            yield counter(
                "published_messages", "Answers published, by subject.", count, subject=subject
            )
        for reason, count in self._letters.items():
            yield counter("dead_letters", "Dead letters published.", count, reason=reason)
        if self._taken_at_ns:
            yield gauge(
                "last_message_timestamp_seconds",
                "When a message was taken last, by this machine's clock.",
                self._taken_at_ns / _NS,
            )
        yield from self._answer_readings()
        meaning = "From the storing of a message to an answer that it called for."
        yield self._waits.reading("answer_wait_seconds", meaning)

    def _answer_readings(self) -> Iterator[Reading]:
        by_mode: dict[tuple[str, str, bool], int] = {}
        by_reason: dict[tuple[str, str], int] = {}
        for (strategy, mode, accepted, reasons), count in self._answers.items():
            by_mode[strategy, mode, accepted] = by_mode.get((strategy, mode, accepted), 0) + count
            for reason in reasons:
                by_reason[strategy, reason] = by_reason.get((strategy, reason), 0) + count
        for (strategy, mode, accepted), count in by_mode.items():
            yield counter(
                "answers",
                "Raw signals answered.",
                count,
                strategy=strategy,
                mode=mode,
                accepted=str(accepted).lower(),
            )
        for (strategy, reason), count in by_reason.items():
            yield counter(
                "answer_reasons",
                "Reasons given with answers; an answer may have several.",
                count,
                strategy=strategy,
                reason=reason,
            )


def _count(counts: dict[K, int], key: K, otherwise: K) -> None:
    """Count a key, or all keys that are too many under one."""
    if key not in counts and len(counts) >= LABELS_MAX:
        key = otherwise
    counts[key] = counts.get(key, 0) + 1


def _event_ts(event: Event) -> int:
    """Return the event time that an event is of, UTC nanoseconds; 0 where it is of none."""
    if isinstance(event, Progress):
        return event.event_ts
    ts = getattr(event, "ts", 0)
    return int.from_bytes(ts[-8:], "little", signed=True) if isinstance(ts, bytes) else int(ts)
