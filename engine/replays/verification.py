"""What was published beside what a rerun of the recorded input says, byte for byte.

Answers are matched by the id they were published under, in whatever order both sides come, and
compared in the encoding they were recorded in. What is recorded and not expected is `extra`, as
is a second message under one id with other bytes; the same bytes again are `repeated` and have
no effect. What is expected and not recorded is `missing` once its role has said that it had come
past it: by a later answer to the same symbol, which the same shard gives, or by the progress of
all its shards, however many there were then. Before that it is `pending`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from engine.answer import HEADER_ROLE
from engine.replays.payload_difference import FieldDifference, field_differences
from engine.replays.verdict import Difference, Span, StreamFigures, Verdict
from streams import codec, topology
from streams.bus import HEADER_ID, Message
from streams.errors import WireError
from streams.events import Event, Progress, Scored, Signals
from streams.intake import event_of
from streams.subjects import shard_on
from streams.watermark import Watermark

DIFFERENCES_TOLD_MAX = 100
ROLE_OF = {
    topology.INPUT: "strategies",
    topology.SCORED: "scorer",
    topology.OUTCOMES: "labeller",
}
_LAST = 2**63 - 1


class Said(NamedTuple):
    """One answer of a rerun.

    `name` is its id without INPUT's incarnation, `cause_seq` the sequence of INPUT at which it
    was said, `newest_ts` the close of the newest bar up to there.
    """

    stream: str
    name: str
    subject: str
    event: Event
    cause_seq: int
    newest_ts: int


@dataclass(slots=True)
class _Lane:
    """The answers in one stream: those that wait for their other half, and the counts."""

    expected: dict[str, Said] = field(default_factory=dict)
    recorded: dict[str, Message] = field(default_factory=dict)
    seen: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    # Up to which sequence of INPUT every answer is out: of all shards, and by symbol (as one of
    # the SHARDS that no number of processes divides).
    watermark: Watermark = field(default_factory=Watermark)
    out_seq: dict[int, int] = field(default_factory=dict)
    equal: int = 0
    differing: int = 0
    missing: int = 0
    extra: int = 0
    repeated: int = 0
    pending: int = 0

    def has_come_to(self, seq: int, subject: str) -> None:
        symbol = shard_on(subject)
        self.out_seq[symbol] = max(self.out_seq.get(symbol, 0), seq)

    def is_past(self, seq: int, subject: str) -> bool:
        return max(self.watermark.seq, self.out_seq.get(shard_on(subject), 0)) >= seq


class Verification:
    """Compares, in those `streams` whose roles are rerun.

    `incarnation` is that of INPUT; `vector_names` names the inputs served for a strategy.
    """

    def __init__(
        self,
        incarnation: str,
        span: Span | None = None,
        vector_names: Callable[[str], tuple[str, ...]] = lambda strategy: (),
        streams: tuple[str, ...] = tuple(ROLE_OF),
    ) -> None:
        self._prefix = f"{incarnation}:"
        self._span = span or Span()
        self._vector_names = vector_names
        self._lanes = {stream: _Lane() for stream in ROLE_OF if stream in streams}
        self._differences: list[Difference] = []
        # What the labeller vouches for: bars by event time, answers by sequence of SCORED.
        self._labelled = Watermark()
        # (Sequence of SCORED, sequence of INPUT that every scorer has answered up to there).
        self._scored_up_to: list[tuple[int, int]] = []

    def waiting(self, stream: str) -> int:
        """How many expected answers of a stream have not been found in the record yet."""
        return len(self._lanes[stream].expected)

    def expect(self, said: Said) -> None:
        """Take one answer of the rerun."""
        lane = self._lanes[said.stream]
        message = lane.recorded.pop(said.name, None)
        if message is None:
            lane.expected[said.name] = said
        else:
            self._compare(said, message)

    def note(self, stream: str, message: Message) -> None:
        """Take one message of a stream, in its order; what is no answer is passed over."""
        if stream not in self._lanes:
            return
        if message.subject.startswith("progress."):
            self._hear(stream, message)
            return
        if stream == topology.INPUT and message.headers.get(HEADER_ROLE) != ROLE_OF[stream]:
            return
        lane = self._lanes[stream]
        whole_id = message.headers.get(HEADER_ID, f"none, at {message.seq}")
        name = whole_id.removeprefix(self._prefix)
        content = blake2b(message.payload, digest_size=8, person=b"answer").digest()
        seen_seq, seen_content = lane.seen.setdefault(name, (message.seq, content))
        if seen_seq != message.seq:
            self._repeat(stream, message, seen_seq, seen_content == content)
            return
        position = _position(name)
        if position is not None:
            lane.has_come_to(position - 1, message.subject)
        said = lane.expected.pop(name, None)
        if said is None:
            lane.recorded[name] = message
        else:
            self._compare(said, message)

    def verdict(self) -> Verdict:
        """Judge what has found no other half, and return what was found; call it once."""
        labelled_input_seq = self._labelled_input_seq()
        for stream, lane in self._lanes.items():
            for said in lane.expected.values():
                if not self._span.covers(said.cause_seq, _ts_of(said.event)):
                    continue
                if self._is_due(said, labelled_input_seq):
                    lane.missing += 1
                    self._tell("missing", stream, said.subject, 0, said)
                else:
                    lane.pending += 1
            for message in lane.recorded.values():
                self._extra(stream, message, ())
        self._sort()
        return Verdict(
            equal=not self._differences,
            first=self._differences[0] if self._differences else None,
            differences=tuple(self._differences),
            streams=tuple(_figures(stream, lane) for stream, lane in self._lanes.items()),
        )

    def _compare(self, said: Said, message: Message) -> None:
        if not self._span.covers(said.cause_seq, _ts_of(said.event)):
            return
        lane = self._lanes[said.stream]
        fields: tuple[FieldDifference, ...] = ()
        if message.subject != said.subject:
            fields = (FieldDifference("subject", message.subject, said.subject),)
        encoding = codec.encoding_of(message.payload)
        if message.payload != codec.encode(said.event, encoding):
            strategy = said.event.strategy if isinstance(said.event, Scored) else ""
            names = self._vector_names(strategy) if strategy else ()
            fields += field_differences(message.payload, said.event, names)
        if not fields:
            lane.equal += 1
            return
        lane.differing += 1
        self._tell("differs", said.stream, message.subject, message.seq, said, fields)

    def _tell(
        self,
        kind: str,
        stream: str,
        subject: str,
        seq: int,
        said: Said,
        fields: tuple[FieldDifference, ...] = (),
    ) -> None:
        self._add(
            Difference(
                kind=kind,
                stream=stream,
                subject=subject,
                sequence=seq,
                id=self._prefix + said.name,
                cause_seq=said.cause_seq,
                signal_id=getattr(said.event, "signal_id", ""),
                fields=fields,
            )
        )

    def _repeat(self, stream: str, message: Message, first_seq: int, is_same: bool) -> None:
        if not is_same:
            why = FieldDifference("payload", "other bytes", f"those at sequence {first_seq}")
            self._extra(stream, message, (why,))
        elif self._covers(message):
            self._lanes[stream].repeated += 1

    def _extra(self, stream: str, message: Message, fields: tuple[FieldDifference, ...]) -> None:
        if not self._covers(message):
            return
        self._lanes[stream].extra += 1
        position = self._position_of(message)
        event = _read(message)
        self._add(
            Difference(
                kind="extra",
                stream=stream,
                subject=message.subject,
                sequence=message.seq,
                id=message.headers.get(HEADER_ID, ""),
                cause_seq=position or 0,
                signal_id=getattr(event, "signal_id", ""),
                fields=fields,
            )
        )

    def _covers(self, message: Message) -> bool:
        position = self._position_of(message)
        event = _read(message)
        seq = self._span.first_seq if position is None else position
        return self._span.covers(seq, self._span.first_ts if event is None else _ts_of(event))

    def _position_of(self, message: Message) -> int | None:
        return _position(message.headers.get(HEADER_ID, "").removeprefix(self._prefix))

    def _add(self, difference: Difference) -> None:
        self._differences.append(difference)
        if len(self._differences) > 2 * DIFFERENCES_TOLD_MAX:
            self._sort()

    def _sort(self) -> None:
        order = list(ROLE_OF)
        self._differences.sort(
            key=lambda d: (d.cause_seq or _LAST, order.index(d.stream), d.sequence, d.id)
        )
        del self._differences[DIFFERENCES_TOLD_MAX:]

    def _hear(self, stream: str, message: Message) -> None:
        progress = event_of(message)
        if not isinstance(progress, Progress) or progress.role != ROLE_OF[stream]:
            return
        if stream == topology.OUTCOMES:
            self._labelled.note(progress)
            return
        watermark = self._lanes[stream].watermark
        known = watermark.seq
        watermark.note(progress)
        if stream == topology.SCORED and watermark.seq > known:
            self._scored_up_to.append((message.seq, watermark.seq))

    def _is_due(self, said: Said, labelled_input_seq: int) -> bool:
        """Whether the role had come past an answer by the end of the record."""
        if said.stream == topology.OUTCOMES:
            is_past = said.newest_ts <= self._labelled.event_ts
            return is_past and said.cause_seq <= labelled_input_seq
        return self._lanes[said.stream].is_past(said.cause_seq, said.subject)

    def _labelled_input_seq(self) -> int:
        """Up to which sequence of INPUT the labeller had every answer."""
        heard = [seq for at, seq in self._scored_up_to if at <= self._labelled.seq]
        return heard[-1] if heard else 0


def _figures(stream: str, lane: _Lane) -> StreamFigures:
    return StreamFigures(
        stream=stream,
        role=ROLE_OF[stream],
        compared=lane.equal + lane.differing,
        equal=lane.equal,
        differing=lane.differing,
        missing=lane.missing,
        extra=lane.extra,
        repeated=lane.repeated,
        pending=lane.pending,
    )


def _position(name: str) -> int | None:
    """Return the sequence that a name answers, or None where it is no position.

    >>> _position("17:300002"), _position("17:letter")
    (17, None)
    """
    seq, _, index = name.partition(":")
    return int(seq) if seq.isdecimal() and index.isdecimal() else None


def _read(message: Message) -> Event | None:
    try:
        event: Event = codec.decode(message.payload)
    except WireError:
        return None
    return event


def _ts_of(event: Event) -> int:
    if isinstance(event, Signals):
        return int.from_bytes(event.ts[-8:], "little", signed=True)
    return int(getattr(event, "ts", 0))
