"""Latency while the models of 50 strategies fail at once and everybody asks for new ones.

    python -m tests.benchmarks.bench_storm [--json FILE] [--quick]

One scorer and one trainer, which starts a niced job for every model. Under the storm, between the
rounds in which the trainer works, there are some in which it is held, so that what else disturbs
the machine disturbs both; quiet rounds before and behind it are told beside them.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deploy.role_process import RoleProcess
from models.feature_set import load_feature_set
from streams import layer_a, subjects, topology
from streams.events import Retrain
from streams.topology import QUEUED_PER_STRATEGY_MAX
from streams.waiting import end_tasks
from tests.benchmarks.command import parser_of, quick, run_command
from tests.benchmarks.stage import (
    BARS,
    OURS_SUBJECTS,
    ClientProcess,
    Stage,
    caught_up,
    model,
    percentiles,
    publish_history,
    ratios,
    staged,
    started,
)
from tests.simulation.storm import (
    ask,
    burst,
    check_answers,
    drifted,
    prefill,
    put_in_force,
    shuffled,
)
from trainers.retraining.ledger import Ledger

STRATEGIES, QUICK_STRATEGIES = 50, 4
REPEATS = 20
SAMPLES = 800
PER_S = 200
ROUND_S, QUICK_ROUND_S = 4, 2
ROUNDS, QUICK_ROUNDS = 8, 2
HELD_EVERY = 3
WARM_UP = 1_000
POLL_S = 0.25
PATIENCE_S = 3_000.0
TARGET_P99 = 1.5
SEED = 7


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    count = QUICK_STRATEGIES if arguments.quick else STRATEGIES
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    signals = PER_S * (QUICK_ROUND_S if arguments.quick else ROUND_S)
    names = tuple(f"storm{number:02d}" for number in range(count))
    config = config_of(names)
    async with staged() as stage:
        bursts = await furnish(stage, names)
        requests = shuffled(bursts, SEED)
        trainer = stage.role("trainer", config)
        async with started(stage.role("scorer", config), trainer):
            await caught_up(stage.bus)
            async with ClientProcess(stage.url) as client:
                load = Load(client, names, signals)
                await load.play(WARM_UP)
                before = [await load.play() for _ in range(rounds)]
                async with watched(stage) as queue:
                    storm = await stormed(stage, load, trainer, requests)
                after = [await load.play() for _ in range(rounds)]
        decisions = await Ledger(stage.bus).decisions()
    check_answers(requests, decisions)
    assert queue["longest_of_a_strategy"] <= QUEUED_PER_STRATEGY_MAX
    at_work, held_back, quiet = map(percentiles, (storm.storm, storm.held, before + after))
    return {
        "signals_per_s": PER_S,
        "strategies": count,
        "requests": len(requests),
        "retrained": sum(not decision.is_refusal for decision in decisions),
        "answers": dict(Counter(decision.reason for decision in decisions)),
        **queue,
        "all_answered_s": round(storm.took_s, 1),
        "storm_rounds": len(storm.storm),
        "storm": at_work,
        "trainer_held": held_back,
        "before": percentiles(before),
        "after": percentiles(after),
        "ratio": ratios(at_work, held_back),
        "ratio_to_before_and_after": ratios(at_work, quiet),
        "target_p99": TARGET_P99,
    }


class Load:
    """Signals spread over the strategies, `signals` of them in a round."""

    def __init__(self, client: ClientProcess, names: tuple[str, ...], signals: int) -> None:
        self._client = client
        self._names = names
        self._signals = signals

    async def play(self, signals: int = 0) -> np.ndarray:
        """Play a round, or so many signals; return the latencies in microseconds."""
        count = signals or self._signals
        return await self._client.play(OURS_SUBJECTS, PER_S, count, strategies=self._names)


@dataclass(slots=True)
class Storm:
    """What was measured while requests were worked on; `took_s` without the rounds held."""

    storm: list[np.ndarray] = field(default_factory=list)
    held: list[np.ndarray] = field(default_factory=list)
    took_s: float = 0.0


async def stormed(
    stage: Stage, load: Load, trainer: RoleProcess, requests: Sequence[Retrain]
) -> Storm:
    """Ask all at once, and measure until all is answered, with the trainer at work and held."""
    found = Storm()
    asking = asyncio.create_task(ask(stage.bus, requests))
    async with asyncio.timeout(PATIENCE_S):
        while True:
            began = time.perf_counter()
            latency = await load.play()
            found.took_s += time.perf_counter() - began
            if asking.done() and not await waiting(stage):
                break
            # A round at whose end nothing was left to do was not all storm.
            found.storm.append(latency)
            if len(found.storm) % HELD_EVERY != 1:
                continue
            with held(trainer):
                found.held.append(await load.play())
    await asking
    assert found.storm, "all was answered within a round: nothing was measured"
    return found


@contextlib.contextmanager
def held(trainer: RoleProcess) -> Iterator[None]:
    """Stop a trainer and its jobs for a while."""
    assert trainer.pid is not None
    # It leads a group of its own, and its jobs are of it.
    os.killpg(trainer.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(trainer.pid, signal.SIGCONT)


@asynccontextmanager
async def watched(stage: Stage) -> AsyncIterator[dict[str, int]]:
    """Yield the largest queue seen: of all strategies, and of one of them."""
    largest = {"longest_queue": 0, "longest_of_a_strategy": 0}

    async def look() -> None:
        while True:
            counts = await by_subject(stage)
            for name, seen in zip(largest, (sum(counts), max(counts, default=0)), strict=True):
                largest[name] = max(largest[name], seen)
            await asyncio.sleep(POLL_S)

    looking = asyncio.create_task(look())
    try:
        yield largest
    finally:
        await end_tasks((looking,))


async def by_subject(stage: Stage) -> list[int]:
    """How many requests wait or are held, of each strategy that has any."""
    verb = f"STREAM.INFO.{topology.RETRAIN}"
    answer = await stage.bus.jetstream.call(verb, {"subjects_filter": subjects.RETRAIN})
    return list((answer["state"].get("subjects") or {}).values())


async def waiting(stage: Stage) -> int:
    return sum(await by_subject(stage))


async def furnish(stage: Stage, names: Sequence[str]) -> list[list[Retrain]]:
    """Bars, samples of later than these, and models in force; return the bursts to come.

    What is trained comes into force behind the last bar: it is loaded and never speaks.
    """
    columns = load_feature_set().names[: layer_a.FEATURES]
    samples = {
        name: drifted(number, SAMPLES, columns, days_later=BARS)
        for number, name in enumerate(names)
    }
    prefill(stage.state.database("features.db"), samples)
    await publish_history(stage.bus)
    bursts = []
    for name, data in samples.items():
        champion = model(stage.key, strategy=name)
        await put_in_force(stage.bus, name, champion)
        bursts.append(burst(name, data, champion.version, REPEATS))
    return bursts


def config_of(names: Sequence[str]) -> str:
    strategies = [
        f"  - {{name: {name}, kind: external, ml: {{prediction_mode: score_enhancement}}}}"
        for name in names
    ]
    return "\n".join(("name: storm", "strategies:", *strategies, ""))


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


def test_every_strategy_is_retrained_once_and_the_times_are_told():
    figures = quick(parser(), measure)
    assert figures["retrained"] == QUICK_STRATEGIES
    assert figures["ratio"]["p50"] > 0


if __name__ == "__main__":
    run_command(parser(), measure)
