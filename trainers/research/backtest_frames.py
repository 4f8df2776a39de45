"""A backtest as data frames: trades, and the account by instant."""

import numpy as np
import polars as pl

from engine.backtests.portfolio_kernels import (
    NO_CAPITAL,
    NO_RATE,
    NO_SLOT,
    NO_STOP,
    REJECTED,
    SYMBOL_HELD,
    TAKEN,
    TOO_SMALL,
)
from engine.signal_maker import signal_id_of
from engine.trade import REASON_NAMES
from trainers.research.portfolio_backtest import PortfolioBacktest, StrategyRun

FATES = {
    TAKEN: "taken",
    REJECTED: "rejected",
    SYMBOL_HELD: "symbol_held",
    NO_SLOT: "no_slot",
    NO_CAPITAL: "no_capital",
    TOO_SMALL: "too_small",
    NO_RATE: "no_rate",
    NO_STOP: "no_stop",
}
_UTC = pl.Datetime("ns", "UTC")


def trades_frame(backtest: PortfolioBacktest, *, only_taken: bool = True) -> pl.DataFrame:
    """Return one row per signal that got a position, or per signal, by its time and symbol.

    Times are closes in UTC: of the signal's bar, and of the bars of its fills (null while open).
    `entry_price` to `r_multiple` are per unit, as the labeller counts them; `quantity`,
    `pnl_gross` and `pnl_net` are the portfolio's, in the account's currency. `fate` says why a
    signal got no position.
    """
    frames = [_run_frame(backtest, run) for run in backtest.runs]
    if not frames:
        raise ValueError("a backtest without strategies has no trades")
    frame = pl.concat(frames).sort("signal_ts", "symbol", "strategy")
    return frame.filter(pl.col("fate") == FATES[TAKEN]) if only_taken else frame


def equity_frame(backtest: PortfolioBacktest) -> pl.DataFrame:
    """Return the account after every close: equity, drawdown, exposure, positions."""
    account, values = backtest.account, backtest.curve.values
    return pl.DataFrame(
        {
            "ts": pl.Series(account.ts).cast(_UTC),
            "equity": account.equity,
            "drawdown": values / np.maximum.accumulate(values) - 1.0,
            "gross_exposure": account.gross_exposure,
            "margin": account.tied_up,
            "traded": account.traded,
            "positions": account.positions,
        }
    )


def _run_frame(backtest: PortfolioBacktest, run: StrategyRun) -> pl.DataFrame:
    history, log, figures = backtest.history, run.log, run.figures
    symbols = np.array(history.symbols, dtype=object)[log.slot].tolist()
    signal_ts = history.ts[log.signal_row]
    name = run.settings.name
    ids = [signal_id_of(name, symbol, ts) for symbol, ts in zip(symbols, signal_ts.tolist())]  # noqa: B905
    is_sound = figures.is_sound
    columns = {
        "signal_id": pl.Series(ids, dtype=pl.String),
        "strategy": pl.Series([name] * log.signals, dtype=pl.String),
        "symbol": pl.Series(symbols, dtype=pl.String),
        "side": log.side,
        "signal_ts": pl.Series(signal_ts).cast(_UTC),
        "entry_ts": _times(history.ts, log.entry_row),
        "exit_ts": _times(history.ts, log.exit_row),
        "score": log.score,
        "probability": _null_nan(run.scores.probability),
        "final_score": run.scores.final_score,
        "fate": pl.Series([FATES[fate] for fate in run.positions.fate.tolist()], dtype=pl.String),
        "stop": log.stop,
        "entry_price": _null_nan(log.entry_price),
        "exit_price": _null_nan(log.exit_price),
        "exit_reason": pl.Series(
            [REASON_NAMES[r] or None for r in log.reason.tolist()], dtype=pl.String
        ),
        "bars_held": log.bars_held,
        "y_return": _null_nan(figures.y_return),
        "r_multiple": _null_nan(figures.r_multiple),
        "quantity": run.positions.quantity,
        "pnl_gross": pl.Series(np.where(is_sound, run.positions.pnl_gross, np.nan)).fill_nan(None),
        "pnl_net": pl.Series(np.where(is_sound, run.positions.pnl_net, np.nan)).fill_nan(None),
    }
    return pl.DataFrame(columns)


def _times(ts: np.ndarray, rows: np.ndarray) -> pl.Series:
    """Return the closes of `rows`, null for those before the first."""
    known = pl.Series(ts[np.maximum(rows, 0)]) if len(ts) else pl.Series(rows)
    return pl.select(pl.when(pl.Series(rows >= 0)).then(known)).to_series().cast(_UTC)


def _null_nan(values: np.ndarray) -> pl.Series:
    return pl.Series(values).fill_nan(None)
