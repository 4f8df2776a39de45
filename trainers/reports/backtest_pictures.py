"""The pictures of a backtest: equity and drawdown, trades on price, R-multiples."""

import itertools
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.trade import REASON_NAMES
from trainers.reports.pictures import ACCENT, GAIN, LOSS, MUTED, SHADE, figure
from trainers.research.portfolio_backtest import PortfolioBacktest, StrategyRun

SYMBOLS_PICTURED_MAX = 6
POINTS_MAX = 4_000
TRADES_PICTURED_MAX = 1_000
R_SHOWN = 5.0
R_BIN = 0.25
MARKS = (
    ("triangle-up", "triangle-down"),
    ("star-triangle-up", "star-triangle-down"),
    ("arrow-up", "arrow-down"),
)
"""Of longs and shorts, strategy by strategy: colours are taken by what trades made."""


def equity_picture(backtest: PortfolioBacktest) -> go.Figure:
    """Equity above, drawdown below, by close."""
    account, values = backtest.account, backtest.curve.values
    shown = _thinned(values)
    when = _when(account.ts[shown])
    drawdown = (values / np.maximum.accumulate(values) - 1.0)[shown]
    picture = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.04
    )
    picture.update_layout(figure(height=440).layout)
    picture.add_trace(
        go.Scatter(x=when, y=values[shown], name="equity", line={"color": ACCENT, "width": 1.6}),
        row=1,
        col=1,
    )
    picture.add_trace(
        go.Scatter(
            x=when,
            y=drawdown,
            name="drawdown",
            fill="tozeroy",
            fillcolor="rgba(192, 57, 43, 0.15)",
            line={"color": LOSS, "width": 1.0},
        ),
        row=2,
        col=1,
    )
    for row in (1, 2):
        picture.update_xaxes(figure().layout.xaxis, row=row, col=1)
        picture.update_yaxes(figure().layout.yaxis, row=row, col=1)
    picture.update_yaxes(tickformat=",.0f", row=1, col=1)
    picture.update_yaxes(tickformat=".0%", row=2, col=1)
    return picture


def pictured_symbols(backtest: PortfolioBacktest) -> tuple[str, ...]:
    """Return the symbols with most trades, at most SYMBOLS_PICTURED_MAX; ties by name."""
    counts = np.zeros(len(backtest.history.symbols), dtype=np.int64)
    for run in backtest.runs:
        counts += np.bincount(run.log.slot[run.is_traded], minlength=len(counts))
    order = np.argsort(-counts, kind="stable")[:SYMBOLS_PICTURED_MAX]
    return tuple(backtest.history.symbols[slot] for slot in order.tolist() if counts[slot])


def trades_picture(backtest: PortfolioBacktest, symbol: str) -> go.Figure:
    """The closes of a symbol, and where the portfolio entered and left: of each strategy and side
    the last TRADES_PICTURED_MAX trades.
    """
    history = backtest.history
    rows = history.rows_of(symbol)
    shown = rows.start + _thinned(history.values[rows, 3])
    picture = figure(height=360, hovermode="closest")
    picture.add_trace(
        go.Scatter(
            x=_when(history.ts[shown]),
            y=history.values[shown, 3],
            name="close",
            showlegend=False,
            line={"color": MUTED, "width": 1.0},
            hovertemplate=f"%{{x|{_clock(backtest)}}} %{{y:.6g}}",
        )
    )
    slot = history.symbols.index(symbol)
    kinds = 0
    for run, marks in zip(backtest.runs, itertools.cycle(MARKS), strict=False):
        traded = run.is_traded & (run.log.slot == slot)
        for side, name, mark in ((1, "long", marks[0]), (-1, "short", marks[1])):
            chosen = np.flatnonzero(traded & (run.log.side == side))[-TRADES_PICTURED_MAX:]
            if len(chosen):
                kinds += 1
                _add_trades(picture, backtest, run, chosen, f"{run.settings.name} {name}", mark)
    # Below the picture, so that many strategies leave it its place.
    picture.update_layout(showlegend=kinds > 1, legend={"y": -0.1, "yanchor": "top"})
    return picture


