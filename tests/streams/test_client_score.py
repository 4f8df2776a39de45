"""`score`: a signal's answer, or the engine's own decision; and never an effect twice."""

import asyncio

import pytest

from streams import topology
from streams.bus import Bus
from streams.client import Client
from streams.errors import WireError
from streams.marks import Mark, MemoryMarks
from streams.memory_bus import MemoryBus
from tests.streams.engine import (
    PLENTY_S,
    SOON_S,
    STRATEGY,
    SYMBOL,
    Said,
    answer_raw,
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


async def test_a_signal_is_scored(bus: Bus):
    answering = asyncio.create_task(answer_raw(bus, wait_for=2))
    async with await Client.open(bus) as client:
        for number in (1, 2):
            reply = await client.score(signal(number), PLENTY_S)
            assert (reply.scored.signal_id, reply.scored.probability) == (
                f"breakout-{number}",
                0.75,
            )
            assert (reply.is_fallback, reply.late) == (False, False)
            await client.done(reply)
        await answering
        assert await nothing_comes(client)
        with pytest.raises(ValueError, match=r"'breakout-1' was answered as .*:1:0: it has effect"):
            await client.score(signal(1), 1.0)
        assert (await client.lag()).unmarked == 0


@pytest.mark.parametrize("fallback", ["pass_through", "block"])
async def test_on_timeout_the_engine_decides_and_the_late_answer_comes_once(bus: Bus, fallback):
    marks = MemoryMarks()
    client = await Client.open(bus, marks=marks)
    own = await client.score(signal(1), SOON_S, fallback=fallback)
    assert (own.is_fallback, own.scored.mode, own.scored.reasons) == (True, fallback, ("timeout",))
    assert (own.scored.accepted, own.scored.final_score) == (fallback == "pass_through", 0.5)
    assert own.scored.probability is None
    await client.done(own)
    assert (await client.lag()).late == 1
    await client.close()

    # Also after a crash of the engine the answer is known as late.
    await answer_raw(bus)
    await say(bus, Said(1, 0, scored(signal(1))), is_repeat=True)
    async with await Client.open(bus, marks=marks) as client:
        with pytest.raises(ValueError, match="decided without its answer"):
            await client.score(signal(1), 1.0)
        [late] = await take(client, 1)
        assert late.late
        assert late.scored.signal_id == own.scored.signal_id
        assert await nothing_comes(client)
        assert (await client.lag()).late == 0


async def test_a_signal_scored_again_after_a_crash_gets_its_first_answer(bus: Bus):
    marks = MemoryMarks()
    async with await Client.open(bus, marks=marks) as client:
        await client.publish(signal(1))
    await answer_raw(bus)
    async with await Client.open(bus, marks=marks) as client:
        reply = await client.score(signal(1), PLENTY_S)
        assert (reply.is_fallback, reply.scored.probability) == (False, 0.75)
        assert await bus.last_seq(topology.INPUT) == 1


async def test_another_signal_under_the_same_id_is_no_answer(bus: Bus):
    await say(bus, Said(1, 0, scored(signal(1, price=10.0))))
    async with await Client.open(bus) as client:
        reply = await client.score(signal(1, price=11.0), PLENTY_S)
        assert reply.scored.reasons == ("signal_id_conflict",)
        assert numbers(await take(client, 1)) == [1]


async def test_two_signals_of_one_id_both_reach_the_scorer(bus: Bus):
    async with await Client.open(bus) as client:
        assert [await client.publish(signal(1, price=p)) for p in (10.0, 10.0, 11.0)] == [1, 1, 2]


async def test_a_cancelled_score_leaves_its_answer_to_the_loop(bus: Bus):
    async with await Client.open(bus) as client:
        scoring = asyncio.create_task(client.score(signal(1), PLENTY_S))
        await asyncio.sleep(SOON_S)
        with pytest.raises(ValueError, match="'breakout-1' is being scored already"):
            await client.score(signal(1), 1.0)
        scoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scoring
        await answer_raw(bus)
        assert [reply.late for reply in await take(client, 1)] == [False]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout_s": 0.0}, "timeout_s must be finite and > 0 seconds, was 0.0"),
        ({"timeout_s": 1.0, "fallback": "guess"}, "one of pass_through, block, was 'guess'"),
    ],
)
async def test_what_score_is_told_is_checked(memory_bus: MemoryBus, options, text: str):
    async with await Client.open(memory_bus) as client:
        with pytest.raises(ValueError, match=text):
            await client.score(signal(1), **options)
        with pytest.raises(WireError, match=r"length <= 256 - at `\$\.symbol`"):
            await client.score(signal(1, symbol="x" * 300), 1.0)
    with pytest.raises(ValueError, match="start must be 'beginning' or 'now', was 'later'"):
        await Client.open(memory_bus, start="later")  # type: ignore[arg-type]


async def test_a_done_answer_never_comes_again_though_an_earlier_one_waits(bus: Bus):
    marks = MemoryMarks()
    await say_all(bus, 2)
    for number in (1, 2):
        await bus.publish(f"bars.1d.S{number}", b"")
    answering = asyncio.create_task(answer_raw(bus))
    async with await Client.open(bus, marks=marks) as client:
        await client.done(await client.score(signal(3), PLENTY_S))
    await answering
    kept = marks.marks[STRATEGY, SYMBOL]
    assert (kept.answer_id, len(kept.ahead), kept.position) == ("", 1, 0)
    async with await Client.open(bus, marks=marks) as client:
        assert numbers(await take(client, 2)) == [1, 2]
        assert await nothing_comes(client)
    assert marks.marks[STRATEGY, SYMBOL] == Mark(
        STRATEGY,
        SYMBOL,
        f"{await bus.incarnation(topology.INPUT)}:3:0",
        position=3,
        stream=await bus.incarnation(topology.SCORED),
    )
