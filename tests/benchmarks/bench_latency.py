"""From a raw signal published to its answer on `signals.scored`, beside a bare durable relay.

    python -m tests.benchmarks.bench_latency [--json FILE] [--quick] [--bare]

A client process publishes and hears; the scorer and the relay are processes of their own on one
broker. Rounds of ours and of the floor take turns, so that what disturbs the machine disturbs
both. The floor moves the same payloads as the scorer: a signal in, as many bytes as an answer
has out; with `--bare` the signal's own bytes. Times in microseconds.
"""

import argparse
from typing import Any

import numpy as np

from tests.benchmarks.command import floor_name, floor_parser_of, quick, run_command
from tests.benchmarks.stage import (
    FLOOR_SUBJECTS,
    OURS_SUBJECTS,
    ClientProcess,
    caught_up,
    furnish,
    percentiles,
    ratios,
    staged,
    started,
)

# Signals a second, signals of one round, rounds.
LOADS = ((200, 800, 5), (5_000, 10_000, 5))
QUICK_LOADS = ((200, 300, 2), (5_000, 5_000, 2))
WARM_UP = 500
TARGETS = {"200": {"p50": 1.25, "p99": 1.5}, "5000": {"p99": 2.0}}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with staged() as stage:
        await furnish(stage)
        async with started(stage.role("scorer"), stage.relay(bare=arguments.bare)):
            await caught_up(stage.bus)
            async with ClientProcess(stage.url) as client:
                for where in (OURS_SUBJECTS, FLOOR_SUBJECTS):
                    await client.play(where, 1_000, WARM_UP)
                for rate, count, rounds in QUICK_LOADS if arguments.quick else LOADS:
                    figures[f"{rate}_signals_per_s"] = await beside(client, rate, count, rounds)
    return figures | {"floor": floor_name(arguments), "targets": TARGETS}


async def beside(client: ClientProcess, rate: int, count: int, rounds: int) -> dict[str, Any]:
    ours: list[np.ndarray] = []
    floor: list[np.ndarray] = []
    for _ in range(rounds):
        ours.append(await client.play(OURS_SUBJECTS, rate, count))
        floor.append(await client.play(FLOOR_SUBJECTS, rate, count))
    a, b = percentiles(ours), percentiles(floor)
    return {"ours": a, "floor": b, "ratio": ratios(a, b)}


def parser() -> argparse.ArgumentParser:
    return floor_parser_of(__doc__)


def test_every_signal_is_answered_and_the_times_are_told():
    figures = quick(parser(), measure)
    assert figures["200_signals_per_s"]["ratio"]["p50"] > 0.5


if __name__ == "__main__":
    run_command(parser(), measure)
