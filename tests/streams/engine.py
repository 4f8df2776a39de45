"""A scorer's answers without a scorer, and an engine that takes them."""

import asyncio
from typing import NamedTuple

import msgspec

from streams import codec, subjects, topology
from streams.bus import Bus
from streams.client import Client
from streams.events import Scored, Signal
from streams.reply import Reply

SOON_S = 0.15
PLENTY_S = 20.0
STRATEGY = "breakout"
SYMBOL = "BRK.B"


def signal(number: int, symbol: str = SYMBOL, strategy: str = STRATEGY, price: float = 10.0):
    return Signal(
        f"{strategy}-{number}", strategy, symbol, "1d", 1_700_000_000_000_000_000, 1, 0.5, price
    )


def scored(of: Signal, *, accepted: bool = True, reasons: tuple[str, ...] = ()) -> Scored:
    return Scored(
        **msgspec.structs.asdict(of),
        probability=0.75,
        final_score=0.75,
        accepted=accepted,
        mode="filter",
        threshold=0.5,
        weight=0.3,
        model="m1",
        reasons=reasons,
        inputs=b"",
        features_digest="",
    )


class Said(NamedTuple):
    """An answer as a scorer says it: to the message `seq` of INPUT, number `index`."""

    seq: int
    index: int
    event: Scored


async def say(bus: Bus, said: Said, incarnation: str = "", *, is_repeat: bool = False) -> None:
    """Publish an answer; a repeat goes past the stream's own window, as it does after days."""
    incarnation = incarnation or await bus.incarnation(topology.INPUT)
    answer_id = f"{incarnation}:{said.seq}:{said.index}"
    event = said.event
    subject_of = subjects.scored if event.accepted else subjects.rejected
    await bus.publish(
        subject_of(event.strategy, event.symbol),
        codec.encode(event),
        msg_id=None if is_repeat else answer_id,
        headers={"Assay-Id": answer_id},
    )


async def say_all(bus: Bus, count: int, first: int = 1, symbol: str = SYMBOL) -> None:
    """Publish the answers to messages `first` and on, every third a rejection."""
    for number in range(first, first + count):
        event = scored(signal(number, symbol), accepted=number % 3 != 0)
        await say(bus, Said(number, 0, event))


async def take(client: Client, count: int) -> list[Reply]:
    """The next `count` answers, each done."""
    replies: list[Reply] = []
    async with asyncio.timeout(PLENTY_S):
        async for reply in client.answers():
            replies.append(reply)
            if len(replies) == count:
                await client.done(reply)
                break
    return replies


def numbers(replies: list[Reply]) -> list[int]:
    return [reply.answer_id.sequence for reply in replies if reply.answer_id is not None]


async def nothing_comes(client: Client) -> bool:
    return await client.answers().next(SOON_S) is None


async def answer_raw(bus: Bus, *, wait_for: int = 1) -> None:
    """Answer the raw signals of INPUT as they come, `wait_for` of them."""
    incarnation = await bus.incarnation(topology.INPUT)
    reading = await bus.read(topology.INPUT, 1, (subjects.RAW,))
    answered = 0
    while answered < wait_for:
        for message in await reading.next_batch(timeout_s=1.0):
            event = scored(codec.decode(message.payload))
            await say(bus, Said(message.seq, 0, event), incarnation)
            answered += 1
    await reading.close()
