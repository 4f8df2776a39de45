"""Two scorers share the symbols of one stream and say what one would say."""

import asyncio

from engine.roles.scorer import ScorerRole
from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.registry import Registry
from streams import codec, subjects, topology
from streams.clock import SystemClock
from streams.columns import pack_bars, pack_signals
from streams.memory_bus import MemoryBus
from streams.session import session
from tests.engine.market import random_bars, signal_on
from tests.simulation.stage import playing, record

ALPHA = StrategySettings(name="alpha", kind="external")
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


def scorers(bus: MemoryBus, shards: int) -> list[ScorerRole]:
    def owner(shard: int):
        return lambda symbol: subjects.shard_of(symbol) * shards // subjects.SHARDS == shard

    handles = [bus.handle() for _ in range(shards)]
    return [
        ScorerRole(
            handle,
            Scorer((ALPHA,), load_feature_set(), session("us_equity"), owner(shard)),
            registry=Registry(handle),
            trusted_keys=(),
            clock=SystemClock(),
            shard=shard,
            shards=shards,
        )
        for shard, handle in enumerate(handles)
    ]


async def said_by(shards: int) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
    bus = MemoryBus()
    days = list(zip(*(random_bars(symbol, 3, seed=5) for symbol in SYMBOLS), strict=True))
    for number, instant in enumerate(days):
        # In columns, and for the next instant: the next frame of bars lets all of them go.
        ahead = days[min(number + 1, 2)]
        signals = [signal_on(bar, f"{number}-{bar.symbol}") for bar in ahead]
        frame, columns = pack_bars(instant), pack_signals(signals)
        await bus.publish(subjects.raw_frame("alpha"), codec.encode(columns, "msgpack"))
        await bus.publish(subjects.frame("1d"), codec.encode(frame, "msgpack"))
    await bus.publish("bars.1d.AAA", b"no bar")
    roles = scorers(bus, shards)
    last = await bus.last_seq(topology.INPUT)
    async with playing(roles), asyncio.timeout(20):
        while min(role.seq for role in roles) < last:
            await asyncio.sleep(0.01)
    said = await record(bus, topology.SCORED, ("signals.",))
    return said, await record(bus, topology.DLQ, ("dlq.",))


async def test_answers_to_one_frame_by_several_scorers_are_all_stored():
    alone, letters = await said_by(1)
    shared, shared_letters = await said_by(2)
    assert sum(map(len, alone.values())) == 3 * len(SYMBOLS)
    assert {subjects.shard_of(s) * 2 // subjects.SHARDS for s in SYMBOLS} == {0, 1}
    assert shared == alone
    assert shared_letters == letters == {"dlq.bars.1d.AAA": [b"no bar"]}
