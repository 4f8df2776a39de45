"""The scorer's process is killed again and again; every signal is answered once with effect."""

import asyncio
import os
import random
import signal

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


@pytest.mark.broker
async def test_kill_9_of_the_scorer_under_load_loses_and_repeats_nothing(tmp_path):
    await scorers_killed(tmp_path, kills_of(3))


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2])
async def test_kill_9_of_the_scorer_again_and_again_loses_and_repeats_nothing(tmp_path, shards):
    await scorers_killed(tmp_path, kills_of(50), shards)


async def scorers_killed(folder, kills: int, shards: int = 1) -> None:
    # A letter that several may send is kept from being there twice by the stream.
    forgetful = (topology.SCORED, topology.DLQ) if shards == 1 else (topology.SCORED,)
    chaos = Chaos(folder, forgetful=forgetful)
    async with chaos.running(blocks=kills * BLOCKS_PER_KILL):
        commands = role_commands(
            ("scorer",), chaos.config, (), chaos.broker.url, chaos.state, shards=shards
        )
        scorers = [
            RoleProcess(name, command, chaos.state.logs / f"{name}.log")
            for name, command in commands.items()
        ]
        for scorer in scorers:
            await started(chaos, scorer)
        for point, stages in kill_plan(chaos.rng, kills):
            await chaos.until(lambda point=point: chaos.watch.answers >= point, f"{point} answers")
            victim = chaos.rng.choice(scorers)
            for stage in stages:
                await killed(chaos, victim)
                await started(chaos, victim, stage)
        await chaos.all_is_answered()
        for scorer in scorers:
            await scorer.stop()
        assert chaos.kills == kills
        await chaos.check(shards=shards)


def kill_plan(rng: random.Random, kills: int) -> list[tuple[int, tuple[str, ...]]]:
    """After how many stored answers a scorer is killed, and how far it comes after each kill.

    One that has not come far when it is killed again has come to the first stages only.
    """
    plan = []
    left = kills
    while left:
        again = min(left - 1, rng.choice((0, 0, 0, 1, 2)))
        plan.append((*rng.choices(STAGES, k=again), "ready"))
        left -= again + 1
    most = kills * BLOCKS_PER_KILL * BLOCK_ANSWERS
    points = sorted(rng.randrange(BLOCK_ANSWERS, most) for _ in plan)
    return list(zip(points, plan, strict=True))


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
