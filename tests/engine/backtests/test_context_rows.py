"""The context of a history is the stream's, and knows nothing of what comes at or after a bar."""

import numpy as np
import pytest

from engine.backtests.bar_history import BarHistory
from engine.backtests.context_rows import context_rows
from engine.backtests.feature_columns import plain_contexts
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.market import Market
from models.context import CONTEXT_SIZE, UTC_OFFSET_SECONDS
from models.feature_set import load_feature_set
from streams.columns import columns_of, pack_bars
from streams.errors import ConfigError
from streams.events import Bar
from streams.session import session
from tests.engine.market import random_bars

SYMBOLS = tuple(sorted((*(f"S{n:02}" for n in range(10)), "SPY", "XLK")))
UNBROKEN = ("S01", "SPY", "XLK")
CONTEXT = ContextSettings(market="SPY", sectors={"S01": "XLK", "SPY": "XLK"}, breadth=True)
CLOCK = session("us_equity")
DAYS = 240


def some_bars() -> dict[str, list[Bar]]:
    """Symbols of unequal lengths, most of them with gaps."""
    rng = np.random.default_rng(7)
    return {
        symbol: [
            one
            for one in random_bars(symbol, DAYS, seed=n)[0 if symbol in UNBROKEN else n :]
            if rng.random() > 0.05 or symbol in UNBROKEN
        ]
        for n, symbol in enumerate(SYMBOLS)
    }


BARS = some_bars()


def history_of(bars: dict[str, list[Bar]]) -> BarHistory:
    lanes = [bars[symbol] for symbol in sorted(bars)]
    rows = [one for lane in lanes for one in lane]
    values = [(one.open, one.high, one.low, one.close, one.volume) for one in rows]
    starts = np.concatenate(([0], np.cumsum([len(lane) for lane in lanes])))
    ts = np.array([one.ts for one in rows], dtype=np.int64)
    return BarHistory(tuple(sorted(bars)), "1d", starts, ts, np.array(values))


HISTORY = history_of(BARS)
ROWS = context_rows(HISTORY, CLOCK, CONTEXT)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def test_nearly_everything_is_known_at_the_end():
    last = ROWS[HISTORY.rows_of("S01").stop - 1]
    assert np.isfinite(last).all()
    assert ROWS.shape == (len(HISTORY), CONTEXT_SIZE)


@pytest.mark.parametrize("day", [0, 1, 30, 111, 200, DAYS - 1])
def test_the_future_and_the_instant_itself_change_nothing(day: int):
    instant = int(HISTORY.instants[day])
    until = HISTORY.ts <= instant
    cut = HISTORY.between(0, instant)
    assert same_bits(context_rows(cut, CLOCK, CONTEXT), ROWS[until])
    wild = HISTORY.values.copy()
    wild[HISTORY.ts >= instant] *= 1e6
    changed = BarHistory(HISTORY.symbols, "1d", HISTORY.starts, HISTORY.ts, wild)
    assert same_bits(context_rows(changed, CLOCK, CONTEXT)[until], ROWS[until])


def test_what_comes_before_does_change_something():
    instant = int(HISTORY.instants[215])
    wild = HISTORY.values.copy()
    wild[HISTORY.ts == instant] *= 1.5
    changed = context_rows(
        BarHistory(HISTORY.symbols, "1d", HISTORY.starts, HISTORY.ts, wild), CLOCK, CONTEXT
    )
    after = HISTORY.ts == int(HISTORY.instants[216])
    fields = (changed[after] != ROWS[after]) & np.isfinite(ROWS[after])
    assert fields.any(axis=0)[UTC_OFFSET_SECONDS + 1 :].all()


@pytest.mark.parametrize("rows_per_frame", [1, 7, 500])
def test_the_features_are_those_of_the_stream_bit_for_bit(rows_per_frame: int):
    features = load_feature_set()
    wanted = np.empty((len(HISTORY), len(features.names)), dtype=np.float32)
    features.update_many(
        features.new_states(len(SYMBOLS)),
        HISTORY.slots,
        HISTORY.ts,
        HISTORY.values,
        ROWS,
        wanted,
    )
    stream = Market(features, CLOCK, CONTEXT)
    order = HISTORY.by_time
    bars = [
        BARS[SYMBOLS[HISTORY.slots[row]]][row - HISTORY.starts[HISTORY.slots[row]]] for row in order
    ]
    found = np.empty_like(wanted)
    for start in range(0, len(bars), rows_per_frame):
        part = bars[start : start + rows_per_frame]
        if rows_per_frame == 1:
            assert stream.accept(part[0])
        else:
            assert len(stream.take(columns_of(pack_bars(part))).rows) == len(part)
        for one, row in zip(part, order[start : start + rows_per_frame], strict=True):
            found[row] = stream.row(stream.place_of(one.symbol, one.interval, one.ts))
    assert same_bits(found, wanted)
    names = list(features.names)
    for name in ("relative_strength_20", "market_beta_60", "breadth_above_sma_50"):
        assert np.isfinite(found[:, names.index(name)]).mean() > 0.4, name


def test_without_a_context_there_is_the_clock_alone():
    assert same_bits(context_rows(HISTORY, CLOCK, NO_CONTEXT), plain_contexts(HISTORY, CLOCK))


def test_a_reference_without_bars_is_told_of():
    with pytest.raises(ConfigError, match=r"'SPX' is not in the bars.*SPY"):
        context_rows(HISTORY, CLOCK, ContextSettings(market="SPX"))
