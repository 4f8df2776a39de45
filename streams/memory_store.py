"""What the in-memory bus keeps: streams, keys and objects, shared by all its handles."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from msgspec.structs import replace

from streams.bus import KeyEntry, Message
from streams.clock import Clock
from streams.errors import BusError, ConflictError
from streams.headers import clean
from streams.topology import BUCKETS, DEDUP_WINDOW_S, STORES, STREAMS, StreamSpec
from streams.wildcard import matches

_DEDUP_WINDOW_NS = DEDUP_WINDOW_S * 1_000_000_000


class Listener(Protocol):
    """A plain subscription: it hears what is published while it is there."""

    pattern: str

    def hear(self, message: Message) -> None:
        """Take a message whose subject matches `pattern`."""
        ...


@dataclass(slots=True)
class Lease:
    """A work-queue unit: how often it was handed out and when it may be again."""

    deliveries: int = 0
    free_at_ns: int = 0


@dataclass(slots=True)
class StoredStream:
    """One stream: messages by sequence, the dedup window and who waits for more."""

    spec: StreamSpec
    incarnation: str
    messages: dict[int, Message] = field(default_factory=dict)
    last_seq: int = 0
    ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    leases: dict[int, Lease] = field(default_factory=dict)
    waiting: set[asyncio.Event] = field(default_factory=set)

    def remembered(self, msg_id: str, now_ns: int) -> int:
        """Return the sequence stored under `msg_id` inside the window, else 0."""
        for old_id, (_, stored_ns) in list(islice(self.ids.items(), 2)):
            if now_ns - stored_ns > _DEDUP_WINDOW_NS:
                del self.ids[old_id]
        seq, stored_ns = self.ids.get(msg_id, (0, 0))
        return seq if now_ns - stored_ns <= _DEDUP_WINDOW_NS else 0

    def add(self, message: Message) -> Message:
        """Append `message` and wake the readers; return it with its sequence."""
        self.last_seq += 1
        stored = replace(message, seq=self.last_seq)
        self.messages[self.last_seq] = stored
        if self.spec.work_queue:
            self.leases[self.last_seq] = Lease()
        if self.spec.per_subject_max:
            self._drop_beyond(message.subject)
        self.wake()
        return stored

    def _drop_beyond(self, subject: str) -> None:
        of_subject = [seq for seq, held in self.messages.items() if held.subject == subject]
        for seq in of_subject[: -self.spec.per_subject_max]:
            del self.messages[seq]
            self.leases.pop(seq, None)

    def wake(self) -> None:
        """Let every waiting reader look again."""
        for event in self.waiting:
            event.set()


class MemoryStore:
    """The streams, buckets and object stores of `streams.topology`, in this process.

    Handles of several roles share one store, as clients share a broker.
    """

    def __init__(self, clock: Clock, incarnation: str = "memory") -> None:
        self.clock = clock
        self.streams = {
            spec.name: StoredStream(spec, f"{incarnation}-{spec.name}") for spec in STREAMS
        }
        self.objects: dict[str, dict[str, bytes]] = {store: {} for store in STORES}
        self.listeners: set[Listener] = set()
        self._keys: dict[str, dict[str, KeyEntry]] = {bucket: {} for bucket in BUCKETS}
        self._revisions = dict.fromkeys(BUCKETS, 0)
        self._routes: dict[str, StoredStream] = {}

    def stream(self, name: str) -> StoredStream:
        """Return a stream by name; raises BusError when there is none."""
        if name not in self.streams:
            raise BusError(f"no stream is called {name!r}; there are {', '.join(self.streams)}")
        return self.streams[name]

    def bucket(self, name: str) -> dict[str, KeyEntry]:
        """Return a bucket's entries; raises BusError when there is none of that name."""
        if name not in self._keys:
            raise BusError(f"no bucket is called {name!r}; there are {', '.join(self._keys)}")
        return self._keys[name]

    def objects_of(self, name: str) -> dict[str, bytes]:
        """Return an object store's content; raises BusError when there is none of that name."""
        if name not in self.objects:
            raise BusError(
                f"no object store is called {name!r}; there are {', '.join(self.objects)}"
            )
        return self.objects[name]

    def store(
        self, subject: str, payload: bytes, msg_id: str | None, extra: Mapping[str, str] | None
    ) -> tuple[int, Message | None]:
        """Return the sequence, and the message unless it repeats `msg_id`."""
        stream = self._route(subject)
        headers = clean(extra, msg_id) or {}
        now_ns = self.clock.now_ns()
        if msg_id is not None:
            seq = stream.remembered(msg_id, now_ns)
            if seq:
                return seq, None
        message = stream.add(Message(subject, bytes(payload), 0, now_ns, headers))
        if msg_id is not None:
            stream.ids.pop(msg_id, None)
            stream.ids[msg_id] = (message.seq, now_ns)
        return message.seq, message

    def key_put(self, bucket: str, key: str, value: bytes, expected: int | None) -> int:
        """Write a key and return its revision; raises ConflictError."""
        entries = self.bucket(bucket)
        held = entries[key].revision if key in entries else 0
        if expected is not None and expected != held:
            raise ConflictError(f"{bucket}/{key} is at revision {held}, expected {expected}")
        self._revisions[bucket] += 1
        entries[key] = KeyEntry(bytes(value), self._revisions[bucket])
        return self._revisions[bucket]

    def republished(self, message: Message) -> Message | None:
        """Return what the stream's republish makes of a stored message, if anything."""
        republish = self._route(message.subject).spec.republish
        if republish is None or not matches(republish[0], message.subject):
            return None
        return replace(message, subject=republish[1])

    def _route(self, subject: str) -> StoredStream:
        if subject not in self._routes:
            for stream in self.streams.values():
                if any(matches(pattern, subject) for pattern in stream.spec.subjects):
                    self._routes[subject] = stream
                    break
            else:
                raise BusError(f"no stream takes the subject {subject!r}")
        return self._routes[subject]
