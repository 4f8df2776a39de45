"""Blocks hold the bars of a table, whole and in order, in runs that never grow too long."""

import itertools

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

from streams.block import RUN_BARS_MAX, Block
from streams.source import bar_frames, comes_with_signals, market_blocks
from streams.source_settings import SourceSettings
from streams.sources.blocks import blocks
from streams.sources.instants import frames

MINUTE_NS = 60_000_000_000


def table_of(series: dict[tuple[str, str], list[int]]) -> pl.DataFrame:
    """One bar for each time, in minutes; its prices tell where it belongs."""
    rows = [
        (symbol, interval, (minute + 1) * MINUTE_NS, *(float(minute + 1),) * 4, float(place))
        for place, ((symbol, interval), minutes) in enumerate(series.items())
        for minute in minutes
    ]
    names = ("symbol", "interval", "ts", "open", "high", "low", "close", "volume")
    return pl.DataFrame(rows, schema=names, orient="row").sort("ts", "symbol")


def bars_of(made: list[Block]) -> list[tuple]:
    return [
        (int(ts), run.interval, run.symbols[0], *values)
        for block in made
        for run in block.runs
        for ts, values in zip(run.ts, run.values.tolist(), strict=True)
    ]


MINUTES = st.lists(st.integers(0, 400), unique=True, max_size=200).map(sorted)
TABLES = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(("1m", "5m"))), MINUTES, min_size=1
)


@given(TABLES, st.one_of(st.none(), st.integers(0, 100)))
def test_blocks_are_whole_time_ordered_and_bounded(series, span):
    table = table_of(series)
    made = list(blocks(table, None if span is None else span * MINUTE_NS))
    told = [(b.ts, b.interval, b.symbol, b.open, b.high, b.low, b.close, b.volume)
            for frame in frames(table) for b in frame]  # fmt: skip
    assert sorted(bars_of(made)) == sorted(told)
    assert sum(block.instants for block in made) == table["ts"].n_unique()
    assert sum(block.bars for block in made) == len(table)
    for before, block in itertools.pairwise(made):
        assert before.last_ts < block.first_ts
    for block in made:
        assert block.depth <= RUN_BARS_MAX
        ends = [int(run.ts[-1]) for run in block.runs]
        assert ends == sorted(ends, reverse=True)
        assert ends[0] == block.last_ts == max(int(run.ts.max()) for run in block.runs)
        assert min(int(run.ts[0]) for run in block.runs) == block.first_ts
        assert all((np.diff(run.ts) > 0).all() for run in block.runs)
        names = [(int(-run.ts[-1]), run.symbols[0], run.interval) for run in block.runs]
        assert names == sorted(set(names))


@given(TABLES, st.integers(0, 100))
def test_what_can_be_waited_for_lies_at_most_the_delay_back_or_as_far_as_with_instants(series, n):
    table, span_ns = table_of(series), n * MINUTE_NS
    instants = sorted(set(table["ts"].to_list()))
    made = list(blocks(table, span_ns))
    for older, newer, block in zip(made, made[1:], made[2:], strict=False):
        if block.last_ts - span_ns > older.last_ts:
            # As when instants are published: the last but one can be waited for.
            assert block.instants == newer.instants == 1
            assert older.last_ts == instants[instants.index(block.last_ts) - 2]


def test_a_block_is_as_long_as_the_densest_series_allows():
    made = list(blocks(table_of({("A", "1m"): list(range(200)), ("B", "1m"): [0, 70, 199]})))
    assert [block.bars for block in made] == [65, 65, 64, 7, 2]
    assert [block.instants for block in made] == [64, 64, 64, 7, 1]
    assert [[run.symbols[0] for run in block.runs] for block in made] == [
        ["A", "B"], ["A", "B"], ["A"], ["A"], ["A", "B"],
    ]  # fmt: skip


def test_the_run_that_reaches_furthest_comes_first():
    first, last = blocks(table_of({("A", "1m"): [0, 1], ("B", "1m"): [0, 1, 2], ("C", "1m"): [3]}))
    assert [run.symbols[0] for run in first.runs] == ["B", "A"]
    assert [run.symbols[0] for run in last.runs] == ["C"]


def test_a_table_without_bars_has_no_blocks():
    assert list(blocks(table_of({("A", "1m"): [1]}).clear())) == []


@pytest.mark.parametrize("symbols", [(), ("IBM",)])
def test_the_sample_in_blocks_is_the_sample_in_instants(symbols):
    settings = SourceSettings(symbols=symbols)
    made = list(market_blocks([settings]))
    told = [bar for frame in bar_frames(settings) for bar in frame]
    assert sum(block.bars for block in made) == len(told)
    found = [run.bar(row) for block in made for run in block.runs for row in range(len(run.ts))]
    assert sorted(found, key=lambda b: (b.ts, b.symbol)) == told


def test_several_sources_are_one_history():
    settings = [SourceSettings(symbols=("IBM",)), SourceSettings(symbols=("MSFT",))]
    both = SourceSettings(symbols=("IBM", "MSFT"))
    assert bars_of(list(market_blocks(settings))) == bars_of(list(market_blocks([both])))


def test_only_a_market_with_signals_of_its_own_is_told_by_instants():
    assert comes_with_signals(SourceSettings(kind="layer_b", interval="1h"))
    assert not comes_with_signals(SourceSettings())
