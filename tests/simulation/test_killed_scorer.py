"""The scorer's process is killed again and again; every signal is answered once with effect."""

import asyncio
import contextlib
import os
import random
import signal
from typing import NamedTuple

import pytest

from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from streams import topology
from streams.waiting import end_tasks
from tests.simulation.chaos import POLL_S, Chaos, kills_of
from tests.simulation.chaos_load import BLOCK_ANSWERS

BLOCKS_PER_KILL = 2
# How far a scorer comes that is killed again at once.
STAGES = ("reading SCORED", "reading INPUT", "ready")


# Saves what it knows as often as it can.
SAVING = """
import sys
from engine.shells import snapshot_keeper
snapshot_keeper.SNAPSHOT_EVERY_S = 0.05
snapshot_keeper.SNAPSHOT_SHARE_MAX = 1.0
from deploy.role_main import main
sys.exit(main(sys.argv[1:]))
"""
SAVES_WITHIN_S = 0.5
GOES_ON = "going on from the snapshot"


@pytest.mark.broker
async def test_kill_9_of_the_scorer_under_load_loses_and_repeats_nothing(tmp_path):
    await scorers_killed(tmp_path, kills_of(3), saves=True)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize(
    ("shards", "saves"),
    [(1, True), (1, False), (2, True)],
    ids=["one that saves", "one that replays", "two that save"],
)
async def test_kill_9_of_the_scorer_again_and_again_loses_and_repeats_nothing(
    tmp_path, shards, saves
):
    resumed = await scorers_killed(tmp_path, kills_of(50), shards, saves=saves)
    assert (resumed > 0) == saves


async def scorers_killed(folder, kills: int, shards: int = 1, *, saves: bool) -> int:
    """Return how often a scorer went on from a snapshot."""
    # A letter that several may send is kept from being there twice by the stream.
    forgetful = (topology.SCORED, topology.DLQ) if shards == 1 else (topology.SCORED,)
    chaos = Chaos(folder, forgetful=forgetful)
    async with chaos.running(blocks=kills * BLOCKS_PER_KILL):
        scorers = processes(chaos, shards, saves=saves)
        for scorer in scorers:
            await started(chaos, scorer)
        for kill in kill_plan(chaos.rng, kills):
            await chaos.answered(kill.answers)
            victim = chaos.rng.choice(scorers)
            if saves and kill.is_saving:
                await begins_to_save(chaos)
            for stage in kill.stages:
                await killed(chaos, victim)
                if kill.forgets:
                    forget_snapshots(chaos)
                await started(chaos, victim, stage)
        await chaos.all_is_answered()
        for scorer in scorers:
            await scorer.stop()
        assert chaos.kills == kills
        await chaos.check(shards=shards)
    resumed = sum(scorer.log_file.read_text().count(GOES_ON) for scorer in scorers)
    print(f"gone on from a snapshot: {resumed} times")
    return resumed


def processes(chaos: Chaos, shards: int, *, saves: bool) -> list[RoleProcess]:
    commands = role_commands(
        ("scorer",), chaos.config, (), chaos.broker.url, chaos.state, shards=shards
    )
    return [
        RoleProcess(
            name,
            # The interpreter, -m, the program: behind them its arguments.
            (command[0], "-c", SAVING, *command[3:]) if saves else command,
            chaos.state.logs / f"{name}.log",
        )
        for name, command in commands.items()
    ]


class Kill(NamedTuple):
    """After how many stored answers a scorer is killed, and how far it comes after each kill.

    The last time it comes to work again. `is_saving`: not before a snapshot is begun.
    `forgets`: no snapshot is left to go on from.
    """

    answers: int
    stages: tuple[str, ...]
    is_saving: bool
    forgets: bool


def kill_plan(rng: random.Random, kills: int) -> list[Kill]:
    plan = []
    left = kills
    most = kills * BLOCKS_PER_KILL * BLOCK_ANSWERS
    while left:
        again = min(left - 1, rng.choice((0, 0, 0, 1, 2)))
        stages = (*rng.choices(STAGES, k=again), "ready")
        point = rng.randrange(BLOCK_ANSWERS, most)
        plan.append(Kill(point, stages, rng.random() < 0.4, rng.random() < 0.2))
        left -= again + 1
    return sorted(plan)


async def begins_to_save(chaos: Chaos) -> None:
    """Wait until a snapshot is being written; not for ever: there may be nothing new to save."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SAVES_WITHIN_S):
            while not any(chaos.state.snapshots.glob("*.partial")):
                await asyncio.sleep(0)


def forget_snapshots(chaos: Chaos) -> None:
    for file in chaos.state.snapshots.glob("*.snapshot"):
        file.unlink()


async def killed(chaos: Chaos, scorer: RoleProcess) -> None:
    chaos.kills += 1
    assert scorer.pid is not None
    os.kill(scorer.pid, signal.SIGKILL)
    assert await scorer.wait() == -signal.SIGKILL, scorer.last_words()
    await scorer.stop()


async def started(chaos: Chaos, scorer: RoleProcess, stage: str = "ready") -> None:
    """Start a scorer and return when it has come so far, or is ready."""
    stream = stage.removeprefix("reading ")
    before = set() if stage == "ready" else await consumers(chaos, stream)
    await scorer.start()
    is_ready = asyncio.create_task(scorer.wait_ready())
    while not is_ready.done():
        if stage != "ready" and await consumers(chaos, stream) - before:
            break
        await asyncio.sleep(POLL_S)
    if not is_ready.done():
        await end_tasks([is_ready])
    else:
        assert is_ready.result(), scorer.last_words()


async def consumers(chaos: Chaos, stream: str) -> set[str]:
    """Who of the scorers reads a stream."""
    listed = await chaos.bus.jetstream.call(f"CONSUMER.NAMES.{stream}")
    return {name for name in listed["consumers"] or () if name.startswith("assay-scorer-")}
