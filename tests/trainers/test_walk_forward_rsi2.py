"""What tests/benchmarks/bench_walk_forward_rsi2.py shows a model, on the bundled sample."""

import numpy as np
import polars as pl
import pytest

from streams.source_settings import SourceSettings
from tests.benchmarks import bench_walk_forward_rsi2 as benchmark
from trainers.dataset import Dataset
from trainers.research.histories import read_history

HISTORY = read_history(SourceSettings(kind="sample"))


@pytest.fixture(scope="module")
def trades() -> tuple[Dataset, Dataset]:
    return benchmark.trades_of(HISTORY)


def is_same_all_day(samples: Dataset, column: int) -> bool:
    values = samples.x[:, column]
    return all(np.unique(values[samples.days == day]).size == 1 for day in np.unique(samples.days))


def test_no_column_of_the_house_names_the_day(trades: tuple[Dataset, Dataset]):
    own, _ = trades
    known = np.isfinite(own.x).all(axis=0)
    told = np.flatnonzero(known & (own.x.max(axis=0) > own.x.min(axis=0)))
    assert told.size > 50
    assert not [own.names[column] for column in told if is_same_all_day(own, column)]


def test_the_trap_has_columns_that_do(trades: tuple[Dataset, Dataset]):
    own, wide = trades
    added = [name for name in wide.names if name not in own.names]
    assert {"day_of_month", "mean_1", "mean_5", "mean_20"} <= set(added)
    assert all(is_same_all_day(wide, wide.names.index(name)) for name in added)


def test_the_mean_of_all_stocks_is_of_closes_that_were_known():
    bars = np.flatnonzero(HISTORY.ts == HISTORY.ts[500])
    closes = HISTORY.values[:, 3]
    instant = pl.Series([HISTORY.ts[500]]).cast(pl.Datetime("ns", "UTC"))[0]
    row = benchmark.market_means(HISTORY).row(by_predicate=pl.col("ts") == instant, named=True)
    for steps in benchmark.MARKET_STEPS:
        # A stock that is not yet there so many bars has no return.
        known = bars[HISTORY.slots[bars] == HISTORY.slots[np.maximum(bars - steps, 0)]]
        assert row[f"mean_{steps}"] == pytest.approx(
            np.mean(closes[known] / closes[known - steps] - 1.0)
        )
