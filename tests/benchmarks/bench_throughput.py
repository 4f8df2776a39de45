"""Answers a second of one scorer with a backlog, beside a bare durable relay's messages.

    python -m tests.benchmarks.bench_throughput [--json FILE] [--quick] [--bare]

The signals are stored first; then the process starts and works them off. The rate is taken from
the server's own stamps on what was stored, from the first answer to the last: start-up is not in
it. Every round has a broker of its own; rounds of ours and of the floor take turns. The floor
moves the same payloads: a signal in, as many bytes as an answer has out; with `--bare` the
signal's own bytes. It counts only when it is a good one: FLOOR_PER_S_MIN messages a second and a
p50 of FLOOR_P50_US_MAX.
"""

import argparse
import statistics
from typing import Any

import numpy as np

from streams import subjects, topology
from tests.benchmarks.command import floor_name, floor_parser_of, quick, run_command
from tests.benchmarks.stage import (
    FLOOR_OUT,
    FLOOR_SUBJECTS,
    OURS_SUBJECTS,
    ClientProcess,
    furnish,
    staged,
    started,
    stored_per_s,
)

ROUNDS, QUICK_ROUNDS = 3, 1
SIGNALS, QUICK_SIGNALS = 20_000, 5_000
FLOOR_PER_S_MIN = 15_000
FLOOR_P50_US_MAX = 450.0
LATENCY_SIGNALS, LATENCY_PER_S = 400, 200
TARGET = 0.7


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    count = QUICK_SIGNALS if arguments.quick else SIGNALS
    ours, floor, floor_p50_us = [], [], []
    for _ in range(rounds):
        ours.append(await answers_per_s(count))
        per_s, p50_us = await relayed_per_s(count, bare=arguments.bare)
        floor.append(per_s)
        floor_p50_us.append(p50_us)
    scorer, relay = statistics.median(ours), statistics.median(floor)
    p50_us = statistics.median(floor_p50_us)
    return {
        "signals_per_round": count,
        "floor": floor_name(arguments),
        "answers_per_s": round(scorer),
        "floor_per_s": round(relay),
        "floor_p50_us": round(p50_us, 1),
        "floor_counts": relay >= FLOOR_PER_S_MIN and p50_us <= FLOOR_P50_US_MAX,
        "ratio": round(scorer / relay, 3),
        "target": TARGET,
        "answers_per_s_by_round": [round(rate) for rate in ours],
        "floor_per_s_by_round": [round(rate) for rate in floor],
    }


async def answers_per_s(count: int) -> float:
    async with staged() as stage, ClientProcess(stage.url) as client:
        await furnish(stage)
        await client.play(OURS_SUBJECTS, 0, count, hears=False)
        async with started(stage.role("scorer")):
            return await stored_per_s(stage.bus, topology.SCORED, subjects.SCORED, count)


async def relayed_per_s(count: int, *, bare: bool) -> tuple[float, float]:
    async with staged() as stage, ClientProcess(stage.url) as client:
        await client.play(FLOOR_SUBJECTS, 0, count, hears=False)
        async with started(stage.relay(bare=bare)):
            per_s = await stored_per_s(stage.bus, FLOOR_OUT, "floor.scored.>", count)
            times = await client.play(FLOOR_SUBJECTS, LATENCY_PER_S, LATENCY_SIGNALS)
    return per_s, float(np.median(times))


def parser() -> argparse.ArgumentParser:
    return floor_parser_of(__doc__)


def test_a_backlog_is_worked_off_and_the_rate_is_told():
    figures = quick(parser(), measure)
    assert figures["answers_per_s"] > 0


if __name__ == "__main__":
    run_command(parser(), measure)
