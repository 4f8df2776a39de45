"""The table of an account: what a backtest's portfolio was worth, for people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.tables import plain_table
from engine.backtests.portfolio_kernels import TAKEN
from trainers.reports.words import conclusion, number, share
from trainers.research.backtest_frames import FATES
from trainers.research.portfolio_backtest import PortfolioBacktest, StrategyRun


def account_report(backtest: PortfolioBacktest) -> RenderableType:
    """Return the figures of the account, and of what each strategy gave to it."""
    parts: list[RenderableType] = [_account(backtest), Text(""), _strategies(backtest)]
    return Group(*parts, Text(""), Text(conclusion(backtest.performance, backtest.deflated)))


def cost_notices(backtest: PortfolioBacktest) -> Iterator[str]:
    """Say of each strategy's own commission what it comes to where a point is not one unit."""
    for run in backtest.runs:
        commission = run.settings.costs.commission_per_side
        if run.settings.instruments is not None or not commission:
            continue
        for one in backtest.instruments:
            if one.point_value != 1.0:
                yield (
                    f"costs of {run.settings.name} are in points of price: a commission of "
                    f"{commission:g} is {commission * one.point_value:g} {one.currency} a contract "
                    f"of {one.symbol}; for costs a contract, name instruments: bundled instead"
                )
                break


def strategies_document(backtest: PortfolioBacktest) -> list[dict[str, object]]:
    """Return what the portfolio made of each strategy's signals, as plain values."""
    return [
        {
            "strategy": run.settings.name,
            "signals": run.log.signals,
            "fates": {
                name: int((run.positions.fate == fate).sum()) for fate, name in FATES.items()
            },
            "pnl_net": _net(run),
        }
        for run in backtest.runs
    ]


def _account(backtest: PortfolioBacktest) -> Table:
    found = backtest.performance
    table = plain_table(f"account, {_day(found.started_ts)} to {_day(found.ended_ts)}")
    for name in ("", "", "", ""):
        table.add_column(name, justify="right" if table.columns else "left")
    table.columns[2].justify = "left"
    drawdown = found.drawdown
    pairs = [
        ("end equity", f"{found.end_equity:,.0f}"),
        ("total return", share(found.total_return)),
        ("CAGR", share(found.cagr)),
        ("volatility, a year", share(found.volatility)),
        ("Sharpe ratio", number(found.sharpe_ratio)),
        ("deflated, of trials", _deflated(backtest)),
        ("Sortino ratio", number(found.sortino_ratio)),
        ("Calmar ratio", number(found.calmar_ratio)),
        ("maximum drawdown", share(found.max_drawdown)),
        ("its days", f"{drawdown.duration_days:,.0f}"),
        ("exposure", share(found.exposure)),
        ("turnover, a year", number(found.turnover, "x")),
        ("trades", f"{found.trades:,}"),
        ("hit rate", share(found.hit_rate)),
        ("profit factor", number(found.profit_factor)),
        ("expectancy", number(found.expectancy_r, " R")),
        ("losing streak", f"{found.longest_losing_streak}"),
    ]
    half = (len(pairs) + 1) // 2
    for left, right in zip(pairs[:half], [*pairs[half:], ("", "")], strict=False):
        table.add_row(*left, f"   {right[0]}", right[1])
    table.show_header = False
    return table


def _deflated(backtest: PortfolioBacktest) -> str:
    """The first of all trials has nothing to be deflated by."""
    found = backtest.deflated
    if found is None or found.trials < 2:
        return "-"
    return f"{found.probability:.2f} of {found.trials:,.0f}"


def _strategies(backtest: PortfolioBacktest) -> Table:
    table = plain_table("what became of the signals")
    table.add_column("strategy", overflow="fold")
    words = ("signals", "taken", "rejected", "no\nslot", "no\ncapital", "net\nprofit", "mean R")
    for name in words:
        table.add_column(name, justify="right")
    for run in backtest.runs:
        fates = {name: int((run.positions.fate == fate).sum()) for fate, name in FATES.items()}
        too_poor = fates["no_capital"] + fates["too_small"]
        mine = backtest.performance_of(run)
        table.add_row(
            run.settings.name,
            f"{run.log.signals:,}",
            f"{fates[FATES[TAKEN]]:,}",
            f"{fates['rejected']:,}",
            f"{fates['no_slot'] + fates['symbol_held']:,}",
            f"{too_poor:,}",
            f"{_net(run):,.0f}",
            number(mine.expectancy_r),
        )
    return table


def _net(run: StrategyRun) -> float:
    return float(run.positions.pnl_net.sum())


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}"
