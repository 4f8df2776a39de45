"""What training data costs: every RSI-2 event of 200 shares, with all features, in one run.

    python -m tests.benchmarks.bench_extraction [--json FILE]

Every close on which the entry condition holds is an event. Cold is the first extraction of the
process, with its kernels loaded from the cache; warm the second. The parts are of the warm one.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest

from streams.source_settings import SourceSettings
from tests.house import ROOT
from trainers.extraction import extraction, feature_extractor
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.research.histories import read_history

HISTORY = ROOT.parent / "shared" / "data" / "bench" / "us_equity_daily_200.parquet"
ABSENT = f"the history is not there: {HISTORY.name} belongs into ../shared/data/bench"
STRATEGY = "rsi2_mean_reversion"
SECONDS_MAX = 5.0

PARTS = (
    ("context_s", feature_extractor, "context_rows"),
    ("decisions_s", extraction, "_decided"),
    ("trades_s", extraction, "trades_of"),
    ("labels_s", extraction, "figures_of"),
    ("features_s", extraction.HistoryScorer, "vectors"),
    ("uniqueness_s", extraction, "_uniqueness"),
    ("frame_s", feature_extractor, "training_frame"),
)


class Stopwatch:
    """Seconds spent in each of PARTS while it is on."""

    def __init__(self) -> None:
        self.seconds = {name: 0.0 for name, _, _ in PARTS}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[name] += time.perf_counter() - began

        return run


def extracted(run: Callable[[], pl.DataFrame]) -> tuple[float, pl.DataFrame]:
    began = time.perf_counter()
    frame = run()
    return time.perf_counter() - began, frame


def measure() -> dict[str, float | int | str]:
    began = time.perf_counter()
    history = read_history(SourceSettings(kind="parquet", path=str(HISTORY)))
    read_s = time.perf_counter() - began
    extractor = FeatureExtractor(overlapping=True, session="us_equity")

    def run() -> pl.DataFrame:
        return extractor.extract_history(STRATEGY, history)

    cold_s, first = extracted(run)
    warm_s, again = extracted(run)
    assert first.equals(again)
    watch = Stopwatch()
    for name, place, function in PARTS:
        watched = watch.timed(name, getattr(place, function))
        patch = mock.patch.object(place, function, watched)
        patch.start()
    try:
        total_s, _ = extracted(run)
    finally:
        mock.patch.stopall()
    parts = {name: round(seconds, 3) for name, seconds in watch.seconds.items()}
    return {
        "bars": len(history),
        "events": len(again),
        "columns": again.width,
        "read_s": round(read_s, 2),
        "cold_s": round(cold_s, 2),
        "warm_s": round(warm_s, 2),
        "events_per_s": round(len(again) / warm_s),
        "us_per_bar": round(warm_s / len(history) * 1e6, 2),
        **parts,
        "rest_s": round(total_s - sum(watch.seconds.values()), 3),
    }


def told(figures: dict[str, float | int | str]) -> str:
    return "\n".join(f"{name:<20}{value}" for name, value in figures.items())


def test_every_event_with_all_features_takes_seconds():
    if not HISTORY.is_file():
        pytest.skip(ABSENT)
    figures = measure()
    print("\n" + told(figures))
    assert int(figures["events"]) > 10_000
    assert float(figures["warm_s"]) <= SECONDS_MAX


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    if not HISTORY.is_file():
        parser.error(ABSENT)
    figures = measure()
    print(told(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
