"""Latency while a new model comes into force every 100 ms, beside the same load without swaps.

    python -m tests.benchmarks.bench_hot_swap [--json FILE] [--quick]

Every swap brings a model that the scorer has never seen: it is fetched from the object store,
verified and made ready while signals arrive. Rounds with and without swaps take turns on the
same scorer.
"""

import argparse
import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.artifact import Artifact
from models.registry import Registry
from streams import subjects
from tests.benchmarks.command import parser_of, quick, run_command
from tests.benchmarks.stage import (
    OURS_SUBJECTS,
    STRATEGY,
    ClientProcess,
    Stage,
    caught_up,
    deployment,
    furnish,
    model,
    percentiles,
    ratios,
    staged,
    started,
)

SWAP_EVERY_S = 0.1
PER_S = 1_000
ROUNDS, QUICK_ROUNDS = 4, 1
ROUND_S, QUICK_ROUND_S = 4, 2
TARGET_P99 = 2.0


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    seconds = QUICK_ROUND_S if arguments.quick else ROUND_S
    count = PER_S * seconds
    steady: list[np.ndarray] = []
    swapping: list[np.ndarray] = []
    async with staged() as stage:
        await furnish(stage)
        shelf = await shelved(stage, int(rounds * seconds / SWAP_EVERY_S) + 10 * rounds)
        models = iter(shelf)
        async with started(stage.role("scorer")), ClientProcess(stage.url) as client:
            await caught_up(stage.bus)
            await client.play(OURS_SUBJECTS, PER_S, PER_S)
            for _ in range(rounds):
                steady.append(await client.play(OURS_SUBJECTS, PER_S, count))
                swapper = asyncio.create_task(swap(stage, models))
                swapping.append(await client.play(OURS_SUBJECTS, PER_S, count))
                swapper.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await swapper
        left = len(list(models))
    a, b = percentiles(swapping), percentiles(steady)
    return {
        "signals_per_s": PER_S,
        "swaps": len(shelf) - left,
        "swapping": a,
        "steady": b,
        "ratio": ratios(a, b),
        "target_p99": TARGET_P99,
    }


async def shelved(stage: Stage, count: int) -> list[Artifact]:
    """Put `count` different models on the shelf."""
    models = [model(stage.key, number) for number in range(1, count + 1)]
    registry = Registry(stage.bus)
    for artifact in models:
        await registry.put(artifact)
    return models


async def swap(stage: Stage, models: Iterator[Artifact]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in itertools.count():
        await asyncio.sleep(began + number * SWAP_EVERY_S - loop.time())
        await stage.bus.publish(subjects.deployed(STRATEGY), deployment(next(models)))


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


def test_models_change_under_load_and_the_times_are_told():
    figures = quick(parser(), measure)
    assert figures["ratio"]["p50"] > 0


if __name__ == "__main__":
    run_command(parser(), measure)
