"""The strategist turns bars into raw signals, one virtual position at a time."""

import polars as pl
import pytest

from engine.settings import StrategySettings
from engine.signal_maker import signal_id_of
from engine.strategist import Strategist
from streams.columns import expand_signals, pack_bars
from streams.errors import ConfigError
from streams.events import Bar, Reset, Signal, Signals
from streams.validation import check_signal
from tests.engine.market import DAY_NS, random_bars
from tests.house import ROOT

RSI2 = StrategySettings(
    name="rsi2", kind="rsi2_mean_reversion", params={"trend_ma": 50, "entry": 30.0}
)
BREAKOUT = StrategySettings(name="breakout")
ENGINE = StrategySettings(name="theirs", kind="external")


def signals(strategist: Strategist, events) -> list[Signal]:
    said = [answer.event for event in events for answer in strategist.step(event)]
    return [row for event in said for row in rows_of(event)]


def rows_of(event: Signal | Signals) -> list[Signal]:
    return [event] if isinstance(event, Signal) else expand_signals(event)


def test_on_the_sample_the_docstrings_state_how_many_signals_there_are():
    table = pl.read_parquet(ROOT / "streams" / "data" / "us_stocks_daily.parquet").sort("ts")
    bars = [Bar(row[0], "1d", int(row[1].timestamp()) * 10**9, *row[2:]) for row in table.rows()]
    bare = {"slow_clearance": 0.0, "trend_ma": 20}
    settings = (
        StrategySettings(name="rsi2", kind="rsi2_mean_reversion"),
        StrategySettings(name="breakout"),
        StrategySettings(name="bare", kind="breakout", params=bare),
        StrategySettings(name="every", kind="rsi2_mean_reversion", overlapping=True),
    )
    made = signals(Strategist(settings), bars)
    counts = {one.name: sum(s.strategy == one.name for s in made) for one in settings}
    assert counts == {"rsi2": 339, "breakout": 204, "bare": 240, "every": 693}


def test_signals_can_be_honoured_and_name_their_bar():
    bars = random_bars(count=400, seed=5)
    closes = {bar.ts: bar.close for bar in bars}
    strategist = Strategist((RSI2, BREAKOUT))
    made = [answer for bar in bars for answer in strategist.step(bar)]
    assert len(made) > 10
    for answer in made:
        signal = answer.event
        check_signal(signal)
        assert signal.price == closes[signal.ts]
        assert signal.signal_id == signal_id_of(signal.strategy, signal.symbol, signal.ts)
        assert answer.subject == f"signals.raw.{signal.strategy}.AAA"


def test_a_frame_and_its_rows_give_the_same_signals():
    bars = random_bars(count=400, seed=5)
    runs = [pack_bars(bars[i : i + 37]) for i in range(0, 400, 37)]
    assert signals(Strategist((RSI2,)), runs) == signals(Strategist((RSI2,)), bars)


def test_symbols_do_not_touch_each_other():
    a, b = random_bars("AAA", seed=1), random_bars("BBB", seed=2)
    both = [bar for pair in zip(a, b, strict=True) for bar in pair]
    together = signals(Strategist((RSI2,)), both)
    alone = signals(Strategist((RSI2,)), a) + signals(Strategist((RSI2,)), b)
    assert sorted(together, key=lambda s: s.signal_id) == sorted(alone, key=lambda s: s.signal_id)


def test_repeated_late_and_invalid_bars_change_nothing():
    bars = random_bars(count=400, seed=5)
    noisy = []
    for i, bar in enumerate(bars):
        noisy += [bar, bar]
        if i > 3:
            noisy.append(Bar(bar.symbol, "1d", bars[i - 2].ts, 1.0, 1.0, 1.0, 1.0, 0.0))
        noisy.append(Bar(bar.symbol, "1d", bar.ts + 1, 1.0, 0.5, 1.0, 1.0, 0.0))
    assert signals(Strategist((RSI2,)), noisy) == signals(Strategist((RSI2,)), bars)


def test_only_the_configured_symbols_intervals_and_strategies_signal():
    bars = random_bars(count=400, seed=5)
    assert signals(Strategist((RSI2,)), bars)
    for settings in (
        ENGINE,
        StrategySettings(name="r", kind="rsi2_mean_reversion", symbols=("BBB",)),
        StrategySettings(name="r", kind="rsi2_mean_reversion", interval="1h"),
    ):
        assert signals(Strategist((settings,)), bars) == []
    assert signals(Strategist((RSI2,), owns=lambda symbol: symbol != "AAA"), bars) == []


def test_no_signal_comes_before_its_position_is_flat():
    """Entry condition on nearly every bar: the next signal waits for the exit."""
    always = StrategySettings(
        name="always",
        kind="breakout",
        params={"slow_clearance": 0.0, "trend_ma": 20, "max_hold_bars": 3},
    )
    rise = [
        Bar("AAA", "1d", i, 100.0 + i, 101.0 + i, 99.0 + i, 100.9 + i, 1.0) for i in range(1, 60)
    ]
    made = signals(Strategist((always,)), rise)
    # Signal at t, entry t + 1, held 3 bars, out at the open of t + 4, whose close signals anew.
    assert [s.ts for s in made] == list(range(21, 60, 4))


def test_a_reset_forgets_history_and_position():
    bars = random_bars(count=400, seed=5)
    strategist = Strategist((RSI2, BREAKOUT))
    signals(strategist, bars[:200])
    assert strategist.step(Reset("AAA", bars[199].ts, "split")) == []
    after = signals(strategist, bars[200:])
    assert after == signals(Strategist((RSI2, BREAKOUT)), bars[200:])


def test_a_reset_of_a_symbol_that_never_had_a_bar_is_nothing():
    strategist = Strategist((RSI2,))
    assert strategist.step(Reset("ZZZ", 1, "split")) == []


def test_progress_is_the_newest_instant_that_is_complete():
    strategist = Strategist((RSI2,))
    a, b = random_bars("AAA", 3), random_bars("BBB", 3)
    assert strategist.progress_ts == 0
    strategist.step(a[0])
    assert strategist.progress_ts == 0
    strategist.step(b[0])
    strategist.step(a[1])
    assert strategist.progress_ts == a[0].ts
    strategist.step(b[1])
    strategist.step(b[2])
    assert strategist.progress_ts == a[0].ts + DAY_NS


def test_an_id_fits_the_wire_however_long_the_names_are():
    assert signal_id_of("breakout", "AAPL", 7) == "breakout-AAPL-7"
    long_a, long_b = signal_id_of("s" * 250, "A", 7), signal_id_of("s" * 250, "B", 7)
    assert long_a != long_b
    assert len(long_a) <= 256


def test_a_wrong_parameter_is_told_at_the_start():
    wrong = StrategySettings(name="mine", kind="breakout", params={"exit_ma": 21})
    with pytest.raises(ConfigError, match=r"strategies\.mine\.params: exit_ma"):
        Strategist((wrong,))
