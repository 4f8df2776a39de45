"""A scorer that computes something else than the bars say is told of on the bus."""

import asyncio

from engine.labeller import Labeller
from engine.roles.labeller import LabellerRole
from engine.roles.scorer import ScorerRole
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.skew_audit import auditing
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
SYMBOLS = ("AAA", "BBB")


async def skew_told(scorers_session: str) -> list:
    """What is said on DRIFT where bars are audited by the hours of New York."""
    bus = MemoryBus()
    for symbol in SYMBOLS:
        bars = random_bars(symbol, 40, seed=3)
        await bus.publish(subjects.bar("1d", symbol), codec.encode(pack_bars(bars), "msgpack"))
        signals = [signal_on(bar, f"{symbol}-{n}") for n, bar in enumerate(bars)]
        await bus.publish(
            subjects.raw_frame("alpha"), codec.encode(pack_signals(signals), "msgpack")
        )
    handles = [bus.handle(), bus.handle()]
    scorer = ScorerRole(
        handles[0],
        Scorer((ALPHA,), load_feature_set(), session(scorers_session)),
        registry=Registry(handles[0]),
        trusted_keys=(),
        clock=SystemClock(),
    )
    audit = auditing((ALPHA,), load_feature_set(), session("us_equity"))
    core = Labeller((ALPHA,), waits_for_scorer=True, audit=audit)
    labeller = LabellerRole(handles[1], core)
    async with playing([scorer, labeller]), asyncio.timeout(20):
        for role, stream in ((scorer, topology.INPUT), (labeller, topology.SCORED)):
            while role.seq < await bus.last_seq(stream):
                await asyncio.sleep(0.01)
    told = await record(bus, topology.DRIFT, ("drift.",))
    return [codec.decode(payload) for payloads in told.values() for payload in payloads]


async def test_a_scorer_with_another_sessions_hours_is_told_of_once_a_symbol():
    told = await skew_told("crypto")
    assert sorted((e.symbol, e.channel, e.level) for e in told) == [
        (symbol, "skew", "detected") for symbol in SYMBOLS
    ]
    assert all("was served as" in event.detail for event in told)


async def test_a_scorer_that_computes_the_same_is_not_told_of():
    assert await skew_told("us_equity") == []
