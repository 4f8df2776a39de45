"""A year of minutes through the broker, beside NautilusTrader on the same bars in process.

    python -m tests.benchmarks.bench_replay [--json FILE] [--quick] [--bars N] [--peer PYTHON]

Ours: strategies, scorer and labeller as processes, everything durable, driven by the replay
driver in frames; RSI 2/10/65, one position at a time, every signal answered and labelled. The
clock runs from the first bar published to the last role's last word. `--bars 0` is all of it.

The peer needs an interpreter with nautilus_trader, which is no dependency of ours:

    python -m venv .venv-peer && .venv-peer/bin/pip install nautilus_trader
    python -m tests.benchmarks.bench_replay --peer .venv-peer/bin/python
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.replay import ReplayDriver
from streams import subjects, topology
from streams.events import Bar
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from tests.benchmarks.command import parser_of, quick, run_command
from tests.benchmarks.stage import Stage, memory_mib, staged, started
from tests.house import ROOT

HISTORY = ROOT.parent / "shared" / "data" / "bench" / "crypto_1m_bitfinex_2019.parquet"
BARS, QUICK_BARS = 40_000, 5_000
ROLES = ("strategies", "scorer", "labeller")
TARGETS = {"bars_per_s": 200_000, "over_peer": 4.0, "signals": 45_000}
ABSENT = f"the history is not there: {HISTORY.name} belongs into ../shared/data/bench"
NO_PEER = "no interpreter with nautilus_trader was named (--peer, ASSAY_BENCH_PEER): left out"
CONFIG = """
name: bench
data: {interval: 1m, session: crypto}
strategies:
  - name: rsi2_mean_reversion
    params: {period: 2, entry: 10.0, exit: 65.0}
    ml: {prediction_mode: score_enhancement}
"""


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    if not HISTORY.is_file():
        return {"skipped": ABSENT}
    count = QUICK_BARS if arguments.quick else arguments.bars
    instants = prefix(count)
    async with staged() as stage:
        ours = await replayed(stage, instants)
    figures: dict[str, Any] = {"ours": ours, "targets": TARGETS}
    peer = arguments.peer or os.environ.get("ASSAY_BENCH_PEER", "")
    if not peer:
        return figures | {"peer": NO_PEER}
    figures["peer"] = await asyncio.to_thread(peer_figures, peer, instants)
    figures["over_peer"] = round(ours["bars_per_s"] / figures["peer"]["bars_per_s"], 3)
    return figures


def prefix(count: int) -> list[list[Bar]]:
    """The first instants of the history, with `count` bars in all (0: the whole)."""
    settings = SourceSettings(
        kind="parquet", path=str(HISTORY), interval="1m", session="crypto", stamp="start"
    )
    instants, bars = [], 0
    for instant in bar_frames(settings):
        instants.append(instant)
        bars += len(instant)
        if count and bars >= count:
            break
    return instants


async def replayed(stage: Stage, instants: Sequence[list[Bar]]) -> dict[str, Any]:
    processes = [stage.role(role, CONFIG) for role in ROLES]
    async with started(*processes):
        driver = ReplayDriver(stage.bus, roles=ROLES, run_id="bench")
        began = time.perf_counter()
        counts = await driver.drive(instants)
        seconds = time.perf_counter() - began
        memory = {p.role: memory_mib(p.pid) for p in processes if p.pid is not None}
    return {
        "bars": counts.bars,
        "seconds": round(seconds, 2),
        "bars_per_s": round(counts.bars / seconds),
        "signals": await stored(stage, topology.INPUT, subjects.RAW),
        "answers": await stored(stage, topology.SCORED, "signals.*.*.*"),
        "outcomes": await stored(stage, topology.OUTCOMES, subjects.OUTCOMES),
        "memory": memory,
    }


async def stored(stage: Stage, stream: str, wanted: str) -> int:
    """How many messages of `wanted` a stream holds."""
    answer = await stage.bus.jetstream.call(f"STREAM.INFO.{stream}", {"subjects_filter": wanted})
    return sum((answer["state"].get("subjects") or {}).values())


def peer_figures(python: str, instants: Sequence[list[Bar]]) -> dict[str, Any]:
    bars = [bar for instant in instants for bar in instant]
    symbols = sorted({bar.symbol for bar in bars})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bars.npz"
        np.savez(
            file,
            symbols=np.array(symbols),
            codes=np.array([symbols.index(bar.symbol) for bar in bars]),
            ts=np.array([bar.ts for bar in bars], dtype=np.int64),
            values=np.array([(b.open, b.high, b.low, b.close, b.volume) for b in bars]),
        )
        program = Path(__file__).with_name("nautilus_peer.py")
        done = subprocess.run(
            [python, str(program), str(file)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"the peer ended: {done.stderr[-2_000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    return {
        "name": f"nautilus_trader {told['version']}",
        "seconds": round(told["seconds"], 2),
        "bars_per_s": round(len(bars) / told["seconds"]),
        "entries": told["entries"],
    }


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--bars", type=int, default=BARS, help="a prefix of so many bars; 0: all")
    parser.add_argument("--peer", default="", help="a Python that has nautilus_trader")
    return parser


@pytest.mark.skipif(not HISTORY.is_file(), reason=ABSENT)
def test_every_signal_of_a_replay_is_answered_and_labelled():
    figures = quick(parser(), measure)["ours"]
    assert figures["answers"] == figures["signals"] > 0
    assert figures["outcomes"] >= figures["signals"] - 2


if __name__ == "__main__":
    run_command(parser(), measure)
