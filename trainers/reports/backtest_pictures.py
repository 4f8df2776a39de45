"""The pictures of a backtest: equity and drawdown, trades on price, R-multiples."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.trade import REASON_NAMES
from trainers.reports.pictures import ACCENT, GAIN, LOSS, MUTED, SHADE, figure
from trainers.research.portfolio_backtest import PortfolioBacktest

SYMBOLS_PICTURED_MAX = 6
POINTS_MAX = 4_000
R_SHOWN = 5.0
R_BIN = 0.25


def equity_picture(backtest: PortfolioBacktest) -> go.Figure:
    """Equity above, drawdown below, by close."""
    account, values = backtest.account, backtest.curve.values
    shown = _thinned(len(account.ts))
    when = account.ts[shown].astype("datetime64[ns]")
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
    """The closes of a symbol, and where the portfolio entered and left."""
    history = backtest.history
    rows = history.rows_of(symbol)
    shown = rows.start + _thinned(rows.stop - rows.start)
    picture = figure(height=360, showlegend=True, hovermode="closest")
    picture.add_trace(
        go.Scatter(
            x=history.ts[shown].astype("datetime64[ns]"),
            y=history.values[shown, 3],
            name="close",
            line={"color": MUTED, "width": 1.0},
        )
    )
    slot = history.symbols.index(symbol)
    for run in backtest.runs:
        log = run.log
        traded = run.is_traded & (log.slot == slot)
        for side, name, mark in ((1, "long", "triangle-up"), (-1, "short", "triangle-down")):
            chosen = np.flatnonzero(traded & (log.side == side))
            if not len(chosen):
                continue
            colours = np.where(run.figures.y_pnl_net[chosen] > 0.0, GAIN, LOSS)
            r_multiple = run.figures.r_multiple[chosen]
            reasons = [REASON_NAMES[reason] for reason in log.reason[chosen].tolist()]
            for what, at, price, symbol_ in (
                ("entry", log.entry_row, log.entry_price, mark),
                ("exit", log.exit_row, log.exit_price, "x-thin-open"),
            ):
                picture.add_trace(
                    go.Scatter(
                        x=history.ts[at[chosen]].astype("datetime64[ns]"),
                        y=price[chosen],
                        mode="markers",
                        name=f"{run.settings.name} {name} {what}",
                        marker={"symbol": symbol_, "size": 8, "color": colours},
                        text=[
                            f"{r:+.2f} R, {why}" for r, why in zip(r_multiple, reasons, strict=True)
                        ],
                        hovertemplate="%{x|%Y-%m-%d} %{y:.4g}<br>%{text}",
                    )
                )
    return picture


def r_picture(backtest: PortfolioBacktest) -> go.Figure:
    """How many trades made how much, in R; what lies beyond ±R_SHOWN is counted at the edge."""
    made = [run.figures.r_multiple[run.is_traded & run.figures.is_sound] for run in backtest.runs]
    r_multiple = np.clip(np.concatenate([np.empty(0), *made]), -R_SHOWN, R_SHOWN)
    edges = np.arange(-R_SHOWN, R_SHOWN + R_BIN, R_BIN)
    counts, _ = np.histogram(r_multiple, edges)
    middles = (edges[:-1] + edges[1:]) / 2.0
    picture = figure(height=300, bargap=0.06)
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
            x=mean, y=1.0, yref="paper", text=f"mean {mean:+.2f} R", showarrow=False, xshift=44
        )
    return picture


def exposure_picture(backtest: PortfolioBacktest) -> go.Figure:
    """How many positions were held, and how much of the equity they were."""
    account = backtest.account
    shown = _thinned(len(account.ts))
    values = backtest.curve.values[shown]
    share = np.divide(
        account.gross_exposure[shown], values, out=np.zeros(len(shown)), where=values > 0.0
    )
    picture = figure(height=220)
    picture.add_trace(
        go.Scatter(
            x=account.ts[shown].astype("datetime64[ns]"),
            y=share,
            fill="tozeroy",
            fillcolor=SHADE,
            line={"color": ACCENT, "width": 1.0},
            customdata=account.positions[shown],
            hovertemplate="%{y:.0%} of equity in %{customdata} positions<extra></extra>",
        )
    )
    picture.update_yaxes(tickformat=".0%")
    return picture


def _thinned(count: int) -> np.ndarray:
    """Return at most POINTS_MAX of `count` places, evenly, the first and the last among them."""
    if count <= POINTS_MAX:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, POINTS_MAX).astype(np.int64))
