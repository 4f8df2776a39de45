"""Two processes for one shard: one publishes, the other says the same and keeps it to itself.

Both read INPUT and step the same core. Whoever holds the lease publishes. The other keeps what
it says until it has seen it in SCORED; when the lease lapses it takes it, publishes what is not
out, in order, and goes on.

A process that was stopped and wakes up finds by its own clock that its lease has lapsed, and
keeps what it says until it has asked: then it goes on, or is the other from then on. What both
have published in between has the same ids and the same bytes, and is dropped by its id.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from engine.shells.lease import RENEW_S, Lease
from streams import codec, subjects, topology
from streams.bus import HEADER_ID, Bus, Message, Subscription
from streams.errors import BusError
from streams.events import Progress
from streams.intake import event_of
from streams.waiting import end_tasks, wait_until_set

UNPUBLISHED_MAX = 16_384
UNPUBLISHED_BYTES_MAX = 64 * 1024 * 1024
OUT_IDS_MAX = 65_536
READ_TIMEOUT_S = 10.0
ROOM_S = 0.05
PROGRESS = "progress."
LETTERS = "dlq."

log = logging.getLogger("assay.standby")


class Said(NamedTuple):
    """A message that is kept; `seq` is the sequence of INPUT that it answers."""

    seq: int
    subject: str
    payload: bytes
    msg_id: str
    headers: Mapping[str, str] | None


class Standby:
    """The outlet of one of the two scorers of a shard.

    Keeps at most UNPUBLISHED_MAX messages and UNPUBLISHED_BYTES_MAX bytes; beyond that `send`
    waits until the other has published some of them, or is gone. Dead letters, which are not in
    SCORED, are kept until a watermark there vouches for them.
    """

    def __init__(
        self, bus: Bus, lease: Lease, *, shard: int, shards: int, renew_s: float = RENEW_S
    ) -> None:
        self._bus = bus
        self._lease = lease
        self._shard = shard
        self._shards = shards
        self._renew_s = renew_s
        self._own_progress = subjects.progress("scorer", shard)
        self._prefix = ""
        self._is_open = False
        self._is_stopping = False
        self._kept: dict[str, Said] = {}
        self._kept_bytes = 0
        self._letters: deque[Said] = deque()
        self._watermark: Said | None = None
        # Ids that are out before they were said here.
        self._out: set[str] = set()
        self._has_room = asyncio.Event()
        # How far in INPUT: what was there at the start, what was said, what is vouched for.
        self._first_seq = 0
        self._said_seq = 0
        self._vouched_seq = 0
        # Up to where SCORED is known, and who reads behind that while the other publishes.
        self._known_seq = 0
        self._reader: Subscription | None = None

    @property
    def is_active(self) -> bool:
        """Whether what is said is published at once."""
        return self._is_open

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was said is kept back."""
        return not self._kept

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a message, or keep it. An expiry is not kept: it is asked for again."""
        said = Said(self._position(msg_id or ""), subject, payload, msg_id or "", headers)
        if said.seq:
            await self._wait_for_room(len(payload))
        self._said_seq = max(self._said_seq, said.seq)
        self._is_open = self._is_open and self._lease.is_fresh
        if self._is_open:
            await self._publish(said)
        elif subject.startswith(PROGRESS):
            # Only the newest is kept: it goes out behind all that it vouches for.
            self._watermark = said
            event = codec.decode(payload)
            if isinstance(event, Progress):
                self._said_seq = max(self._said_seq, event.seq)
        elif said.msg_id in self._out:
            self._out.discard(said.msg_id)
        elif said.seq:
            self._keep(said)

    async def run(
        self, role: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event
    ) -> None:
        """Await `role(stop)`, which says everything through this outlet, and tend the lease."""
        self._prefix = f"{await self._bus.incarnation(topology.INPUT)}:"
        self._first_seq = await self._bus.last_seq(topology.INPUT)
        self._known_seq = await self._bus.last_seq(topology.SCORED)
        tasks = [asyncio.ensure_future(role(stop)), asyncio.create_task(self._tend_on(stop))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end_tasks(tasks)
            await self._stop_reading()
        await self._lease.release()

    async def _tend_on(self, stop: asyncio.Event) -> None:
        """Tend the lease, and change sides as it does, until cancelled."""
        while True:
            self._is_stopping = stop.is_set()
            try:
                await self._turn()
            except BusError as error:
                log.warning("the lease cannot be tended: %s", error)
                await self._stop_reading()
                await asyncio.sleep(self._renew_s)

    async def _turn(self) -> None:
        if await self._tend():
            if not self._is_open:
                await self._take_over()
            await asyncio.sleep(self._renew_s)
            return
        if self._is_open:
            log.warning("another publishes now: what is said here is kept")
            self._is_open = False
        until = self._now() + self._renew_s
        while (left_s := until - self._now()) > 0:
            await self._read_on(left_s)

    async def _tend(self) -> bool:
        # Whatever another publishes comes behind this: it would have to take the lease first.
        newest = await self._bus.last_seq(topology.SCORED) if self._is_open else 0
        is_held = await self._lease.tend(is_warm=self._said_seq >= self._first_seq)
        if is_held and self._is_open:
            self._known_seq = newest
        return is_held

    async def _take_over(self) -> None:
        """Publish what is kept and not out, in order; stop where the lease is lost again."""
        last = await self._bus.last_seq(topology.SCORED)
        tended_at = self._now()
        while self._lease.is_fresh:
            if self._now() - tended_at >= self._renew_s:
                tended_at = self._now()
                await self._lease.tend()
            elif self._known_seq < last and not (self._is_full(0) and self._knows_enough()):
                await self._read_on(self._renew_s)
            elif self._kept:
                await self._publish(self._forget(next(iter(self._kept))))
            elif self._watermark is not None:
                said, self._watermark = self._watermark, None
                await self._publish(said)
            else:
                self._is_open = True
                self._has_room.set()
                await self._stop_reading()
                log.info("publishing from sequence %d of INPUT on", self._said_seq)
                return

    async def _read_on(self, at_most_s: float) -> None:
        """Take the next messages of SCORED; wait where too many ids are known ahead."""
        if self._knows_enough():
            await asyncio.sleep(min(at_most_s, ROOM_S))
            return
        if self._reader is None:
            self._reader = await self._bus.read(topology.SCORED, self._known_seq + 1)
        for message in await self._reader.next_batch(at_most_s):
            self._note(message)

    async def _stop_reading(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _knows_enough(self) -> bool:
        if len(self._out) >= OUT_IDS_MAX:
            # What was to be said before what has been said is said no more.
            self._out = {one for one in self._out if self._position(one) >= self._said_seq}
        return len(self._out) >= OUT_IDS_MAX

    def _note(self, message: Message) -> None:
        """Take one message of SCORED: it is out, and so is what it vouches for."""
        self._known_seq = message.seq
        msg_id = message.headers.get(HEADER_ID, "")
        if message.subject == self._own_progress:
            event = event_of(message)
            if isinstance(event, Progress) and event.shards == self._shards:
                self._vouched_seq = max(self._vouched_seq, event.seq)
                while self._letters and self._letters[0].seq <= self._vouched_seq:
                    letter = self._letters.popleft()
                    if letter.msg_id in self._kept:
                        self._forget(letter.msg_id)
        elif msg_id in self._kept:
            self._forget(msg_id)
        elif self._position(msg_id) >= max(self._said_seq, 1) and self._owns(message.subject):
            self._out.add(msg_id)

    def _keep(self, said: Said) -> None:
        if said.subject.startswith(LETTERS):
            if said.seq <= self._vouched_seq:
                return
            self._letters.append(said)
        self._kept[said.msg_id] = said
        self._kept_bytes += len(said.payload)

    def _forget(self, msg_id: str) -> Said:
        said = self._kept.pop(msg_id)
        self._kept_bytes -= len(said.payload)
        self._has_room.set()
        return said

    def _is_full(self, size: int) -> bool:
        if not self._kept:
            return False
        is_heavy = self._kept_bytes + size > UNPUBLISHED_BYTES_MAX
        return is_heavy or len(self._kept) >= UNPUBLISHED_MAX

    async def _wait_for_room(self, size: int) -> None:
        while not (self._is_open or self._is_stopping) and self._is_full(size):
            self._has_room.clear()
            await wait_until_set(self._has_room, self._renew_s)

    async def _publish(self, said: Said) -> None:
        await self._bus.send(
            said.subject, said.payload, msg_id=said.msg_id or None, headers=said.headers
        )

    def _position(self, msg_id: str) -> int:
        """Return the sequence of INPUT that a message answers, 0 where it is no answer."""
        if not msg_id.startswith(self._prefix):
            return 0
        seq = msg_id.removeprefix(self._prefix).partition(":")[0]
        return int(seq) if seq.isdecimal() else 0

    def _owns(self, subject: str) -> bool:
        return subjects.shard_on(subject) * self._shards // subjects.SHARDS == self._shard

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
