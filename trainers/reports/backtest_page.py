"""A backtest as one page: figures, pictures and tables in a file that opens offline."""

import calendar
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from engine.backtests.portfolio_kernels import TAKEN
from engine.settings import StrategySettings
from trainers.reports.backtest_pictures import (
    TRADES_PICTURED_MAX,
    equity_picture,
    exposure_picture,
    pictured_symbols,
    r_picture,
    trades_picture,
)
from trainers.reports.pictures import division, program
from trainers.reports.words import conclusion, number, share
from trainers.research.backtest_frames import FATES
from trainers.research.portfolio_backtest import PortfolioBacktest
from trainers.statistics.monthly_returns import monthly_returns

TEMPLATES = Path(__file__).parent / "templates"
SYMBOLS_LISTED_MAX = 40
FULL_COLOUR_AT = 0.08
"""A month's return of this size has the full colour."""


def write_backtest_page(backtest: PortfolioBacktest, name: str, file: Path) -> None:
    """Write the page to `file`, as a whole. Raises OSError where that cannot be."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(backtest_page(backtest, name), encoding="utf-8")
    partial.replace(file)


def backtest_page(backtest: PortfolioBacktest, name: str) -> str:
    """Return the page of a backtest, the same for the same backtest; `name` is its heading."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    found = backtest.performance
    months = monthly_returns(backtest.account.ts, backtest.account.equity)
    symbols = backtest.history.symbols
    return environment.get_template("backtest.html.j2").render(
        name=name,
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        program=program(),
        span=f"{_day(found.started_ts)} to {_day(found.ended_ts)}",
        symbols=f"{len(symbols)} symbols" if len(symbols) > 1 else symbols[0],
        bars=f"{len(backtest.history):,}",
        capital=f"{backtest.settings.initial_capital:,.0f}",
        verdict=conclusion(found, backtest.deflated),
        tiles=_tiles(backtest),
        equity=_picture(equity_picture(backtest), "equity"),
        exposure=_picture(exposure_picture(backtest), "exposure"),
        r_multiples=_picture(r_picture(backtest), "r-multiples"),
        trades=[
            {
                "symbol": symbol,
                "picture": _picture(trades_picture(backtest, symbol), f"trades-{place}"),
            }
            for place, symbol in enumerate(pictured_symbols(backtest))
        ],
        trades_pictured=f"{TRADES_PICTURED_MAX:,}",
        months=list(calendar.month_abbr)[1:],
        years=[
            {"year": year, "cells": [_cell(value) for value in row], "total": _return(total)}
            for year, row, total in zip(
                months.years.tolist(), months.returns.tolist(), months.totals.tolist(), strict=True
            )
        ],
        tables=[_strategies(backtest), _symbols(backtest), _settings(backtest)],
    )


def _picture(picture: Any, name: str) -> str:
    return division(picture, name)


def _tiles(backtest: PortfolioBacktest) -> list[dict[str, str]]:
    found, deflated = backtest.performance, backtest.deflated
    tiles = {
        "end equity": f"{found.end_equity:,.0f}",
        "CAGR": share(found.cagr),
        "Sharpe ratio": number(found.sharpe_ratio),
        "deflated Sharpe": number(
            deflated.probability if deflated and deflated.trials > 1 else None
        ),
        "Sortino ratio": number(found.sortino_ratio),
        "Calmar ratio": number(found.calmar_ratio),
        "maximum drawdown": share(found.max_drawdown),
        "volatility, a year": share(found.volatility),
        "trades": f"{found.trades:,}",
        "hit rate": share(found.hit_rate),
        "profit factor": number(found.profit_factor),
        "expectancy": number(found.expectancy_r, " R"),
        "exposure": share(found.exposure),
        "turnover, a year": number(found.turnover, "x"),
        "longest losing streak": str(found.longest_losing_streak),
    }
    return [{"name": name, "value": value} for name, value in tiles.items()]


