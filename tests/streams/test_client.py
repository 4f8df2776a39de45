"""The client of a trading engine: every answer once, in order, whatever is repeated or crashes."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from streams import inbox, subjects, topology
from streams.bus import Bus
from streams.client import Client
from streams.errors import BusError, MarkError
from streams.mark_file import FileMarks
from streams.marks import Mark, MarkStore, MemoryMarks
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision, remove_all
from streams.reply import Reply
from tests.streams.engine import (
    PLENTY_S,
    SOON_S,
    STRATEGY,
    SYMBOL,
    Said,
    nothing_comes,
    numbers,
    say,
    say_all,
    scored,
    signal,
    take,
)


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def bus(request: pytest.FixtureRequest) -> Bus:
    return request.getfixturevalue(f"{request.param}_bus")


async def test_scored_and_rejected_come_in_one_order_and_repeats_do_not(bus: Bus):
    await say_all(bus, 6)
    for number in (2, 6, 3):
        event = scored(signal(number), accepted=number % 3 != 0)
        await say(bus, Said(number, 0, event), is_repeat=True)
    await say_all(bus, 1, first=7)
    async with await Client.open(bus) as client:
        replies = await take(client, 7)
        assert numbers(replies) == [1, 2, 3, 4, 5, 6, 7]
        assert [reply.scored.accepted for reply in replies[:3]] == [True, True, False]
        assert (await client.lag()).repeats == 3


async def test_ids_are_compared_as_numbers(bus: Bus):
    for seq, index in ((9, 0), (10, 2), (10, 10), (100, 1_000_000)):
        await say(bus, Said(seq, index, scored(signal(seq + index))))
    async with await Client.open(bus) as client:
        assert numbers(await take(client, 4)) == [9, 10, 10, 100]


async def test_a_client_opened_anew_goes_on_behind_its_marks(bus: Bus, tmp_path: Path):
    await say_all(bus, 5)
    async with await Client.open(bus, marks=FileMarks(tmp_path / "marks")) as client:
        assert numbers(await take(client, 3)) == [1, 2, 3]
    async with await Client.open(bus, marks=FileMarks(tmp_path / "marks")) as client:
        assert numbers(await take(client, 2)) == [4, 5]
        assert (await client.lag()).repeats == 0


async def test_an_answer_that_is_not_done_comes_again_first(bus: Bus):
    await say_all(bus, 3)
    marks = MemoryMarks()
    client = await Client.open(bus, marks=marks)
    async for reply in client.answers():
        assert numbers([reply]) == [1]
        break
    assert numbers(await take(client, 2)) == [1, 2]
    assert numbers([reply async for reply in only(client, 1)]) == [3]
    await client.close()
    async with await Client.open(bus, marks=marks) as client:
        assert numbers(await take(client, 1)) == [3]


async def only(client: Client, count: int):
    """`count` answers that are left undone."""
    answers = client.answers()
    for _ in range(count):
        yield await anext(answers)


async def test_a_client_takes_the_strategies_and_symbols_it_was_opened_for(bus: Bus):
    await say(bus, Said(1, 0, scored(signal(1, "AAPL"))))
    await say(bus, Said(2, 0, scored(signal(2, strategy="rsi2"))))
    await say(bus, Said(3, 0, scored(signal(3))))
    async with await Client.open(bus, strategies=STRATEGY, symbols=[SYMBOL]) as client:
        assert numbers(await take(client, 1)) == [3]
        with pytest.raises(ValueError, match="takes no answers to 'breakout' on 'AAPL'"):
            await client.score(signal(4, "AAPL"), 1.0)
    many = [f"S{number}" for number in range(100)]
    async with await Client.open(bus, symbols=["AAPL", *many]) as client:
        assert numbers(await take(client, 1)) == [1]
        assert await nothing_comes(client)


async def test_a_wider_selection_takes_what_the_narrow_one_left(bus: Bus):
    marks = MemoryMarks()
    await say_all(bus, 2)
    await say_all(bus, 2, first=3, symbol="AAPL")
    await say_all(bus, 1, first=5)
    async with await Client.open(bus, marks=marks, symbols=SYMBOL) as client:
        assert numbers(await take(client, 3)) == [1, 2, 5]
    async with await Client.open(bus, marks=marks) as client:
        assert numbers(await take(client, 2)) == [3, 4]
        assert await nothing_comes(client)


async def test_a_client_that_starts_now_leaves_the_past_also_after_a_restart(bus: Bus):
    await say_all(bus, 3)
    marks = MemoryMarks()
    async with await Client.open(bus, marks=marks, start="now") as client:
        assert await nothing_comes(client)
    await say_all(bus, 1, first=4)
    async with await Client.open(bus, marks=marks, start="now") as client:
        assert numbers(await take(client, 1)) == [4]


async def test_a_broker_that_lost_its_newest_messages_is_read_again(bus: Bus):
    """Power loss: SCORED counts on from an older sequence, its incarnation the same."""
    marks = MemoryMarks()
    await say_all(bus, 3)
    async with await Client.open(bus, marks=marks) as client:
        assert numbers(await take(client, 3)) == [1, 2, 3]
    kept = marks.marks[STRATEGY, SYMBOL]
    await marks.save(msgspec.structs.replace(kept, position=9))
    async with await Client.open(bus, marks=marks) as client:
        await say_all(bus, 1, first=4)
        assert numbers(await take(client, 1)) == [4]


async def test_the_callback_form_marks_what_it_returned_from(bus: Bus):
    await say_all(bus, 4)
    seen: list[int] = []
    stop = asyncio.Event()

    async def handler(reply: Reply) -> None:
        if len(seen) == 2 and not stop.is_set():
            stop.set()
            raise RuntimeError("no money")
        seen.extend(numbers([reply]))
        if len(seen) == 4:
            stop.set()

    marks = MemoryMarks()
    async with await Client.open(bus, marks=marks) as client:
        with pytest.raises(RuntimeError, match="no money"):
            await client.run(handler, stop)
    assert marks.marks[STRATEGY, SYMBOL].answer_id.endswith(":2:0")
    stop.clear()
    async with await Client.open(bus, marks=marks) as client:
        seen.append(0)
        await asyncio.wait_for(client.run(handler, stop), PLENTY_S)
    assert seen == [1, 2, 0, 3]


async def test_what_is_no_answer_is_counted_and_stops_nothing(bus: Bus):
    good = subjects.scored(STRATEGY, SYMBOL)
    await bus.publish(good, b"{", headers={"Assay-Id": "a:1:0"})
    await bus.publish(good, b"{}", headers={"Assay-Id": "yesterday"})
    await say(bus, Said(2, 0, scored(signal(2))))
    async with await Client.open(bus) as client:
        assert numbers(await take(client, 1)) == [2]
        lag = await client.lag()
        assert (lag.refused, lag.unread, lag.waiting, lag.unmarked) == (2, 0, 0, 0)


async def test_a_slow_engine_is_waited_for_and_its_lag_is_seen(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inbox, "OPEN_ANSWERS_MAX", 4)
    await say_all(bus, 10)
    async with await Client.open(bus) as client:
        await asyncio.sleep(SOON_S)
        lag = await client.lag()
        assert (lag.waiting, lag.unread) == (4, 6)
        own = await client.score(signal(11), SOON_S)
        assert own.scored.reasons == ("timeout", "behind")
        assert numbers(await take(client, 10)) == list(range(1, 11))
        assert (await client.lag()).unread == 0


async def test_an_input_made_anew_begins_the_count_anew(bus: Bus):
    marks = MemoryMarks()
    await say_all(bus, 3)
    old = await bus.incarnation(topology.INPUT)
    client = await Client.open(bus, marks=marks)
    assert numbers(await take(client, 2)) == [1, 2]
    await make_input_anew(bus)
    await say(bus, Said(1, 0, scored(signal(11))))
    assert numbers(await take(client, 2)) == [3, 1]
    # A scorer of before that wakes up can say nothing new.
    await say(bus, Said(9, 0, scored(signal(9))), old)
    assert await nothing_comes(client)
    await client.close()
    async with await Client.open(bus, marks=marks) as client:
        await say(bus, Said(2, 0, scored(signal(12))))
        assert numbers(await take(client, 1)) == [2]


async def make_input_anew(bus: Bus) -> None:
    if isinstance(bus, MemoryBus):
        bus._store.streams[topology.INPUT].incarnation = "later-INPUT"
        return
    assert isinstance(bus, NatsBus)
    await bus.jetstream.call(f"STREAM.DELETE.{topology.INPUT}")
    await provision(bus.jetstream)


@pytest.mark.broker
async def test_a_scored_stream_made_anew_is_read_from_its_beginning(nats_bus: NatsBus):
    await say_all(nats_bus, 3)
    incarnation = await nats_bus.incarnation(topology.INPUT)
    async with await Client.open(nats_bus) as client:
        assert numbers(await take(client, 3)) == [1, 2, 3]
        await nats_bus.jetstream.call(f"STREAM.DELETE.{topology.SCORED}")
        await provision(nats_bus.jetstream)
        for number in (2, 3, 4):
            await say(nats_bus, Said(number, 0, scored(signal(number))), incarnation)
        assert numbers(await take(client, 1)) == [4]


@pytest.mark.broker
async def test_a_client_with_a_connection_of_its_own(broker, nats_bus: NatsBus):
    await say_all(nats_bus, 1)
    async with await Client.connect(broker.url, name="desk") as client:
        assert numbers(await take(client, 1)) == [1]
    await remove_all(nats_bus.jetstream)
    with pytest.raises(BusError):
        await Client.connect(broker.url)


async def test_a_closed_client_says_so(memory_bus: MemoryBus):
    client = await Client.open(memory_bus)
    scoring = asyncio.create_task(client.score(signal(1), PLENTY_S))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(BusError, match="the client is closed"):
        await scoring
    assert [reply async for reply in client.answers()] == []
    with pytest.raises(BusError, match="the client is closed"):
        await client.score(signal(2), 1.0)
    with pytest.raises(MarkError, match="the client is closed"):
        await client.done(Reply(scored(signal(1))))


class BrokenMarks(MemoryMarks):
    async def save(self, mark: Mark) -> None:
        raise MarkError("the disk is full")


@pytest.mark.parametrize(
    ("store", "text"),
    [
        (BrokenMarks(), "the disk is full"),
        (MemoryMarks(), "the marks cannot be used: answer_id: .* was 'nonsense'"),
    ],
)
async def test_marks_that_cannot_be_kept_or_used_are_told(
    memory_bus: MemoryBus, store: MarkStore, text: str
):
    await say_all(memory_bus, 1)
    if not isinstance(store, BrokenMarks):
        await store.save(Mark(STRATEGY, SYMBOL, "nonsense"))
    with pytest.raises(MarkError, match=text):
        async with await Client.open(memory_bus, marks=store) as client:
            await take(client, 1)


def test_an_engine_loads_neither_numpy_nor_what_needs_it():
    program = "import sys, streams.client, streams.mark_file; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
