"""Trade by trade with an engine of other people's making: backtesting.py on the same rules.

Signals are computed anew here, with pandas alone, and traded by that library's broker: orders at
the next open, stops within the bar, a gap through a stop filled at the open. Both engines agree on
every entry, every exit and every price, with these conventions made equal:

- one share a trade, no costs: those are ours to add, once a side (`test_trade.py`);
- a position that is open at the end of the data is in neither list.
"""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.settings import StrategySettings
from tests.house import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from backtesting import Backtest, Strategy

SPY = ROOT.parent / "shared" / "data" / "bench" / "spy_daily_lean.parquet"
SAMPLE = ROOT / "streams" / "data" / "us_stocks_daily.parquet"
COLUMNS = ["open", "high", "low", "close", "volume"]


def bars_of(name: str) -> pd.DataFrame:
    if name == "SPY":
        if not SPY.exists():
            pytest.skip(f"the benchmark's bars of SPY are not here: {SPY.name}")
        table = pl.read_parquet(SPY)
    else:
        table = pl.read_parquet(SAMPLE).filter(pl.col("symbol") == name)
    rows = table.sort("ts").select(COLUMNS).to_numpy()
    days = pd.DatetimeIndex(table.sort("ts")["ts"].to_numpy())
    return pd.DataFrame(rows, index=days, columns=[name.title() for name in COLUMNS])


def true_range(bars: pd.DataFrame) -> pd.Series:
    before = bars.Close.shift(1)
    highest = np.maximum(bars.High, before.fillna(bars.High))
    return highest - np.minimum(bars.Low, before.fillna(bars.Low))


def average_true_range(bars: pd.DataFrame) -> pd.Series:
    return true_range(bars).rolling(14, min_periods=1).mean()


def wilders_rsi(close: pd.Series, period: int) -> pd.Series:
    change = close.diff()
    gains, losses = change.clip(lower=0.0), -change.clip(upper=0.0)

    def smoothed(values: pd.Series) -> pd.Series:
        out = np.full(len(values), np.nan)
        out[period] = values.iloc[1 : period + 1].mean()
        for i in range(period + 1, len(values)):
            out[i] = (out[i - 1] * (period - 1) + values.iloc[i]) / period
        return pd.Series(out, index=values.index)

    gain, loss = smoothed(gains), smoothed(losses)
    return 100.0 * gain / (gain + loss)


class Peer(Strategy):
    """One position at a time; `plan` has entry, exit and stop for every close."""

    plan: pd.DataFrame
    max_hold_bars = 0

    def init(self):
        self.entry, self.exit, self.stop = (
            self.plan[name].to_numpy() for name in ("entry", "exit", "stop")
        )

    def next(self):
        i = len(self.data) - 1
        if self.trades:
            held = i - self.trades[0].entry_bar + 1
            if self.exit[i] or 0 < self.max_hold_bars <= held:
                self.trades[0].close()
        elif self.entry[i]:
            self.buy(size=1, sl=float(self.stop[i]))


def peers_trades(bars: pd.DataFrame, plan: pd.DataFrame, max_hold_bars: int):
    peer = type("Planned", (Peer,), {"plan": plan, "max_hold_bars": max_hold_bars})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trades = Backtest(bars, peer, cash=1e9).run()._trades
    columns = ["EntryBar", "ExitBar", "EntryPrice", "ExitPrice"]
    return sorted(map(tuple, trades[columns].to_numpy().tolist()))


def our_trades(bars: pd.DataFrame, settings: StrategySettings):
    history = BarHistory(
        ("X",),
        "1d",
        np.array([0, len(bars)]),
        bars.index.to_numpy().astype("datetime64[ns]").astype(np.int64),
        bars.to_numpy(),
    )
    log = run_strategy(settings, history)
    log = log.take(log.is_closed)
    columns = (log.entry_row, log.exit_row, log.entry_price, log.exit_price)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def rsi2_plan(bars: pd.DataFrame, stop_atr_mult: float) -> pd.DataFrame:
    rsi = wilders_rsi(bars.Close, 2)
    trend = bars.Close.rolling(200).mean()
    return pd.DataFrame(
        {
            "entry": (rsi < 10.0) & (bars.Close > trend),
            "exit": rsi > 65.0,
            "stop": bars.Close - stop_atr_mult * average_true_range(bars),
        }
    )


def breakout_plan(bars: pd.DataFrame, stop_atr_mult: float) -> pd.DataFrame:
    before = bars.High.shift(1)
    fast, slow = before.rolling(10).max(), before.rolling(20).max()
    mean_20, mean_50 = bars.Close.rolling(20).mean(), bars.Close.rolling(50).mean()
    is_clear = (bars.Close > fast) & (bars.Close > slow * 1.005) & (bars.Close > mean_50)
    return pd.DataFrame(
        {
            "entry": is_clear,
            "exit": bars.Close < mean_20,
            "stop": bars.Close - stop_atr_mult * average_true_range(bars),
        }
    )


def same_trades(ours, theirs):
    assert [trade[:2] for trade in ours] == [trade[:2] for trade in theirs]
    # A stop is a number of mean true ranges, summed in another order there: one part in 1e12.
    np.testing.assert_allclose(
        np.array([trade[2:] for trade in ours]),
        np.array([trade[2:] for trade in theirs]),
        rtol=1e-12,
    )


@pytest.mark.parametrize(("symbol", "at_least"), [("SPY", 150), ("MSFT", 60), ("AAPL", 60)])
def test_rsi2_trades_as_an_independent_engine_does(symbol, at_least):
    bars = bars_of(symbol)
    settings = StrategySettings(name="rsi2_mean_reversion")
    ours = our_trades(bars, settings)
    assert len(ours) >= at_least
    same_trades(ours, peers_trades(bars, rsi2_plan(bars, 2.5), max_hold_bars=10))


@pytest.mark.parametrize(("symbol", "at_least"), [("SPY", 60), ("MSFT", 40), ("AAPL", 40)])
@pytest.mark.parametrize("stop_atr_mult", [0.5, 2.5])
def test_a_stop_based_strategy_trades_as_an_independent_engine_does(
    symbol, at_least, stop_atr_mult
):
    bars = bars_of(symbol)
    params = {"hard_stop_atr_mult": stop_atr_mult}
    ours = our_trades(bars, StrategySettings(name="breakout", params=params))
    assert len(ours) >= at_least
    theirs = peers_trades(bars, breakout_plan(bars, stop_atr_mult), max_hold_bars=0)
    same_trades(ours, theirs)
    if stop_atr_mult < 1.0:
        stopped = sum(ours[i][3] not in bars.Open.to_numpy() for i in range(len(ours)))
        assert stopped > len(ours) // 3
