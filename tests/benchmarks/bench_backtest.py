"""What a backtest costs: RSI-2 on 200 US stocks, beside vectorbt's portfolio of the same signals.

    python -m tests.benchmarks.bench_backtest [--json FILE] [--peer PYTHON]

Ours is the whole backtest: bars to indicators, decisions, signals, trades and their figures. The
peer is given the signals and trades them. Both are timed in one run, best of ROUNDS, compiled.
The peer needs an interpreter with vectorbt, which is no dependency of ours:

    python -m venv .venv-peer && .venv-peer/bin/pip install vectorbt==1.2.0
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backtests.backtest import decisions_of, run_strategy, trades_of
from engine.backtests.bar_history import BarHistory
from engine.backtests.portfolio import Claims, simulate_portfolio
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.backtests.trade_log import TradeLog, figures_of
from engine.instrument import Instrument
from engine.settings import StrategySettings
from engine.strategy import ENTRY_SIDE, EXIT_LONG
from streams.source_settings import SourceSettings
from tests.benchmarks.command import parser_of
from tests.benchmarks.stage import machine, told
from tests.house import ROOT
from trainers.research.histories import read_history

BARS = ROOT.parent / "shared" / "data" / "bench" / "us_equity_daily_200.parquet"
ROUNDS = 7
TARGET_US_PER_BAR = 0.5
NO_PEER = "no interpreter with vectorbt was named (--peer, ASSAY_BENCH_VECTORBT): left out"
SETTINGS = StrategySettings(name="rsi2_mean_reversion")


def best_of(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


THREADS = os.cpu_count() or 1


def measure(history: BarHistory, peer: str) -> dict[str, Any]:
    costs = [SETTINGS.costs] * len(history.symbols)
    shares = tuple(Instrument(symbol) for symbol in history.symbols)

    def whole(threads: int = THREADS) -> TradeLog:
        log = run_strategy(SETTINGS, history, threads=threads)
        figures_of(log, costs)
        return log

    log = whole()
    claims = [Claims(log, log.score, np.ones(log.signals, dtype=np.bool_), costs)]
    decisions = decisions_of(SETTINGS, history)
    bars = len(history)
    seconds = best_of(whole)
    figures: dict[str, Any] = {
        "bars": bars,
        "trades": int(log.is_closed.sum()),
        "backtest_us_per_bar": round(seconds / bars * 1e6, 4),
        "with_one_thread": round(best_of(lambda: whole(1)) / bars * 1e6, 4),
        "of_which_decisions": round(
            best_of(lambda: decisions_of(SETTINGS, history)) / bars * 1e6, 4
        ),
        "of_which_trades": round(
            best_of(lambda: trades_of(SETTINGS, history, decisions)) / bars * 1e6, 4
        ),
        "portfolio_ms": round(
            1e3 * best_of(lambda: simulate_portfolio(claims, history, shares, PortfolioSettings())),
            2,
        ),
        "target_us_per_bar": TARGET_US_PER_BAR,
    }
    if not peer:
        return figures | {"peer": NO_PEER}
    theirs = peer_figures(peer, history, decisions)
    figures["peer"] = f"vectorbt {theirs['version']}"
    figures["peer_us_per_bar"] = round(theirs["seconds"] / bars * 1e6, 4)
    figures["peer_trades"] = theirs["trades"]
    figures["times_as_fast"] = round(theirs["seconds"] / seconds, 2)
    return figures


def peer_figures(python: str, history: BarHistory, decisions: np.ndarray) -> dict[str, Any]:
    """Hand the signals over as tables of instants by symbols, shifted to the bar of their fill."""
    shape = (len(history.instants), len(history.symbols))
    at = (history.instant_of_row, history.slots)

    def table(values: np.ndarray) -> np.ndarray:
        made = np.full(shape, np.nan)
        made[at] = values
        return made

    open_, high, low, close = (table(history.values[:, k]) for k in range(4))
    entries = np.nan_to_num(table(decisions[:, ENTRY_SIDE])) > 0.0
    exits = np.nan_to_num(table(decisions[:, EXIT_LONG])) > 0.0
    stop = 1.0 - table(decisions[:, 2]) / close
    later = {"entries": entries, "exits": exits, "stop": np.where(entries, stop, np.nan)}
    for name, values in later.items():
        first = np.zeros((1, shape[1]), dtype=values.dtype)
        later[name] = np.concatenate((first, values[:-1]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signals.npz"
        np.savez(file, open=open_, high=high, low=low, close=close, **later)
        program = Path(__file__).with_name("vectorbt_peer.py")
        done = subprocess.run(
            [python, str(program), str(file)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"the peer ended: {done.stderr[-2_000:]}"
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bars() -> BarHistory:
    if not BARS.exists():
        pytest.skip(f"the benchmark's bars are not here: {BARS.name}")
    return read_history(SourceSettings(kind="parquet", path=str(BARS)))


def test_backtest() -> None:
    figures = measure(bars(), os.environ.get("ASSAY_BENCH_VECTORBT", ""))
    print("\n" + told(figures | machine()))
    assert figures["backtest_us_per_bar"] <= TARGET_US_PER_BAR
    assert figures.get("times_as_fast", 1.0) >= 1.0


def parser() -> argparse.ArgumentParser:
    made = parser_of(__doc__)
    made.add_argument("--peer", default="", help="a Python that has vectorbt")
    return made


if __name__ == "__main__":
    arguments = parser().parse_args()
    peer = arguments.peer or os.environ.get("ASSAY_BENCH_VECTORBT", "")
    found = measure(bars(), peer) | machine()
    print(told(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
