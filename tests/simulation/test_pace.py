"""However slowly each role goes, a replay in blocks lets every signal find its bar."""

import asyncio
import random

import msgspec
import polars as pl
import pytest

from engine.replays import replay_pace
from engine.replays.replay import ReplayDriver
from engine.roles.strategies import StrategiesRole
from engine.settings import StrategySettings
from engine.shells import shell
from engine.strategist import Strategist
from streams import codec, subjects, topology
from streams.block import RUN_BARS_MAX, Block
from streams.bus import Message
from streams.columns import columns_of, pack_bars
from streams.events import Progress, Scored
from streams.memory_bus import MemoryBus
from streams.sources import blocks as table_blocks
from tests.engine.market import random_bars
from tests.simulation.stage import ROLES, everything_said, playing, record, replay, roles_over

PAUSE_S = 0.02
STRATEGIES = (
    StrategySettings(
        name="rsi2_mean_reversion",
        params={"entry": 40.0, "trend_ma": 0, "max_hold_bars": 1},
    ),
)


class SlowBus:
    """A bus whose reads take their time: `slowness` is how often one looks in vain."""

    def __init__(self, bus: MemoryBus, rng: random.Random, slowness: float) -> None:
        self._bus = bus
        self._rng = rng
        self._slowness = slowness

    def __getattr__(self, name: str):
        return getattr(self._bus, name)

    async def read(self, *arguments):
        return SlowReading(await self._bus.read(*arguments), self._rng, self._slowness)


class SlowReading:
    """Holds what has come for a moment, and gives it out in pieces."""

    def __init__(self, reading, rng: random.Random, slowness: float) -> None:
        self._reading = reading
        self._rng = rng
        self._slowness = slowness
        self._kept: list[Message] = []

    def __getattr__(self, name: str):
        return getattr(self._reading, name)

    async def next_batch(self, timeout_s: float) -> list[Message]:
        if not self._kept:
            self._kept = await self._reading.next_batch(timeout_s)

        await asyncio.sleep(self._rng.random() * PAUSE_S)
        return self._piece()

    def take(self) -> list[Message]:
        self._kept = self._kept or self._reading.take()
        return [] if self._rng.random() < self._slowness else self._piece()

    def _piece(self) -> list[Message]:
        count = self._rng.randint(1, max(1, len(self._kept)))
        piece, self._kept = self._kept[:count], self._kept[count:]
        return piece


