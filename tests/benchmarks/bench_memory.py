"""What a scorer with many symbols holds, how soon it is there, and what each library weighs.

    python -m tests.benchmarks.bench_memory [--json FILE] [--quick]

SYMBOLS_COUNT symbols of BARS_EACH bars stand in INPUT, one frame per instant; the scorer's
process warms from them, with the kernels in their cache, and is started once more in the same
state directory, a frame later. `ready_line_s` is when it says that it listens, `caught_up_s` when
it has taken every bar. Memory is read SETTLED_S later, when holes of the backlog have been given
back; `highest_mib` is what it came to meanwhile. `held_mib` tells it by what is mapped,
`arrays_mib` what the bars and features of all symbols come to. The libraries are weighed in
processes of their own, each with those before it, before anything is given back.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deploy.footprint import TRIM_EVERY_S
from engine.market import Market
from models.feature_set import load_feature_set
from streams import codec, subjects
from streams.columns import columns_of
from streams.events import Bars
from streams.session import session
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
TARGETS = {"resident_mib": 220, "caught_up_s": 15, "started_again_s": 3}
WARM_UP_S = 120.0
SETTLED_S = 1.5 * TRIM_EVERY_S
TOLD_MIB = 1.0

LIBRARIES = (
    ("python", "pass"),
    ("without_scipy", "from deploy.footprint import leave_out_scipy; leave_out_scipy()"),
    ("numpy", "import numpy"),
    ("nats_msgspec_uvloop", "import nats.aio.client, msgspec, uvloop"),
    ("onnxruntime", "import onnxruntime"),
    ("numba", "import numba"),
    ("kernels_cached", "from models.feature_set import load_feature_set as f; f()"),
    ("scorer_imports", "import deploy.role_main, deploy.wiring.scorer"),
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
        *history, news = frames(count, bars + 1)
        await publish(stage, history)
        figures["all_symbols"] = await scorer_figures(stage)
        # What the first process said of its progress is not what the second has to say.
        await publish(stage, [news])
        figures["started_again"] = await scorer_figures(stage)
    figures["arrays_mib"] = arrays_mib(count)
    return figures | {"targets": TARGETS, "libraries_so_far": libraries()}


async def scorer_figures(stage: Stage) -> dict[str, Any]:
    scorer = stage.role("scorer")
    began = time.perf_counter()
    async with started(scorer):
        ready_s = time.perf_counter() - began
        await caught_up(stage.bus, WARM_UP_S)
        caught_up_s = time.perf_counter() - began
        await asyncio.sleep(SETTLED_S)
        assert scorer.pid is not None
        memory = memory_mib(scorer.pid)
        held = held_mib(Path(f"/proc/{scorer.pid}/smaps").read_text())
    times = {"ready_line_s": round(ready_s, 2), "caught_up_s": round(caught_up_s, 2)}
    return memory | times | {"held_mib": held}


async def publish(stage: Stage, events: list[Bars]) -> None:
    for event in events:
        await stage.bus.send(subjects.frame("1d"), codec.encode(event, "msgpack"))
    await stage.bus.flush()


def held_mib(mappings: str) -> dict[str, float]:
    """Resident memory by what is mapped, the largest first; all below TOLD_MIB together."""
    by_name: Counter[str] = Counter()
    name = ""
    for line in mappings.splitlines():
        header = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line)
        if header:
            name = Path(header[1]).name.partition(".")[0] or "anonymous"
        elif line.startswith("Rss:"):
            by_name[name] += int(line.split()[1])
    told = {name: kib / 1024 for name, kib in by_name.most_common() if kib >= TOLD_MIB * 1024}
    rest = sum(by_name.values()) / 1024 - sum(told.values())
    return {name: round(mib, 1) for name, mib in (told | {"others": rest}).items()}


def frames(symbols: int, bars: int) -> Iterator[Bars]:
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
        yield Bars(names, "1d", ts.tobytes(), *columns)


def arrays_mib(symbols: int) -> dict[str, float]:
    """What a scorer's arrays of so many symbols come to, by name."""
    market = Market(load_feature_set(), session("us_equity"))
    market.take(columns_of(next(frames(symbols, 1))))
    saved = market.save()
    return {name: round(array.nbytes / 1024**2, 2) for name, array in saved.arrays.items()}


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
    assert sum(figures["arrays_mib"].values()) > 5.0
    held = figures["all_symbols"]["held_mib"]
    assert abs(sum(held.values()) - figures["all_symbols"]["resident_mib"]) < 5.0


if __name__ == "__main__":
    run_command(parser(), measure)
