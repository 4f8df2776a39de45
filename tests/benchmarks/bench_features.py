"""What a bar costs: our features, live and in batch, beside ten indicators of talipp.

    python -m tests.benchmarks.bench_features [--json FILE]

All figures of one run come from the same machine in the same minute; each is the best of ROUNDS,
because what disturbs a timing only ever adds to it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from talipp.indicators import ADX, ATR, BB, CCI, EMA, MACD, ROC, RSI, SMA, Stoch
from talipp.ohlcv import OHLCV

from models.feature_set import FeatureSet, load_feature_set
from tests.models.bars import Bars, market

LIVE_BARS = 5_000
BATCH_BARS = 50_000
PEER_BARS = 2_000
ROUNDS = 7
PEERS = (SMA, EMA, RSI, ROC, MACD, BB, ATR, Stoch, ADX, CCI)

_STARTUP = """
import time
began = time.perf_counter()
from models.feature_set import load_feature_set
load_feature_set()
print(time.perf_counter() - began)
"""


def best_us_per_bar(run: Callable[[], object], bars: int, rounds: int = ROUNDS) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best / bars * 1e6


def live_us(features: FeatureSet, bars: Bars) -> float:
    """One bar at a time through Python, as the scorer does it."""
    rows = [(int(ts), *row) for ts, row in zip(bars.ts, bars.values.tolist(), strict=True)]
    states, context = features.new_states(1), bars.contexts[0]
    out = np.empty(len(features.names), dtype=np.float32)

    def run() -> None:
        update = features.update
        for ts, open_, high, low, close, volume in rows:
            update(states, 0, ts, open_, high, low, close, volume, context, out)

    return best_us_per_bar(run, len(rows))


def batch_us(features: FeatureSet, bars: Bars) -> float:
    return best_us_per_bar(lambda: features.compute(*bars), len(bars.ts))


def peer_us(bars: Bars) -> float:
    """Ten incremental indicators of talipp, each with its own defaults where it has them."""
    rows = [OHLCV(*row) for row in bars.values.tolist()]

    def run() -> None:
        by_close = [SMA(20), EMA(20), RSI(14), ROC(10), MACD(12, 26, 9), BB(20, 2.0)]
        by_bar = [ATR(14), Stoch(14, 3), ADX(14, 14), CCI(20)]
        for row in rows:
            for indicator in by_close:
                indicator.add(row.close)
            for indicator in by_bar:
                indicator.add(row)

    return best_us_per_bar(run, len(rows), rounds=3)


def startup_s() -> tuple[float, float]:
    """Import and load in a new process: compiled from nothing, and from the cache."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", _STARTUP]
        environment = {**os.environ, "ASSAY_CACHE_DIR": cache}
        cold, cached = (
            float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
            for _ in range(2)
        )
    return cold, cached


def measure() -> dict[str, float | int | str]:
    features = load_feature_set()
    live = live_us(features, market(1, LIVE_BARS))
    batch = batch_us(features, market(2, BATCH_BARS))
    peer = peer_us(market(3, PEER_BARS))
    return {
        "features": len(features.names),
        "live_us_per_bar": round(live, 3),
        "batch_us_per_bar": round(batch, 3),
        "talipp_indicators": len(PEERS),
        "talipp_us_per_bar": round(peer, 3),
        "talipp_over_live": round(peer / live, 1),
        "talipp_over_live_per_output": round(peer / len(PEERS) / (live / len(features.names)), 1),
        "state_bytes_per_symbol": features.state_size * 8,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def told(figures: dict[str, float | int | str]) -> str:
    return "\n".join(f"{name:<28}{value}" for name, value in figures.items())


def test_a_bar_costs_a_few_microseconds_and_less_than_a_peer():
    figures = measure()
    print("\n" + told(figures))
    assert float(figures["live_us_per_bar"]) < 10.0
    assert float(figures["batch_us_per_bar"]) < float(figures["live_us_per_bar"])
    assert float(figures["talipp_over_live"]) > 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    figures = measure()
    cold, cached = startup_s()
    figures |= {"cold_start_s": round(cold, 2), "cached_start_s": round(cached, 2)}
    print(told(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
