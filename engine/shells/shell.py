"""The shell around a pure core: read in order, step, publish with an id, say how far it is.

Position: a role reads its streams from where its snapshot stands, or from their beginning where
it has none, and reads its own answers since then back before it publishes the first one. An
answer that is already out is not published again, so a role can be killed at any moment and
started again.

The id of an answer is `<incarnation of INPUT>:<sequence>:<index>` of the message it answers, or
`<incarnation>:<identity>` where the core names it; it is sent as Nats-Msg-Id and as a header.
The answers to row r of a frame count from r * ROW_STRIDE on, those to any other message from 0:
ids do not depend on who else shares the role. A dead letter of a whole message is
`<sequence>:letter`: it is the same letter, whichever shard sends it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from engine.answer import HEADER_ROLE, Answer
from engine.saved import Saved
from engine.shells.already_out import AlreadyOut
from engine.shells.inlet import Inlet
from engine.shells.meter import Meter
from engine.shells.outlet import Outlet
from engine.shells.reading import Reading
from engine.shells.shell_readings import (
    Place,
    place_readings,
    progress_readings,
    snapshot_readings,
)
from engine.shells.snapshot import Snapshot, SnapshotFile
from engine.shells.snapshot_keeper import SavableCore, SnapshotKeeper
from streams import codec, subjects, topology
from streams.bus import (
    HEADER_ANSWER_ID,
    HEADER_ERROR,
    HEADER_ORIGIN_SEQ,
    HEADER_ORIGIN_STREAM,
    Bus,
    Message,
)
from streams.codec import Encoding
from streams.errors import BusError, WireError
from streams.events import Event, Progress
from streams.headers import id_part
from streams.waiting import wait_until_set

IDLE_S = 0.2
ROW_STRIDE = 100_000
TURN_MESSAGES_MAX = 64
HEADER_ERROR_MAX = 512

log = logging.getLogger("assay.shell")


class Core(Protocol):
    """A pure state machine: events in, answers out."""

    @property
    def progress_ts(self) -> int:
        """The event time up to which everything has been said."""
        ...

    def step(self, event: Any) -> list[Answer]:
        """Take one event and return what to publish, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream to read, and which of its subjects."""

    stream: str
    subjects: tuple[str, ...] = ()


class Shell:
    """Runs one core of one role over a bus.

    `feeds` are read, in stream order each; `writes` names the streams into which the answers
    and the role's progress go, for reading its own answers back. `vouches_across_streams`: its
    progress vouches for answers in other streams than the one that carries it. `shards` is how
    many share the role, and `outlet` takes what is said in place of the bus. Progress is said as
    event time goes on, and when idle; with `says_every_position` after every turn. A core that
    can be saved is saved in `snapshots` now and then, and goes on from there. `meter` counts what
    passes, and `core_readings` says what else is to be told of the core.
    """

    def __init__(
        self,
        bus: Bus,
        core: Core,
        *,
        role: str,
        feeds: tuple[Feed, ...],
        writes: tuple[str, ...],
        shard: int = 0,
        shards: int = 1,
        outlet: Outlet | None = None,
        snapshots: SnapshotFile | None = None,
        encoding: Encoding = "json",
        vouches_across_streams: bool = False,
        says_every_position: bool = False,
        meter: Meter | None = None,
        core_readings: Callable[[], list[Reading]] = list,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.bus = bus
        self.core = core
        self.role = role
        self.shard = shard
        self.shards = shards
        self._outlet = outlet
        self._send = bus.send if outlet is None else outlet.send
        self.seq = 0
        self.input_seq = 0
        self._feeds = feeds
        self._writes = writes
        self._encoding = encoding
        self._vouches_across_streams = vouches_across_streams
        self._says_every_position = says_every_position
        self._has_sent = False
        self._meter = meter
        self._core_readings = core_readings
        self._snapshots = snapshots
        self._on_ready = on_ready
        self._incarnation = ""
        self._inlets: list[Inlet] = []
        self._arrived = asyncio.Event()
        self._out = AlreadyOut(bus, role, shard, shards)
        self._keeper: SnapshotKeeper | None = None
        if snapshots is not None and isinstance(core, SavableCore):
            reads = tuple([feed.stream for feed in feeds])
            self._keeper = SnapshotKeeper(bus, snapshots, outlet, reads, writes)
        self._progress_ts = 0
        self._progress_seq = (0, 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises BusError when the bus is lost for good."""
        self._incarnation = await self.bus.incarnation(topology.INPUT)
        positions = await self._resume()
        try:
            for feed, position in zip(self._feeds, positions, strict=True):
                self._inlets.append(await self._open(feed, position))
            self._note_positions()
            self._on_ready()
            while not stop.is_set():
                await self._turn()
            await self._save()
        finally:
            if self._keeper is not None:
                await self._keeper.close()
            for inlet in self._inlets:
                await inlet.close()
            await self.bus.flush()

    @property
    def positions(self) -> dict[str, int]:
        """The last message taken of each feed, by its stream; empty before they are open."""
        return {inlet.stream: inlet.seq for inlet in self._inlets}

    async def readings(self) -> list[Reading]:
        """Return what is to be told of this role now: nothing without a meter."""
        meter = self._meter
        if meter is None:
            return []
        found = [*meter.readings(), *progress_readings(meter, self.core.progress_ts)]
        if self._snapshots is not None:
            found += snapshot_readings(self._snapshots, meter.now_ns())
        found += self._core_readings()
        inlets = zip(self._feeds, self._inlets, strict=False)
        places = [Place(feed.stream, one.seq, not feed.subjects) for feed, one in inlets]
        return found + await place_readings(self.bus, places)

    def is_held(self, feed: int, event: Event | WireError) -> bool:
        """Return whether `event`, the next of feed number `feed`, has to wait for the others.

        A role whose feeds must be merged in order overrides this.
        """
        return False

    async def handle(self, event: Event, message: Message) -> list[Answer]:
        """Step the core; a role that must fetch something first overrides this."""
        return self.core.step(event)

    def refuse(self, message: Message, error: WireError) -> list[Answer]:
        """Answer a message that is no event; a role that owns dead letters overrides this."""
        return []

    async def answers(self, message: Message, event: Event | WireError) -> list[tuple[str, Answer]]:
        """Take one message; return what to publish, each by its id without the incarnation."""
        try:
            if isinstance(event, WireError):
                raise event
            answers = [
                _letter(message, answer) if answer.event is event else answer
                for answer in await self.handle(event, message)
            ]
        except WireError as error:
            answers = [_letter(message, answer) for answer in self.refuse(message, error)]
        return _named(message.seq, answers)

    async def load(self, saved: Saved) -> bool:
        """Let the core go on from `saved`; False where that cannot be, and nothing has changed.

        A role whose core needs more than what was saved overrides this.
        """
        if isinstance(self.core, SavableCore):
            self.core.load(saved)
        return True

    def foresee(self, messages: list[Message]) -> None:
        """Look at what has come and is to be taken next; a role that fetches overrides this."""

    async def tick(self) -> None:
        """Called between batches and when idle; a role with timers overrides this."""

    async def _open(self, feed: Feed, position: int) -> Inlet:
        subscription = await self.bus.read(feed.stream, position + 1, feed.subjects)
        subscription.wake(self._arrived)
        return Inlet(feed.stream, subscription, position, self.foresee)

    async def _turn(self) -> None:
        self._arrived.clear()
        taken = sum([await self._drain(n) for n in range(len(self._inlets))])
        if not taken and any(inlet.has_next() for inlet in self._inlets):
            # Every feed waits for another: the last, which drives the role, goes on by one.
            taken = await self._drain(len(self._inlets) - 1, at_most=1, despite_hold=True)
        if taken:
            await self._say_progress(is_idle=False)
            # What was said goes out, and what has come meanwhile comes in.
            await asyncio.sleep(0)
        elif not await wait_until_set(self._arrived, IDLE_S):
            await self.bus.flush()
            await self._say_progress(is_idle=True)
        await self.tick()
        if self._keeper is not None and self._keeper.is_due:
            await self._save()

    async def _drain(
        self, number: int, at_most: int = TURN_MESSAGES_MAX, *, despite_hold: bool = False
    ) -> int:
        """Take the messages of one feed, until it is empty or held; return how many."""
        inlet = self._inlets[number]
        taken = 0
        while taken < at_most and inlet.has_next():
            message, event = inlet.head()
            if not despite_hold and self.is_held(number, event):
                break
            inlet.drop()
            await self._take(inlet.stream, message, event)
            taken += 1
        if taken:
            self._note_positions()
            if self._meter is not None:
                self._meter.turn()
        return taken

    async def _take(self, stream: str, message: Message, event: Event | WireError) -> None:
        said = 0
        for name, answer in await self.answers(message, event):
            said += await self._publish(stream, message, name, answer)
        if self._meter is not None:
            self._meter.take(stream, message, event, said)

    async def _publish(self, stream: str, message: Message, name: str, answer: Answer) -> bool:
        """Send an answer, unless it is out already; return whether it was sent."""
        if self._out.discard(name):
            return False
        answer_id = f"{self._incarnation}:{name}"
        headers = {HEADER_ROLE: self.role, HEADER_ANSWER_ID: answer_id}
        if answer.error:
            headers[HEADER_ERROR] = _header_text(answer.error)
            headers[HEADER_ORIGIN_STREAM] = stream
            headers[HEADER_ORIGIN_SEQ] = str(message.seq)
        event = answer.event
        if isinstance(event, bytes):
            # A letter has headers to carry beside the payload; all of it is still in the stream.
            payload = event[: codec.PAYLOAD_BYTES_MAX]
        else:
            payload = codec.encode(event, self._encoding)
        await self._send(answer.subject, payload, msg_id=answer_id, headers=headers)
        self._has_sent = True
        if self._meter is not None:
            self._meter.publish(answer)
        return True

    async def _say_progress(self, *, is_idle: bool) -> None:
        ts = self.core.progress_ts
        position = (self.seq, self.input_seq)
        has_moved = ts > self._progress_ts
        says_position = is_idle or self._says_every_position
        if not has_moved and not (says_position and position != self._progress_seq):
            return
        if self._vouches_across_streams and self._has_sent:
            # Order holds within a stream: only what is stored can be vouched for in another.
            await self.bus.flush()
        self._has_sent = False
        self._progress_ts = max(ts, self._progress_ts)
        self._progress_seq = position
        event = Progress(
            self.role, self.shard, self._progress_ts, self.seq, self.shards, self.input_seq
        )
        subject = subjects.progress(self.role, self.shard)
        said = f"{subject}:{self.shards}:{event.event_ts}:{event.seq}:{event.input_seq}"
        await self._send(subject, codec.encode(event), msg_id=f"{self._incarnation}:{said}")

    def _note_positions(self) -> None:
        *others, last = self._inlets
        self.seq = last.seq
        for inlet in others:
            if inlet.stream == topology.INPUT:
                self.input_seq = inlet.seq
        if self._out.ids:
            self._out.forget_behind(self._positions())

    def _positions(self) -> tuple[int, ...]:
        return tuple([inlet.seq for inlet in self._inlets])

    async def _resume(self) -> tuple[int, ...]:
        """Go on from the snapshot, if there is one, and read back; return the feeds' positions."""
        snapshot = None
        if self._keeper is not None:
            snapshot = await self._load_from(self._keeper)
        if snapshot is not None:
            self._out.restore(snapshot.out, snapshot.written, snapshot.progress_ts)
        for stream in self._writes:
            await self._out.read_back(stream, self._incarnation)
        await self._out.note_ends(tuple([feed.stream for feed in self._feeds]))
        self._progress_ts = self._out.progress_ts
        return (0,) * len(self._feeds) if snapshot is None else snapshot.positions

    async def _load_from(self, keeper: SnapshotKeeper) -> Snapshot | None:
        snapshot = await keeper.find(self.role, self.shard, self.shards)
        if snapshot is None:
            return None
        try:
            if not await self.load(snapshot.saved):
                return None
        except BusError:
            raise
        except Exception:
            # The core may be half loaded: the next start finds none, and replays.
            keeper.discard()
            raise
        log.info("going on from the snapshot at %s", snapshot.positions)
        return snapshot

    async def _save(self) -> None:
        if self._keeper is not None and isinstance(self.core, SavableCore):
            positions = self._positions()
            await self._keeper.save(self.core, positions, self._out, self._progress_ts)


def _named(seq: int, answers: list[Answer]) -> list[tuple[str, Answer]]:
    """Give each answer its id: its identity, or where it stands among the answers to its row."""
    counts: dict[int, int] = {}
    named: list[tuple[str, Answer]] = []
    for answer in answers:
        if answer.identity:
            named.append((id_part(answer.identity), answer))
            continue
        count = counts.get(answer.row, 0)
        counts[answer.row] = count + 1
        named.append((f"{seq}:{answer.row * ROW_STRIDE + count}", answer))
    return named


def _letter(message: Message, answer: Answer) -> Answer:
    """A dead letter of a whole message is its own bytes on its own subject, once."""
    if not answer.error:
        return answer
    subject = subjects.dead_letter(message.subject)
    return answer._replace(subject=subject, event=message.payload, identity=f"{message.seq}:letter")


def _header_text(text: str) -> str:
    """A header is one line of printable ASCII."""
    clean = text.encode("ascii", "backslashreplace").decode()
    return "".join(c if c.isprintable() else " " for c in clean)[:HEADER_ERROR_MAX]