def _strategies(backtest: PortfolioBacktest) -> dict[str, Any]:
    rows = []
    fates_of_all = {fate for run in backtest.runs for fate in run.positions.fate.tolist()}
    seen = [fate for fate in FATES if fate == TAKEN or fate in fates_of_all]
    for run in backtest.runs:
        fates = [f"{int((run.positions.fate == fate).sum()):,}" for fate in seen]
        mine = backtest.performance_of(run)
        profit = f"{float(run.positions.pnl_net.sum()):,.0f}"
        told = [share(mine.hit_rate), number(mine.expectancy_r), number(mine.profit_factor)]
        rows.append([run.settings.name, f"{run.log.signals:,}", *fates, profit, *told])
    words = [FATES[fate].replace("_", " ") for fate in seen]
    head = ["strategy", "signals", *words, "net profit", "hit rate", "mean R", "profit factor"]
    return {"title": "What became of the signals", "head": head, "rows": rows}


def _symbols(backtest: PortfolioBacktest) -> dict[str, Any]:
    count = len(backtest.history.symbols)
    trades, profit, r_sum, wins = (np.zeros(count) for _ in range(4))
    for run in backtest.runs:
        chosen = (run.positions.fate == TAKEN) & run.figures.is_sound
        slot = run.log.slot[chosen]
        trades += np.bincount(slot, minlength=count)
        for column, weights in (
            (profit, run.positions.pnl_net[chosen]),
            (r_sum, run.figures.r_multiple[chosen]),
            (wins, (run.figures.y_binary[chosen] == 1).astype(np.float64)),
        ):
            column += np.bincount(slot, weights=weights, minlength=count)
    order = [slot for slot in np.argsort(-profit, kind="stable").tolist() if trades[slot]]
    rows = [
        [
            backtest.history.symbols[slot],
            f"{trades[slot]:,.0f}",
            f"{profit[slot]:,.0f}",
            share(wins[slot] / trades[slot]),
            number(r_sum[slot] / trades[slot]),
        ]
        for slot in order
    ]
    title = "By symbol, best first"
    if len(rows) > SYMBOLS_LISTED_MAX:
        half = SYMBOLS_LISTED_MAX // 2
        left_out = len(rows) - 2 * half
        rows = [*rows[:half], [f"… {left_out} more", "", "", "", ""], *rows[-half:]]
        title = f"By symbol, the best and the worst {half}"
    return {
        "title": title,
        "head": ["symbol", "trades", "net profit", "hit rate", "mean R"],
        "rows": rows,
    }


def _settings(backtest: PortfolioBacktest) -> dict[str, Any]:
    account = backtest.settings
    rows = [
        ["capital", f"{account.initial_capital:,.0f}"],
        ["risk per trade", f"{account.risk_per_trade:.2%}"],
        ["positions at most", str(account.max_positions)],
        ["leverage at most", f"{account.max_leverage:g}"],
        ["one per symbol", "yes" if account.one_per_symbol else "no"],
    ]
    for run in backtest.runs:
        params = ", ".join(f"{key} {value}" for key, value in run.settings.params.items())
        rows.append([run.settings.name, params or "default parameters"])
        rows.append([f"costs of {run.settings.name}", _costs(run.settings)])
    return {"title": "Settings", "head": ["", ""], "rows": rows}


def _costs(settings: StrategySettings) -> str:
    """What one side of a trade costs, in words."""
    if settings.instruments is not None:
        return "those of each instrument"
    costs = settings.costs
    parts = [
        (costs.bps_per_side, f"{costs.bps_per_side:g} bps"),
        (costs.commission_per_side, f"{costs.commission_per_side:g} a unit"),
        (costs.slippage_ticks, f"{costs.slippage_ticks:g} ticks of {costs.tick_size:g}"),
    ]
    told = [text for value, text in parts if value]
    return f"{', '.join(told)} per side" if told else "none"


def _cell(value: float) -> dict[str, str]:
    if math.isnan(value):
        return {"text": "", "colour": "transparent"}
    depth = min(abs(value) / FULL_COLOUR_AT, 1.0) * 0.55
    base = "27, 127, 92" if value > 0.0 else "192, 57, 43"
    # + 0.0: no minus before a zero.
    return {"text": f"{round(value * 100, 1) + 0.0:.1f}", "colour": f"rgba({base}, {depth:.2f})"}


def _return(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}"
