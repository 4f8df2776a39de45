"""What a scorer with many symbols holds, how soon it is there, and what each library weighs.

    python -m tests.benchmarks.bench_memory [--json FILE] [--quick]

SYMBOLS_COUNT symbols of BARS_EACH bars stand in INPUT, one frame per instant; the scorer's
process warms from them, with the kernels in their cache. `ready_line_s` is when it says that it
listens, `caught_up_s` when it has taken every bar. The libraries are weighed in processes of
their own, each with those before it: what is below the scorer's own memory can not be saved.
"""

import argparse
import subprocess
import sys
import time
from typing import Any

import numpy as np

from models.feature_set import load_feature_set
from streams import codec, subjects
from streams.events import Bars
from tests.benchmarks.command import parser_of, quick, run_command
from tests.benchmarks.stage import (
    Stage,
    caught_up,
    deploy,
    memory_mib,
    model,
    staged,
    started,
)
from tests.engine.market import DAY_NS, START_NS

SYMBOLS_COUNT, QUICK_SYMBOLS = 1_000, 100
BARS_EACH, QUICK_BARS = 500, 200
TARGETS = {"resident_mib": 220, "caught_up_s": 15}
WARM_UP_S = 120.0

LIBRARIES = (
    ("python", "pass"),
    ("numpy", "import numpy"),
    ("nats_msgspec_uvloop", "import nats.aio.client, msgspec, uvloop"),
    ("onnxruntime", "import onnxruntime"),
    ("numba", "import numba"),
    ("kernels_cached", "from models.feature_set import load_feature_set as f; f()"),
    ("scorer_imports", "import deploy.cli, deploy.commands.run, deploy.wiring.scorer"),
)
_WEIGH = """
import time
began = time.perf_counter()
{body}
taken = time.perf_counter() - began
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmRSS"].split()[0]) / 1024, taken)
"""


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    count = QUICK_SYMBOLS if arguments.quick else SYMBOLS_COUNT
    bars = QUICK_BARS if arguments.quick else BARS_EACH
    load_feature_set()
    figures: dict[str, Any] = {"symbols": count, "bars_per_symbol": bars}
    async with staged() as stage:
        await deploy(stage.bus, model(stage.key))
        figures["no_symbols"] = await scorer_figures(stage)
        await publish_frames(stage, count, bars)
        figures["all_symbols"] = await scorer_figures(stage)
    return figures | {"targets": TARGETS, "libraries_so_far": libraries()}


async def scorer_figures(stage: Stage) -> dict[str, float]:
    scorer = stage.role("scorer")
    began = time.perf_counter()
    async with started(scorer):
        ready_s = time.perf_counter() - began
        await caught_up(stage.bus, WARM_UP_S)
        caught_up_s = time.perf_counter() - began
        assert scorer.pid is not None
        memory = memory_mib(scorer.pid)
    return memory | {"ready_line_s": round(ready_s, 2), "caught_up_s": round(caught_up_s, 2)}


async def publish_frames(stage: Stage, symbols: int, bars: int) -> None:
    rng = np.random.default_rng(1)
    names = tuple(f"S{n:04d}" for n in range(symbols))
    close = np.full(symbols, 100.0)
    for instant in range(bars):
        open_ = close
        close = open_ * np.exp(rng.normal(0.0, 0.015, symbols))
        high = np.maximum(open_, close) * 1.002
        low = np.minimum(open_, close) * 0.998
        volume = rng.lognormal(12.0, 0.4, symbols)
        ts = np.full(symbols, START_NS + instant * DAY_NS, dtype="<i8")
        columns = [column.astype("<f8").tobytes() for column in (open_, high, low, close, volume)]
        event = Bars(names, "1d", ts.tobytes(), *columns)
        await stage.bus.send(subjects.frame("1d"), codec.encode(event, "msgpack"))
    await stage.bus.flush()


def libraries() -> dict[str, Any]:
    """Resident memory and import time of each library on top of those before it."""
    figures: dict[str, Any] = {}
    body = ""
    for name, statement in LIBRARIES:
        body += statement + "\n"
        weighed = subprocess.run(
            [sys.executable, "-c", _WEIGH.format(body=body)],
            check=True,
            capture_output=True,
            text=True,
        )
        resident, seconds = map(float, weighed.stdout.split())
        figures[name] = {"resident_mib": round(resident, 1), "imported_s": round(seconds, 2)}
    return figures


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


def test_a_scorer_warms_from_the_stream_and_its_memory_is_told():
    figures = quick(parser(), measure)
    assert figures["all_symbols"]["resident_mib"] >= figures["no_symbols"]["resident_mib"] * 0.9


if __name__ == "__main__":
    run_command(parser(), measure)
