"""Blocks hold the bars of a table, whole and in order, and never grow too large."""

import itertools
from collections import Counter

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given

from streams.block import BLOCK_BARS_MAX, RUN_BARS_MAX, Block
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
        (int(ts), frame.interval, frame.symbol_of(row), *values)
        for block in made
        for frame in block.frames
        for row, (ts, values) in enumerate(zip(frame.ts, frame.values.tolist(), strict=True))
    ]


def most_of_a_series(block: Block) -> int:
    return max(Counter(row[1:3] for row in bars_of([block])).values())


MINUTES = st.lists(st.integers(0, 900), unique=True, max_size=400).map(sorted)
TABLES = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(("1m", "5m"))), MINUTES, min_size=1
)


@given(TABLES, st.one_of(st.none(), st.integers(0, 200)))
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
        assert most_of_a_series(block) <= block.depth <= RUN_BARS_MAX
        assert block.bars <= BLOCK_BARS_MAX or block.instants == 1
        ends = [(-int(frame.ts[-1]), frame.interval) for frame in block.frames]
        assert ends == sorted(set(ends))
        assert -ends[0][0] == block.last_ts
        assert min(int(frame.ts[0]) for frame in block.frames) == block.first_ts
        for frame in block.frames:
            rows = [(row[0], row[2]) for row in bars_of([block]) if row[1] == frame.interval]
            assert rows == sorted(set(rows))
            assert frame.values.flags.c_contiguous
            assert len(frame.symbols) == (len(rows) if len({s for _, s in rows}) > 1 else 1)


@given(TABLES, st.integers(0, 200))
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
    made = list(blocks(table_of({("A", "1m"): list(range(300)), ("B", "1m"): [0, 140, 299]})))
    assert [block.bars for block in made] == [129, 129, 43, 2]
    assert [block.instants for block in made] == [128, 128, 43, 1]
    assert [len(block.frames[0].symbols) for block in made] == [129, 129, 1, 2]


def test_many_symbols_make_a_block_shorter():
    names = [f"S{n:04}" for n in range(BLOCK_BARS_MAX // 2 - 1)]
    made = list(blocks(table_of({(name, "1m"): [0, 1, 2, 3] for name in names})))
    assert [block.instants for block in made] == [2, 1, 1]
    more = [f"T{n:04}" for n in range(BLOCK_BARS_MAX + 5)]
    made = list(blocks(table_of({(name, "1m"): [0, 1] for name in more})))
    assert [block.bars for block in made] == [BLOCK_BARS_MAX + 5] * 2


def test_the_frame_that_reaches_furthest_comes_first():
    first, last = blocks(table_of({("A", "1m"): [0, 1], ("A", "5m"): [0, 2], ("B", "1m"): [3]}))
    assert [frame.interval for frame in first.frames] == ["5m", "1m"]
    assert [frame.interval for frame in last.frames] == ["1m"]


def test_a_table_without_bars_has_no_blocks():
    assert list(blocks(table_of({("A", "1m"): [1]}).clear())) == []


@pytest.mark.parametrize("symbols", [(), ("IBM",)])
def test_the_sample_in_blocks_is_the_sample_in_instants(symbols):
    settings = SourceSettings(symbols=symbols)
    made = list(market_blocks([settings]))
    told = [bar for frame in bar_frames(settings) for bar in frame]
    assert sum(block.bars for block in made) == len(told)
    frames = [frame for block in made for frame in block.frames]
    assert [frame.bar(row) for frame in frames for row in range(len(frame.ts))] == told


def test_several_sources_are_one_history():
    settings = [SourceSettings(symbols=("IBM",)), SourceSettings(symbols=("MSFT",))]
    both = SourceSettings(symbols=("IBM", "MSFT"))
    assert bars_of(list(market_blocks(settings))) == bars_of(list(market_blocks([both])))


def test_only_a_market_with_signals_of_its_own_is_told_by_instants():
    assert comes_with_signals(SourceSettings(kind="layer_b", interval="1h"))
    assert not comes_with_signals(SourceSettings())
