"""All roles up to the labeller, in this process, over any bus."""

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager

from engine.labeller import Labeller
from engine.replays.replay import ReplayDriver
from engine.roles.labeller import LabellerRole
from engine.roles.scorer import ScorerRole
from engine.roles.strategies import StrategiesRole
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.shells.shell import Shell
from engine.simulation import Simulation
from engine.strategist import Strategist
from models.artifact import Artifact
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.registry import Registry
from models.settings import MlSettings
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.bus import Bus, Message
from streams.clock import SystemClock
from streams.columns import expand_signals
from streams.events import Deployment, Signals
from streams.session import session
from streams.source import bar_frames, market_blocks
from streams.source_settings import SourceSettings

ROLES = ("strategies", "scorer", "labeller")
STRATEGIES = (
    StrategySettings(
        name="rsi2_mean_reversion", ml=MlSettings(prediction_mode="filter", fallback="pass_through")
    ),
    StrategySettings(name="breakout", ml=MlSettings(prediction_mode="score_enhancement")),
)
BusFactory = Callable[[], "asyncio.Future[Bus]"]


def sample_settings(start: str, end: str) -> SourceSettings:
    return SourceSettings(
        kind="sample",
        start=datetime.date.fromisoformat(start),
        end=datetime.date.fromisoformat(end),
    )


def sample_instants(start: str, end: str) -> list:
    return list(bar_frames(sample_settings(start, end)))


def sample_blocks(start: str, end: str) -> list:
    return list(market_blocks([sample_settings(start, end)]))


def make_scorer(strategies: tuple[StrategySettings, ...] = STRATEGIES) -> Scorer:
    return Scorer(strategies, load_feature_set(), session("us_equity"))


def roles_over(
    buses: list[Bus], trusted_keys: tuple[str, ...], strategies: tuple[StrategySettings, ...]
) -> list[Shell]:
    return [
        StrategiesRole(buses[0], Strategist(strategies)),
        ScorerRole(
            buses[1],
            make_scorer(strategies),
            registry=Registry(buses[1]),
            trusted_keys=trusted_keys,
            clock=SystemClock(),
        ),
        LabellerRole(buses[2], Labeller(strategies, waits_for_scorer=True)),
    ]


@asynccontextmanager
async def playing(shells: Iterable[Shell]):
    """Run shells as tasks; a shell that dies fails the test."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(shell.run(stop)) for shell in shells]
    try:
        yield tasks
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def deploy(bus: Bus, artifact: Artifact, strategy: str, effective_ts: int) -> Deployment:
    digest = await Registry(bus).put(artifact)
    event = Deployment(strategy, None, artifact.version, digest, effective_ts, None, {})
    await bus.publish(subjects.deployed(strategy), codec.encode(event))
    return event


async def replay(bus: Bus, history: list, **options) -> ReplayDriver:
    driver = ReplayDriver(bus, roles=ROLES, run_id="test", stall_s=30.0, **options)
    await driver.drive(history)
    return driver


async def record(bus: Bus, stream: str, wanted: tuple[str, ...]) -> dict[str, list[bytes]]:
    """What a stream holds, by subject."""
    found: dict[str, list[bytes]] = defaultdict(list)
    last = await bus.last_seq(stream)
    subscription = await bus.read(stream)
    seq = 0
    while seq < last:
        batch = await subscription.next_batch(10)
        assert batch, f"{stream} stopped at {seq} of {last}"
        for message in batch:
            if message.subject.startswith(wanted):
                for subject, payload in rows_of(message):
                    found[subject].append(payload)
        seq = batch[-1].seq
    await subscription.close()
    return dict(found)


def rows_of(message: Message) -> list[tuple[str, bytes]]:
    """A message, or each row of columnar signals as the message it would be by itself."""
    if not message.subject.startswith("signals.raw."):
        return [(message.subject, message.payload)]
    event = codec.decode(message.payload)
    if not isinstance(event, Signals):
        return [(message.subject, message.payload)]
    return [
        (subjects.raw(signal.strategy, signal.symbol), codec.encode(signal))
        for signal in expand_signals(event)
    ]


async def everything_said(bus: Bus) -> dict[str, list[bytes]]:
    """Signals, answers and outcomes, by subject."""
    return (
        await record(bus, topology.INPUT, ("signals.raw.",))
        | await record(bus, topology.SCORED, ("signals.",))
        | await record(bus, topology.OUTCOMES, ("outcomes.",))
    )


def backtest(
    instants: list,
    deployments: list[tuple[Deployment, Artifact]],
    trusted_keys: tuple[str, ...],
    strategies: tuple[StrategySettings, ...] = STRATEGIES,
) -> dict[str, list[bytes]]:
    """The same history through the same cores, without a bus."""
    names = vector_names(load_feature_set().names, ())
    loaded = [
        (event, load_model(artifact, names, trusted_keys=trusted_keys))
        for event, artifact in deployments
    ]
    simulation = Simulation(strategies, load_feature_set(), session("us_equity"), loaded)
    said: dict[str, list[bytes]] = defaultdict(list)
    for instant in instants:
        for event in instant:
            for answer in simulation.step(event):
                said[answer.subject].append(codec.encode(answer.event))
    return dict(said)
