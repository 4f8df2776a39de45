"""A year of minutes through the broker, beside NautilusTrader on the same bars in process.

    python -m tests.benchmarks.bench_replay [--json FILE] [--quick] [--bars N] [--peer PYTHON]

Ours: strategies, scorer and labeller as processes, everything durable, driven by the replay
driver in blocks; RSI 2/10/65 alone (no trend filter, no maximum hold, a stop far out of the way),
one position at a time, every signal answered and labelled; payloads in MessagePack, or in JSON with
`--encoding json`.
The clock runs from the first bar published to the last role's last word. `--bars N` takes a
prefix. `cpu_seconds` says what each process took of the two cores meanwhile.

The peer needs an interpreter with nautilus_trader, which is no dependency of ours:

    python -m venv .venv-peer && .venv-peer/bin/pip install nautilus_trader==1.221.0
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

from engine.replays.replay import ReplayDriver
from streams import codec, subjects, topology
from streams.block import Block
from streams.events import Signals
from streams.source import market_blocks
from streams.source_settings import SourceSettings
from tests.benchmarks.command import parser_of, quick, run_command
from tests.benchmarks.stage import Stage, cpu_seconds, memory_mib, staged, started
from tests.house import ROOT

HISTORY = ROOT.parent / "shared" / "data" / "bench" / "crypto_1m_bitfinex_2019.parquet"
QUICK_BARS = 20_000
ROLES = ("strategies", "scorer", "labeller")
TARGETS = {"bars_per_s": 200_000, "over_peer": 4.0, "signals": 45_000}
ABSENT = f"the history is not there: {HISTORY.name} belongs into ../shared/data/bench"
NO_PEER = "no interpreter with nautilus_trader was named (--peer, ASSAY_BENCH_PEER): left out"
CONFIG = """
name: bench
data: {interval: 1m, session: crypto}
strategies:
  - name: rsi2_mean_reversion
    params:
      {period: 2, entry: 10.0, exit: 65.0, trend_ma: 0, hard_stop_atr_mult: 10.0, max_hold_bars: 0}
    ml: {prediction_mode: score_enhancement}
"""


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    if not HISTORY.is_file():
        return {"skipped": ABSENT}
    blocks = prefix(QUICK_BARS if arguments.quick else arguments.bars)
    async with staged() as stage:
        ours = await replayed(stage, blocks, arguments.encoding)
    figures: dict[str, Any] = {"ours": ours, "targets": TARGETS}
    peer = arguments.peer or os.environ.get("ASSAY_BENCH_PEER", "")
    if not peer:
        return figures | {"peer": NO_PEER}
    figures["peer"] = await asyncio.to_thread(peer_figures, peer, blocks)
    figures["over_peer"] = round(ours["bars_per_s"] / figures["peer"]["bars_per_s"], 3)
    return figures


def prefix(count: int) -> list[Block]:
    """The first blocks of the history, with `count` bars in all (0: the whole)."""
    settings = SourceSettings(
        kind="parquet", path=str(HISTORY), interval="1m", session="crypto", stamp="start"
    )
    blocks, bars = [], 0
    for block in market_blocks([settings]):
        blocks.append(block)
        bars += block.bars
        if count and bars >= count:
            break
    return blocks


async def replayed(stage: Stage, blocks: Sequence[Block], encoding: str) -> dict[str, Any]:
    config = f"{CONFIG}encoding: {encoding}\n"
    processes = [stage.role(role, config) for role in ROLES]
    async with started(*processes):
        pids = {"driver": os.getpid(), "broker": stage.broker_pid}
        pids |= {p.role: p.pid for p in processes if p.pid is not None}
        driver = ReplayDriver(stage.bus, roles=ROLES, run_id="bench")
        cpu_before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.perf_counter()
        counts = await driver.drive(blocks)
        seconds = time.perf_counter() - began
        cpu = {name: round(cpu_seconds(pid) - cpu_before[name], 2) for name, pid in pids.items()}
        memory = {p.role: memory_mib(p.pid) for p in processes if p.pid is not None}
    return {
        "bars": counts.bars,
        "seconds": round(seconds, 2),
        "bars_per_s": round(counts.bars / seconds),
        "signals": await signals_said(stage),
        "answers": await stored(stage, topology.SCORED, "signals.*.*.*"),
        "outcomes": await stored(stage, topology.OUTCOMES, subjects.OUTCOMES),
        "cpu_seconds": cpu | {"all": round(sum(cpu.values()), 2)},
        "memory": memory,
    }


async def stored(stage: Stage, stream: str, wanted: str) -> int:
    """How many messages of `wanted` a stream holds."""
    answer = await stage.bus.jetstream.call(f"STREAM.INFO.{stream}", {"subjects_filter": wanted})
    return sum((answer["state"].get("subjects") or {}).values())


async def signals_said(stage: Stage) -> int:
    """How many raw signals INPUT holds, those in columns counted by their rows."""
    messages, count = await stored(stage, topology.INPUT, subjects.RAW), 0
    subscription = await stage.bus.read(topology.INPUT, 1, (subjects.RAW,))
    while messages:
        for message in await subscription.next_batch(1.0):
            event = codec.decode(message.payload)
            count += len(event.signal_ids) if isinstance(event, Signals) else 1
            messages -= 1
    await subscription.close()
    return count


def peer_figures(python: str, blocks: Sequence[Block]) -> dict[str, Any]:
    frames = [frame for block in blocks for frame in block.frames]
    names = [frame.symbol_of(row) for frame in frames for row in range(len(frame.ts))]
    symbols, codes = np.unique(np.array(names), return_inverse=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bars.npz"
        np.savez(
            file,
            symbols=symbols,
            codes=codes,
            ts=np.concatenate([frame.ts for frame in frames]),
            values=np.concatenate([frame.values for frame in frames]),
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
        "bars_per_s": round(sum(block.bars for block in blocks) / told["seconds"]),
        "entries": told["entries"],
    }


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--bars", type=int, default=0, help="a prefix of so many bars; 0: all")
    parser.add_argument("--encoding", choices=("msgpack", "json"), default="msgpack")
    parser.add_argument("--peer", default="", help="a Python that has nautilus_trader")
    return parser


@pytest.mark.skipif(not HISTORY.is_file(), reason=ABSENT)
def test_every_signal_of_a_replay_is_answered_and_labelled():
    figures = quick(parser(), measure)["ours"]
    assert figures["answers"] == figures["signals"] > 0
    assert figures["outcomes"] >= figures["signals"] - 2


if __name__ == "__main__":
    run_command(parser(), measure)
