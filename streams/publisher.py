"""Acknowledged publishing over NATS: pipelined, in order, tried again with the same id.

nats-py's own asynchronous publish never times out and forgets what was in flight when the
connection went. Here every message is kept until its acknowledgement comes: after a
reconnect, or when an acknowledgement is late, everything unacknowledged that carries an id is
sent again in order, and the stream drops what it already has.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable

import msgspec
from nats.errors import Error as NatsError

from streams.direct_client import DirectClient
from streams.errors import BusError
from streams.limits import SEND_BYTES_IN_FLIGHT_MAX, SENDS_IN_FLIGHT_MAX
from streams.waiting import wait_until_set

ACK_WAIT_S = 5.0
GIVE_UP_S = 60.0
NO_STREAM_GRACE_S = 3.0
TICK_S = 0.25
ATTEMPTS_MAX = 100
FAILURES_KEPT_MAX = 64
_TEMPORARILY_UNAVAILABLE = 10008
_STORED = b'{"stream":'
_ERROR = b'"error"'


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = "no reason given"


class _PubAck(msgspec.Struct):
    seq: int = 0
    error: _ApiError | None = None


class Sent:
    """One message on its way, as the command to write; without `stored` nobody waits for it."""

    __slots__ = ("attempts", "begun_at", "command", "has_id", "sent_at", "stored", "subject")

    def __init__(
        self,
        subject: str,
        command: bytes,
        has_id: bool,
        now: float,
        stored: "asyncio.Future[int] | None",
    ) -> None:
        self.subject = subject
        self.command = command
        self.has_id = has_id
        self.begun_at = now
        self.sent_at = now
        self.attempts = 0
        self.stored = stored

    @property
    def repeatable(self) -> bool:
        """Whether sending it again cannot store it twice."""
        return self.attempts == 0 or self.has_id


class Publisher:
    """Keeps what is unacknowledged, by token, in the order in which it was given.

    `sends` and `send_bytes` are what is under way and nobody waits for; `failed` of these were
    not stored, for the last `reasons`.
    """

    def __init__(self, connection: DirectClient, why: Callable[[], str]) -> None:
        self._connection = connection
        self._why = why
        self._loop = asyncio.get_running_loop()
        self._decode = msgspec.json.Decoder(_PubAck).decode
        self.sends = 0
        self.send_bytes = 0
        self.failed = 0
        self.reasons: deque[str] = deque(maxlen=FAILURES_KEPT_MAX)
        self._room = asyncio.Event()
        self._pending: dict[int, Sent] = {}
        self._tokens = itertools.count()
        self._inbox = ""
        self._online = True
        self._reconnected_at = -NO_STREAM_GRACE_S
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._pending)

    async def open(self) -> None:
        """Listen for acknowledgements."""
        self._inbox = self._connection.new_inbox() + "."
        await self._connection.listen(self._inbox + "*", self._on_ack)
        self._keeper = asyncio.create_task(self._keep())

    def submit(
        self,
        subject: str,
        payload: bytes,
        block: str,
        has_id: bool,
        stored: "asyncio.Future[int] | None" = None,
    ) -> None:
        """Send a message behind all earlier ones, with the header block if it is not empty.

        `stored` becomes its stream sequence, or a BusError.
        """
        token = next(self._tokens)
        size = len(payload)
        if block:
            head = len(block) if block.isascii() else len(block.encode())
            line = f"HPUB {subject} {self._inbox}{token} {head} {head + size}\r\n{block}"
        else:
            line = f"PUB {subject} {self._inbox}{token} {size}\r\n"
        command = b"".join((line.encode(), payload, b"\r\n"))
        sent = Sent(subject, command, has_id, self._loop.time(), stored)
        self._pending[token] = sent
        if stored is None:
            self.sends += 1
            self.send_bytes += len(command)
        if self._online and self._connection.is_connected:
            self._write(token, sent)

    @property
    def is_full(self) -> bool:
        """Whether as much is under way as may be."""
        return self.sends >= SENDS_IN_FLIGHT_MAX or self.send_bytes >= SEND_BYTES_IN_FLIGHT_MAX

    async def wait_for_change(self) -> None:
        """Return when something that was under way no longer is."""
        self._room.clear()
        await self._room.wait()

    def note_failure(self, error: BusError) -> None:
        """Count a message of which nobody waits to hear that it was not stored."""
        self.failed += 1
        self.reasons.append(str(error))

    def offline(self) -> None:
        """Hold everything back: the connection is gone."""
        self._online = False

    def online(self) -> None:
        """Send what is unacknowledged: the connection is back."""
        self._reconnected_at = self._loop.time()
        self._wake.set()

    def refuse(self, subject: str, reason: str) -> None:
        """Fail what waits for an acknowledgement on `subject`: the server will not give one.

        Case is ignored: nats-py tells the server's words in lower case.
        """
        for token, sent in list(self._pending.items()):
            if sent.subject.lower() == subject.lower():
                self._fail(token, BusError(f"publishing on {sent.subject!r} was refused: {reason}"))

    async def close(self) -> None:
        """Stop; what is still unacknowledged fails."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for token in list(self._pending):
            self._fail(token, BusError("the bus was closed before the acknowledgement came"))

    def _write(self, token: int, sent: Sent) -> None:
        sent.attempts += 1
        if sent.attempts > 1:
            sent.sent_at = self._loop.time()
        try:
            self._connection.write(sent.command)
        except NatsError as error:
            self._fail(token, BusError(f"publishing on {sent.subject!r} failed: {error}"))

    def _on_ack(self, subject: bytes, reply: bytes, payload: bytes, block: bytes) -> None:
        token = int(subject[len(self._inbox) :])
        sent = self._pending.get(token)
        if sent is None:
            return
        # Nearly every acknowledgement is that of a message that nobody waits for.
        if sent.stored is None and payload.startswith(_STORED) and _ERROR not in payload:
            self._settle(self._pending.pop(token), 0, None)
            return
        if not payload:
            # Nobody listens on the subject. Right after a reconnect the streams may only be
            # on their way, and nothing was stored: the keeper tries again.
            if self._loop.time() - self._reconnected_at < NO_STREAM_GRACE_S:
                sent.attempts = 0
            else:
                self._fail(token, BusError(f"no stream takes the subject {sent.subject!r}"))
            return
        ack = self._decode(payload)
        if ack.error is None:
            self._settle(self._pending.pop(token), ack.seq, None)
        elif ack.error.err_code != _TEMPORARILY_UNAVAILABLE:
            reason = f"{ack.error.description} (error {ack.error.err_code})"
            self._fail(token, BusError(f"{sent.subject!r} was not stored: {reason}"))

    async def _keep(self) -> None:
        while not self._closed:
            reconnected = await wait_until_set(self._wake, TICK_S)
            self._wake.clear()
            self._give_up()
            if self._connection.is_connected and (reconnected or self._is_late()):
                self._send_again(reconnected)

    def _is_late(self) -> bool:
        for sent in self._pending.values():
            # The oldest decides: an acknowledgement of a later one would not help it.
            wait_s = TICK_S if sent.attempts == 0 else ACK_WAIT_S
            return self._loop.time() - sent.sent_at > wait_s
        return False

    def _send_again(self, reconnected: bool) -> None:
        """Send everything unacknowledged in order, then let new messages through."""
        for token, sent in list(self._pending.items()):
            if sent.repeatable and sent.attempts < ATTEMPTS_MAX:
                self._write(token, sent)
            elif reconnected or self._loop.time() - sent.sent_at > ACK_WAIT_S:
                self._fail(token, self._unknown(sent))
        self._online = True

    def _unknown(self, sent: Sent) -> BusError:
        return BusError(
            f"no acknowledgement came for {sent.subject!r}: it may or may not be stored "
            f"(a msg_id lets it be sent again safely){self._why()}"
        )

    def _give_up(self) -> None:
        now = self._loop.time()
        for token, sent in list(self._pending.items()):
            if now - sent.begun_at <= GIVE_UP_S:
                return
            self._fail(
                token,
                BusError(
                    f"{sent.subject!r} was not acknowledged within {GIVE_UP_S:.0f} s{self._why()}"
                ),
            )

    def _fail(self, token: int, error: BusError) -> None:
        sent = self._pending.pop(token, None)
        if sent is not None:
            self._settle(sent, 0, error)

    def _settle(self, sent: Sent, seq: int, error: BusError | None) -> None:
        if sent.stored is None:
            self.sends -= 1
            self.send_bytes -= len(sent.command)
            if error is not None:
                self.note_failure(error)
            self._room.set()
        elif sent.stored.done():
            return
        elif error is None:
            sent.stored.set_result(seq)
        else:
            sent.stored.set_exception(error)
