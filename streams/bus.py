"""What a bus is: ordered streams, a work queue, keys, objects and plain publish/subscribe.

Two implementations pass the same contract tests: `streams.memory_bus` and `streams.nats_bus`.
Roles see this interface only, so backtest, replay and live differ in bus and clock alone.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

HEADER_ID = "Nats-Msg-Id"
HEADER_ANSWER_ID = "Assay-Id"
HEADER_ERROR = "Assay-Error"
HEADER_ORIGIN_STREAM = "Assay-Stream"
HEADER_ORIGIN_SEQ = "Assay-Sequence"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message read: `seq` and `time_ns` are the stream's (0 for plain subscriptions)."""

    subject: str
    payload: bytes
    seq: int = 0
    time_ns: int = 0
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key's value and the revision to name in the next compare-and-set."""

    value: bytes
    revision: int


class Subscription(Protocol):
    """Messages in order, in batches."""

    async def next_batch(self, timeout_s: float) -> list[Message]:
        """Return the next messages, at least one, or [] when none came within `timeout_s`.

        Raises BusError when the subscription is closed or has failed.
        """
        ...

    def take(self) -> list[Message]:
        """Return the next messages that have come, or [] when there are none, without waiting.

        Raises BusError when the subscription is closed or has failed. Nothing arrives unless
        the caller awaits something now and then.
        """
        ...

    def wake(self, event: asyncio.Event) -> None:
        """Set `event` whenever there is something to take, and when the subscription ends."""
        ...

    async def close(self) -> None:
        """Stop reading and give back what the server holds for it."""
        ...


class Work(Protocol):
    """One unit of a work queue, held until it is acknowledged."""

    message: Message
    deliveries: int

    async def done(self) -> None:
        """Acknowledge: the unit never comes again."""
        ...

    async def retry(self, delay_s: float) -> None:
        """Give the unit back, to be delivered again after `delay_s`."""
        ...

    async def heartbeat(self) -> None:
        """Say that the unit is still being worked on."""
        ...


class WorkQueue(Protocol):
    """Units handed to one worker each."""

    async def next(self, timeout_s: float) -> Work | None:
        """Return the next unit, or None when none came within `timeout_s`."""
        ...

    async def pending(self) -> int:
        """Return how many units are waiting or held."""
        ...

    async def behind(self, message: Message) -> list[Message]:
        """Return the units of a message's subject that stand behind it, held or not, in order."""
        ...

    async def close(self) -> None:
        """Stop taking units."""
        ...


class Bus(Protocol):
    """Ordered streams, a work queue, keys, objects and plain publish/subscribe.

    Everything raises BusError when the bus cannot do what was asked.
    """

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store a message durably and return its stream sequence.

        A repeat of `msg_id` inside the stream's window is stored once and returns the first
        sequence. Raises BusError when no stream takes the subject.
        """
        ...

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store a message without waiting for the acknowledgement.

        Order is kept. At most SENDS_IN_FLIGHT_MAX are unacknowledged; beyond that it waits.
        """
        ...

    async def flush(self) -> None:
        """Return when everything sent is acknowledged; raises BusError for what was not."""
        ...

    async def read(
        self, stream: str, start_seq: int = 1, subjects: tuple[str, ...] = ()
    ) -> Subscription:
        """Read `stream` in order from `start_seq`, acknowledging nothing.

        `subjects` filters. Delivery survives reconnects without a gap or a repeat.
        """
        ...

    async def last_seq(self, stream: str, subjects: tuple[str, ...] = ()) -> int:
        """Return the sequence of the newest message of `stream`, 0 when it never held one.

        With `subjects` (wildcards allowed) of the newest on one of them that is there, 0 for none.
        """
        ...

    async def incarnation(self, stream: str) -> str:
        """Return a token that changes when the stream is made anew."""
        ...

    async def publish_plain(self, subject: str, payload: bytes) -> None:
        """Publish at most once, to whoever listens now."""
        ...

    async def subscribe_plain(self, subject: str) -> Subscription:
        """Listen to `subject` (wildcards allowed) from now on, at most once."""
        ...

    async def work_queue(self, stream: str, worker: str) -> WorkQueue:
        """Take part in the work queue `stream` under the durable name `worker`."""
        ...

    async def key_get(self, bucket: str, key: str) -> KeyEntry | None:
        """Return a key's value and revision, or None."""
        ...

    async def key_put(
        self, bucket: str, key: str, value: bytes, *, expected: int | None = None
    ) -> int:
        """Write a key and return its revision.

        `expected` = 0: it must not exist; n: its revision must be n; None: no condition.
        Raises ConflictError when the condition fails.
        """
        ...

    async def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket, sorted."""
        ...

    async def object_put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object under a content-addressed name; an existing one is left alone."""
        ...

    async def object_get(self, bucket: str, name: str) -> bytes | None:
        """Return an object's bytes, or None."""
        ...

    async def close(self) -> None:
        """Flush, then close every subscription and the connection."""
        ...
