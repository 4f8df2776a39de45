"""The verifier: reads what is recorded on a bus, and leaves the bus as it found it.

It reads INPUT, SCORED and OUTCOMES from their beginning up to the last message that each held at
the start. INPUT is looked at last: what answers it is then never newer than it.
"""

from collections.abc import Callable

import msgspec

from engine.replays.rerun import Rerun
from engine.replays.verdict import Span, Verdict
from engine.replays.verification import Verification
from streams import topology
from streams.bus import Bus, Message, Subscription
from streams.errors import BusError

READ_TIMEOUT_S = 30.0
# How many expected answers may wait for their record before more of it is read.
READ_AHEAD = 1_024


class Verified(msgspec.Struct, frozen=True):
    """A verdict, and on what it rests.

    `input_missing` counts messages that INPUT held once and holds no more: a rerun without them
    may rightly differ. `refused_models` are those whose artefact did not verify in the rerun.
    """

    verdict: Verdict
    input_messages: int
    input_missing: int
    refused_models: dict[int, str]


async def verify(
    bus: Bus,
    rerun: Rerun,
    span: Span | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verified:
    """Rerun everything in INPUT and compare; `span` bounds what is reported, not what is rerun.

    `on_progress` is told how far INPUT has been read, and to where. Raises BusError when the
    bus stops giving what it holds.
    """
    incarnation = await bus.incarnation(topology.INPUT)
    outcomes = await _Record.open(bus, topology.OUTCOMES)
    scored = await _Record.open(bus, topology.SCORED)
    inputs = await _Record.open(bus, topology.INPUT)
    verification = Verification(incarnation, span, rerun.vector_names, rerun.streams)
    records = [record for record in (scored, outcomes) if record.stream in rerun.streams]
    taken = 0
    try:
        while batch := await inputs.next_batch():
            for message in batch:
                verification.note(topology.INPUT, message)
                for said in await rerun.take(message):
                    verification.expect(said)
            taken += len(batch)
            for record in records:
                await _catch_up(record, verification)
            on_progress(inputs.position, inputs.last_seq)
        for record in records:
            await _catch_up(record, verification, to_the_end=True)
    finally:
        for record in (outcomes, scored, inputs):
            await record.close()
    missing = inputs.last_seq - taken
    return Verified(verification.verdict(), taken, missing, rerun.refused_models)


async def _catch_up(
    record: "_Record", verification: Verification, *, to_the_end: bool = False
) -> None:
    while to_the_end or verification.waiting(record.stream) > READ_AHEAD:
        batch = await record.next_batch()
        if not batch:
            return
        for message in batch:
            verification.note(record.stream, message)


class _Record:
    """One stream, from its first message to the last that it held when it was opened."""

    def __init__(self, stream: str, subscription: Subscription, last_seq: int) -> None:
        self.stream = stream
        self.last_seq = last_seq
        self.position = 0
        self._subscription = subscription

    @classmethod
    async def open(cls, bus: Bus, stream: str) -> "_Record":
        """Note where a stream ends now, and begin to read it."""
        last_seq = await bus.last_seq(stream)
        return cls(stream, await bus.read(stream), last_seq)

    async def next_batch(self) -> list[Message]:
        """Return the next messages, [] at the end."""
        if self.position >= self.last_seq:
            return []
        batch = await self._subscription.next_batch(READ_TIMEOUT_S)
        if not batch:
            raise BusError(
                f"{self.stream} stopped at {self.position} of {self.last_seq} while it was read"
            )
        self.position = batch[-1].seq
        return [message for message in batch if message.seq <= self.last_seq]

    async def close(self) -> None:
        """Stop reading."""
        await self._subscription.close()