def _add_trades(
    picture: go.Figure,
    backtest: PortfolioBacktest,
    run: StrategyRun,
    chosen: np.ndarray,
    name: str,
    mark: str,
) -> None:
    """Add trades of one strategy and side: a mark, a line to the exit, a cross there."""
    ts, log = backtest.history.ts, run.log
    is_gain = run.figures.y_pnl_net[chosen] > 0.0
    entered, left = _when(ts[log.entry_row[chosen]]), _when(ts[log.exit_row[chosen]])
    paid, got = log.entry_price[chosen], log.exit_price[chosen]
    for colour, part in ((GAIN, is_gain), (LOSS, ~is_gain)):
        # A line breaks at NaN: one trace holds all trades that went one way.
        gap = np.full(int(part.sum()), np.nan)
        ways = np.column_stack([paid[part], got[part], gap]).ravel()
        times = np.column_stack([entered[part], left[part], left[part]]).ravel()
        line = {"color": colour, "width": 1.0, "dash": "dot"}
        plain: dict[str, Any] = {"showlegend": False, "hoverinfo": "skip", "legendgroup": name}
        picture.add_trace(go.Scatter(x=times, y=ways, mode="lines", line=line, **plain))
    colours = np.where(is_gain, GAIN, LOSS)
    r_multiple = run.figures.r_multiple[chosen]
    reasons = [REASON_NAMES[reason] for reason in log.reason[chosen].tolist()]
    text = [f"{r:+.2f} R, {why}" for r, why in zip(r_multiple, reasons, strict=True)]
    for what, when, price, symbol in (
        ("entry", entered, paid, mark),
        ("exit", left, got, "x-thin-open"),
    ):
        picture.add_trace(
            go.Scatter(
                x=when,
                y=price,
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=what == "entry",
                marker={"symbol": symbol, "size": 8, "color": colours},
                text=text,
                hovertemplate=f"{what} %{{x|{_clock(backtest)}}} %{{y:.6g}}<br>%{{text}}",
            )
        )


def r_picture(backtest: PortfolioBacktest) -> go.Figure:
    """How many trades made how much, in R; what lies beyond ±R_SHOWN is counted at the edge."""
    made = [run.figures.r_multiple[run.is_traded & run.figures.is_sound] for run in backtest.runs]
    r_multiple = np.clip(np.concatenate([np.empty(0), *made]), -R_SHOWN, R_SHOWN)
    edges = np.arange(-R_SHOWN, R_SHOWN + R_BIN, R_BIN)
    counts, _ = np.histogram(r_multiple, edges)
    middles = (edges[:-1] + edges[1:]) / 2.0
    picture = figure(height=300, bargap=0.06, margin={"l": 8, "r": 8, "t": 24, "b": 8})
    picture.add_trace(
        go.Bar(
            x=middles,
            y=counts,
            marker={"color": np.where(middles > 0.0, GAIN, LOSS)},
            hovertemplate="%{x:+.2f} R: %{y} trades<extra></extra>",
        )
    )
    picture.update_xaxes(title="R-multiple, net")
    picture.update_yaxes(title="trades")
    if len(r_multiple):
        mean = float(np.concatenate(made).mean())
        picture.add_vline(x=mean, line={"color": ACCENT, "dash": "dot"})
        picture.add_annotation(
            x=mean,
            y=1.0,
            yref="paper",
            yanchor="bottom",
            text=f"mean {mean:+.2f} R",
            showarrow=False,
        )
    return picture


def exposure_picture(backtest: PortfolioBacktest) -> go.Figure:
    """How many positions were held, and how much of the equity they were."""
    account, values = backtest.account, backtest.curve.values
    share = np.zeros(len(values))
    np.divide(account.gross_exposure, values, out=share, where=values > 0.0)
    shown = _thinned(share)
    picture = figure(height=220)
    picture.add_trace(
        go.Scatter(
            x=_when(account.ts[shown]),
            y=share[shown],
            fill="tozeroy",
            fillcolor=SHADE,
            line={"color": ACCENT, "width": 1.0},
            customdata=account.positions[shown],
            hovertemplate="%{y:.0%} of equity in %{customdata} positions<extra></extra>",
        )
    )
    picture.update_yaxes(tickformat=".0%")
    return picture


def _thinned(values: np.ndarray) -> np.ndarray:
    """Return at most POINTS_MAX places of `values` (n,), ascending: the first and the last, and
    between them the lowest and the highest of even parts, so that no fall is left out.
    """
    count = len(values)
    if count <= POINTS_MAX:
        return np.arange(count)
    edges = np.linspace(0, count, POINTS_MAX // 2).astype(np.int64)
    kept = [0, count - 1]
    for start, end in itertools.pairwise(edges.tolist()):
        part = values[start:end]
        kept += [start + int(part.argmin()), start + int(part.argmax())]
    return np.unique(kept)


def _when(ts: np.ndarray) -> np.ndarray:
    return ts.astype("datetime64[ns]")


def _clock(backtest: PortfolioBacktest) -> str:
    """How an instant is written: daily bars by their day."""
    return "%Y-%m-%d" if backtest.history.interval == "1d" else "%Y-%m-%d %H:%M"
