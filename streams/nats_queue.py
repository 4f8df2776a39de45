"""A work queue on NATS: a durable consumer that hands each unit to one worker.

One unit is asked for at a time, on one inbox; an acknowledgement is confirmed by the server.
"""

import asyncio
import base64
from collections import deque

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error as NatsError

from streams.bus import Message
from streams.errors import BusError
from streams.jetstream import JetStream, JetStreamError
from streams.limits import WORK_ACK_WAIT_S
from streams.topology import QUEUED_PER_STRATEGY_MAX
from streams.waiting import wait_until_set

REQUEST_MAX_S = 5.0
REQUEST_MIN_S = 0.01
GRACE_S = 1.0
ACK_TIMEOUT_S = 5.0
HELD_UNITS_MAX = 1000
_NO_MESSAGE = 10037
_NS = 1_000_000_000


class NatsWork:
    """One unit, held until it is acknowledged or `ack_wait` has passed without a heartbeat."""

    def __init__(self, connection: Client, raw: Msg) -> None:
        tokens = raw.reply.split(".")
        base = 2 if len(tokens) == 9 else 4
        self.deliveries = int(tokens[base + 2])
        self.message = Message(
            raw.subject,
            raw.data,
            int(tokens[base + 3]),
            int(tokens[base + 5]),
            raw.headers or {},
        )
        self._connection = connection
        self._reply = raw.reply

    async def done(self) -> None:
        """Acknowledge, and wait until the server has noted it."""
        try:
            await self._connection.request(self._reply, b"+ACK", timeout=ACK_TIMEOUT_S)
        except NatsError as error:
            raise BusError(f"the unit could not be acknowledged: {error}") from None

    async def retry(self, delay_s: float) -> None:
        """Give the unit back for `delay_s`."""
        await self._say(b"-NAK " + msgspec.json.encode({"delay": int(delay_s * _NS)}))

    async def heartbeat(self) -> None:
        """Start `ack_wait` anew."""
        await self._say(b"+WPI")

    async def _say(self, word: bytes) -> None:
        try:
            await self._connection.publish(self._reply, word)
        except NatsError as error:
            raise BusError(f"the server could not be told of the unit: {error}") from None


class NatsWorkQueue:
    """Takes units one at a time. `open` before use."""

    def __init__(
        self,
        connection: Client,
        jetstream: JetStream,
        stream: str,
        worker: str,
        ack_wait_s: float = WORK_ACK_WAIT_S,
    ) -> None:
        self._connection = connection
        self._jetstream = jetstream
        self._stream = stream
        self._worker = worker
        self._ack_wait_s = ack_wait_s
        self._inbox = connection.new_inbox()
        self._subscription: NatsSubscription | None = None
        self._arrived: deque[tuple[float, NatsWork]] = deque()
        self._answered = asyncio.Event()
        self._closed = False

    async def open(self) -> None:
        """Make the durable consumer unless it is there, and listen. Raises BusError."""
        state = await self._jetstream.stream_state(self._stream)
        if state.config.get("retention") != "workqueue":
            raise BusError(f"stream {self._stream} is not a work queue")
        await self._make_consumer()
        self._subscription = await self._connection.subscribe(self._inbox, cb=self._on_message)

    async def next(self, timeout_s: float) -> NatsWork | None:
        """Return the next unit, or None when none came within `timeout_s`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            if self._closed:
                raise BusError(f"the work queue {self._stream} is closed")
            work = self._take(loop.time())
            remaining = deadline - loop.time()
            if work is not None or remaining <= 0:
                return work
            await self._ask(max(REQUEST_MIN_S, min(remaining, REQUEST_MAX_S)))

    async def pending(self) -> int:
        """Return how many units wait or are held."""
        return (await self._jetstream.stream_state(self._stream)).messages

    async def behind(self, message: Message) -> list[Message]:
        """Return the units of a message's subject that stand behind it, in order."""
        found: list[Message] = []
        seq = message.seq
        while len(found) < QUEUED_PER_STRATEGY_MAX:
            wanted = {"seq": seq + 1, "next_by_subj": message.subject}
            try:
                answer = await self._jetstream.call(f"STREAM.MSG.GET.{self._stream}", wanted)
            except JetStreamError as error:
                if error.err_code != _NO_MESSAGE:
                    raise
                break
            stored = answer["message"]
            seq = stored["seq"]
            payload = base64.b64decode(stored.get("data", ""))
            found.append(Message(stored["subject"], payload, seq))
        return found

    async def close(self) -> None:
        """Stop taking units; a held one comes back after `ack_wait`."""
        if self._closed:
            return
        self._closed = True
        self._answered.set()
        if self._subscription is not None and not self._connection.is_closed:
            await self._subscription.unsubscribe()

    async def _make_consumer(self) -> None:
        config = {
            "name": self._worker,
            "durable_name": self._worker,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self._ack_wait_s * _NS),
            "max_ack_pending": HELD_UNITS_MAX,
            "replay_policy": "instant",
            # The worker sees how often a unit came and decides itself when to give it up.
            "max_deliver": -1,
        }
        try:
            await self._jetstream.call(f"CONSUMER.INFO.{self._stream}.{self._worker}")
        except JetStreamError:
            await self._jetstream.make_consumer(self._stream, self._worker, config)

    def _take(self, now: float) -> NatsWork | None:
        while self._arrived:
            at, work = self._arrived.popleft()
            # One that lay here for long is about to be handed to somebody else.
            if now - at < self._ack_wait_s / 2:
                return work
        return None

    async def _ask(self, expires_s: float) -> None:
        """Ask for one unit and return when it is there, or the server has none."""
        self._answered.clear()
        body = {"batch": 1, "expires": int(expires_s * _NS)}
        subject = self._jetstream.next_subject(self._stream, self._worker)
        try:
            await self._connection.publish(subject, msgspec.json.encode(body), reply=self._inbox)
        except NatsError as error:
            raise BusError(f"the work queue {self._stream} could not be asked: {error}") from None
        await wait_until_set(self._answered, expires_s + GRACE_S)

    async def _on_message(self, raw: Msg) -> None:
        if raw.reply:
            now = asyncio.get_running_loop().time()
            self._arrived.append((now, NatsWork(self._connection, raw)))
        elif raw.headers and raw.headers.get("Status") == "503":
            await self._make_consumer()
        self._answered.set()
