"""The answers of one role that are out already, and that its core has yet to say again."""

from collections.abc import Iterable, Mapping

from engine.answer import HEADER_ROLE
from streams import subjects
from streams.bus import HEADER_ID, Bus, Message
from streams.errors import BusError
from streams.events import Progress
from streams.intake import event_of

READ_BACK_TIMEOUT_S = 30.0
LETTERS = subjects.DLQ.removesuffix(">")


class AlreadyOut:
    """Reads back what a shard of a role wrote, before it writes anything itself.

    `ids` lack INPUT's incarnation. `written` is up to where each stream is known: what it holds
    of this shard up to there was said by the core, or is in `ids`. `progress_ts` is how far the
    shard has vouched.
    """

    def __init__(self, bus: Bus, role: str, shard: int, shards: int) -> None:
        self._bus = bus
        self._role = role
        self._shard = shard
        self._shards = shards
        self._own_progress = subjects.progress(role, shard)
        self._ends: tuple[int, ...] = ()
        self.ids: set[str] = set()
        self.written: dict[str, int] = {}
        self.progress_ts = 0

    def discard(self, name: str) -> bool:
        """Return whether the answer `name` is out; it will not be said a third time."""
        if name not in self.ids:
            return False
        self.ids.remove(name)
        return True

    def restore(self, ids: Iterable[str], written: Mapping[str, int], progress_ts: int) -> None:
        """Go on from what was known when a snapshot was taken."""
        self.ids = set(ids)
        self.written = dict(written)
        self.progress_ts = progress_ts

    async def read_back(self, stream: str, incarnation: str) -> None:
        """Learn what `stream` holds behind what is known of it."""
        last = await self._bus.last_seq(stream)
        position = self.written.setdefault(stream, 0)
        if position >= last:
            return
        subscription = await self._bus.read(stream, position + 1)
        prefix = f"{incarnation}:"
        try:
            while position < last:
                batch = await subscription.next_batch(READ_BACK_TIMEOUT_S)
                if not batch:
                    raise BusError(f"{stream} stopped at {position} of {last} while reading back")
                for message in batch:
                    self._note(message, prefix)
                position = batch[-1].seq
        finally:
            await subscription.close()
        self.written[stream] = position

    async def note_ends(self, streams: tuple[str, ...]) -> None:
        """Note where the feeds end: what is out answers nothing behind that."""
        self._ends = tuple([await self._bus.last_seq(stream) for stream in streams])

    def forget_behind(self, positions: tuple[int, ...]) -> None:
        """Let go of what the core did not say again, once the feeds are past what it answered."""
        if self.ids and all(at >= end for at, end in zip(positions, self._ends, strict=True)):
            self.ids.clear()

    def _note(self, message: Message, prefix: str) -> None:
        if message.subject == self._own_progress:
            event = event_of(message)
            if isinstance(event, Progress) and event.shards == self._shards:
                self.progress_ts = max(self.progress_ts, event.event_ts)
            return
        answer_id = message.headers.get(HEADER_ID, "")
        is_own = message.headers.get(HEADER_ROLE) == self._role and self._owns(message.subject)
        if is_own and answer_id.startswith(prefix):
            self.ids.add(answer_id.removeprefix(prefix))

    def _owns(self, subject: str) -> bool:
        """Whether it may be this shard that wrote on `subject`: any may have written a letter."""
        if self._shards == 1 or subject.startswith(LETTERS):
            return True
        return subjects.shard_on(subject) * self._shards // subjects.SHARDS == self._shard
