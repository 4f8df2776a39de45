"""What an optimisation costs: fifty trials of breakout on 200 symbols, portfolio and all.

    python -m tests.benchmarks.bench_optimise [--workers N] [--trials N] [--profile]

From the bars in memory to the finished report, in one run. The target is TARGET_S on two cores.
"""

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
import time
from pathlib import Path

from engine.backtests.portfolio_settings import PortfolioSettings
from engine.instrument_book import InstrumentBook
from engine.settings import StrategySettings
from streams.source_settings import SourceSettings
from tests.house import ROOT
from trainers.optimiser.optimiser import OptimiserRun, optimise
from trainers.optimiser.optimiser_settings import OptimiseSettings
from trainers.research.histories import read_history
from trainers.research.instruments import read_instruments

HISTORY = ROOT.parent / "shared/data/bench/us_equity_daily_200.parquet"
ABSENT = f"the history is not there: {HISTORY.name} belongs into ../shared/data/bench"
TRIALS = 50
TARGET_S = 60.0
PROFILE_LINES = 25


def run_in(folder: Path, *, trials: int, workers: int) -> OptimiserRun:
    history = read_history(SourceSettings(kind="parquet", path=str(HISTORY)))
    book = InstrumentBook(read_instruments())
    instruments = tuple(book.of(symbol) for symbol in history.symbols)
    return OptimiserRun(
        history=history,
        strategy=StrategySettings(name="breakout"),
        portfolio=PortfolioSettings(),
        instruments=instruments,
        costs=tuple(one.costs() for one in instruments),
        settings=OptimiseSettings(trials=trials),
        location=folder / "studies.db",
        ledger=folder / "trials.db",
        release="bench",
        workers=workers,
    )


def measure(*, trials: int, workers: int, is_profiled: bool) -> float:
    with tempfile.TemporaryDirectory() as name:
        run = run_in(Path(name), trials=trials, workers=workers)
        profile = cProfile.Profile()
        began = time.perf_counter()
        if is_profiled:
            profile.enable()
        report = optimise(run, now_ns=time.time_ns)
        profile.disable()
        seconds = time.perf_counter() - began
        bars, symbols = len(run.history), len(run.history.symbols)
    print(f"{bars:,} bars of {symbols} symbols, {trials} trials, {workers} workers")
    print(f"{seconds:.1f} s, {trials / seconds:.2f} trials/s; load {os.getloadavg()[0]:.1f}")
    print(report.sentence)
    if is_profiled:
        pstats.Stats(profile).sort_stats("cumtime").print_stats(PROFILE_LINES)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if not HISTORY.exists():
        print(ABSENT)
        return
    seconds = measure(trials=given.trials, workers=given.workers, is_profiled=given.profile)
    if given.trials == TRIALS and seconds > TARGET_S:
        sys.exit(f"{seconds:.1f} s are more than {TARGET_S:.0f}")


if __name__ == "__main__":
    main()