def market(symbols: int, bars: int) -> list:
    rows = [
        (bar.symbol, bar.interval, bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for number in range(symbols)
        # Every symbol but the first has gaps, and begins later.
        for bar in random_bars(f"S{number}", bars, seed=number)[number * 40 :: number + 1]
    ]
    names = ("symbol", "interval", "ts", "open", "high", "low", "close", "volume")
    return pl.DataFrame(rows, schema=names, orient="row")


async def said(bus: MemoryBus, history: list, slowness=(0.0, 0.0, 0.0), seed: int = 0):
    """What strategies, scorer and labeller say, each as slow as it is told to be."""
    rng = random.Random(seed)
    buses = [SlowBus(bus.handle(), rng, slow) for slow in slowness]
    async with playing(roles_over(buses, (), STRATEGIES)):
        await replay(bus, history)
    return await everything_said(bus)


async def reasons(bus: MemoryBus) -> set[str]:
    answers = await record(bus, topology.SCORED, ("signals.",))
    events = [codec.decode(payload) for payloads in answers.values() for payload in payloads]
    return {reason for event in events if isinstance(event, Scored) for reason in event.reasons}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(shell, "IDLE_S", PAUSE_S)


@pytest.mark.parametrize("slowness", [(0.9, 0, 0), (0, 0.9, 0), (0, 0, 0.9), (0.5, 0.8, 0.5)])
async def test_no_signal_comes_too_late_at_any_speed_of_the_roles(slowness):
    history = list(table_blocks.blocks(market(3, 8 * RUN_BARS_MAX)))
    bus = MemoryBus()
    slowly = await said(bus, history, slowness)
    assert await reasons(bus) == {"no_model"}
    assert sum(len(p) for s, p in slowly.items() if s.startswith("signals.scored")) > 200
    assert slowly == await said(MemoryBus(), history)


async def test_without_the_pace_signals_of_slow_strategies_would_come_too_late(monkeypatch):
    monkeypatch.setattr(replay_pace, "AS_OF_BARS_MAX", 100 * RUN_BARS_MAX)
    bus = MemoryBus()
    await said(bus, list(table_blocks.blocks(market(1, 8 * RUN_BARS_MAX))), (0.9, 0, 0))
    assert "too_late" in await reasons(bus)


async def test_a_few_bars_of_many_symbols_then_many_bars_of_one_go_through():
    bars = [bar for name in ("FEW", "ALSO") for bar in random_bars(name, 2)]
    alone = random_bars("FEW", 2 + RUN_BARS_MAX)[2:]
    history = [
        Block((columns_of(pack_bars(bars)),), bars[0].ts, bars[1].ts, 2),
        Block((columns_of(pack_bars(alone)),), alone[0].ts, alone[-1].ts, RUN_BARS_MAX),
    ]
    assert await said(MemoryBus(), history)


@pytest.mark.parametrize("pause_s", [0.0, 0.5])
async def test_outcomes_keep_their_order_where_the_strategies_come_last(pause_s):
    [settings] = STRATEGIES
    params = settings.params | {"entry": 45.0, "max_hold_bars": 20}
    several = (msgspec.structs.replace(settings, params=params, overlapping=True),)
    history = [
        list(bars) for bars in zip(*(random_bars(f"S{n}", 60, n) for n in range(3)), strict=True)
    ]
    bus = MemoryBus()
    strategies, *others = roles_over([bus.handle() for _ in range(3)], (), several)
    async with playing(others):
        replaying = asyncio.create_task(replay(bus, history))
        await asyncio.sleep(pause_s)
        async with playing([strategies]):
            await replaying
    outcomes = await record(bus, topology.OUTCOMES, ("outcomes.",))
    assert len(outcomes) == 3
    for payloads in outcomes.values():
        exits = [codec.decode(payload).exit_ts for payload in payloads]
        assert exits == sorted(exits)


@pytest.mark.parametrize("depth", [7, RUN_BARS_MAX])
async def test_a_second_history_of_times_gone_by_loses_no_outcome(depth):
    bars = 10 * RUN_BARS_MAX
    newest = random_bars("ONE", bars + 1, seed=3)[-1]
    first, second = (
        [
            Block((columns_of(pack_bars(part)),), part[0].ts, part[-1].ts, len(part))
            for part in (lane[at : at + depth] for at in range(0, len(lane), depth))
        ]
        for lane in (random_bars(name, bars, seed=3) for name in ("ONE", "TWO"))
    )
    alone, after = MemoryBus(), MemoryBus()
    await said(alone, second)
    slow = [SlowBus(after.handle(), random.Random(1), slowness) for slowness in (0.0, 0.9, 0.0)]
    async with playing(roles_over(slow, (), STRATEGIES)):
        for run_id, history in (("first", [*first, [newest]]), ("second", second)):
            driver = ReplayDriver(after, roles=ROLES, run_id=run_id, stall_s=30.0)
            await driver.drive(history)
    wanted = ("outcomes.rsi2_mean_reversion.TWO",)
    expected = (await record(alone, topology.OUTCOMES, wanted))[wanted[0]]
    found = (await record(after, topology.OUTCOMES, wanted))[wanted[0]]
    assert len(expected) > 50
    assert set(expected) <= set(found)


async def test_strategies_say_their_position_before_anything_else_comes(monkeypatch):
    monkeypatch.setattr(shell, "IDLE_S", 60.0)
    bus = MemoryBus()
    stop = asyncio.Event()
    role = asyncio.create_task(StrategiesRole(bus.handle(), Strategist(STRATEGIES)).run(stop))
    reading = await bus.read(topology.INPUT, 1, ("progress.strategies.>",))
    [message] = await reading.next_batch(10.0)
    assert codec.decode(message.payload) == Progress("strategies", 0, 0, 0)
    bars = random_bars(count=3)
    frames = (bars[:2], bars[:2], bars[2:])
    for frame in frames:
        seq = await bus.publish(subjects.frame("1d"), codec.encode(pack_bars(frame), "msgpack"))
        [message] = await reading.next_batch(10.0)
        assert codec.decode(message.payload).seq == seq
    role.cancel()
    await asyncio.gather(role, return_exceptions=True)
