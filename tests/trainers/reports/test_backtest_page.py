"""The page of a backtest opens offline, shows what there is, and trusts no name."""

import re

import numpy as np
import pytest

from engine.backtests.feature_columns import plain_contexts
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from streams.session import session
from streams.source_settings import SourceSettings
from trainers.reports import backtest_pictures
from trainers.reports.backtest_page import backtest_page, write_backtest_page
from trainers.reports.words import conclusion, number, share
from trainers.research.histories import read_history
from trainers.research.instruments import load_instruments
from trainers.research.portfolio_backtest import run_backtest


@pytest.fixture(scope="module")
def history():
    return read_history(SourceSettings(kind="sample"))


def backtest(history, *names, account=PortfolioSettings()):  # noqa: B008
    return run_backtest(
        [StrategySettings(name=name, kind="" if " " not in name else "breakout") for name in names],
        history,
        load_instruments(),
        account,
        load_feature_set(),
        plain_contexts(history, session("us_equity")),
    )


def without_program(page: str) -> str:
    start = page.index("<script>")
    return page[:start] + page[page.index("</script>", start) :]


def test_a_page_holds_every_picture_and_table(history):
    found = backtest(history, "rsi2_mean_reversion", "breakout")
    page = without_program(backtest_page(found, "two strategies"))
    for name in ("equity", "exposure", "r-multiples", "trades-0", "trades-4"):
        assert page.count(f'id="{name}"') == 1
    for text in ("Returns by month", "By symbol", "What became of the signals", "Settings"):
        assert text in page
    assert f"{found.performance.end_equity:,.0f}" in page
    assert conclusion(found.performance) in page
    assert "evidence" in conclusion(found.performance) or "first and only" in page


def test_a_page_needs_no_network(history):
    page = without_program(backtest_page(backtest(history, "breakout"), "offline"))
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//', page)
    assert not re.findall(r"<(?:link|iframe|img)\b|<script[^>]+src|@import|url\(", page)


def test_a_page_is_the_same_for_the_same_backtest(history):
    one, two = (backtest_page(backtest(history, "breakout"), "same") for _ in range(2))
    assert one == two


def test_names_are_text_whatever_they_hold(history):
    page = backtest_page(backtest(history, "breakout"), "<script>alert(1)</script>")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_strategy_may_be_called_anything(history):
    evil = "a </script><script>alert(1)</script>"
    page = backtest_page(backtest(history, evil, "rsi2_mean_reversion"), "names")
    assert "<script>alert(1)" not in page
    assert page.count("</script>") == backtest_page(
        backtest(history, "breakout", "rsi2_mean_reversion"), "names"
    ).count("</script>")


def test_a_picture_of_many_points_leaves_no_fall_out(monkeypatch, history):
    found = backtest(history, "breakout")
    deepest = found.performance.max_drawdown
    monkeypatch.setattr(backtest_pictures, "POINTS_MAX", 200)
    equity, drawdown = backtest_pictures.equity_picture(found).data
    assert 100 < len(equity.x) <= 200
    assert min(drawdown.y) == pytest.approx(-deepest)
    assert (np.diff(equity.x) > np.timedelta64(0)).all()
    whole = found.curve.values
    assert (equity.y[0], equity.y[-1]) == (whole[0], whole[-1])
    assert (max(equity.y), min(equity.y)) == (whole.max(), whole.min())


def test_a_symbol_of_many_trades_shows_the_last(monkeypatch, history):
    found = backtest(history, "rsi2_mean_reversion", account=PortfolioSettings(max_positions=50))
    monkeypatch.setattr(backtest_pictures, "TRADES_PICTURED_MAX", 10)
    picture = backtest_pictures.trades_picture(found, "IBM")
    entries = next(trace for trace in picture.data if trace.mode == "markers")
    (run,) = found.runs
    ours = run.is_traded & (run.log.slot == history.symbols.index("IBM"))
    last = history.ts[run.log.entry_row[ours]][-10:].astype("datetime64[ns]")
    assert list(entries.x) == list(last)


def test_only_what_befell_signals_is_listed(history):
    page = without_program(backtest_page(backtest(history, "breakout"), "fates"))
    assert "<th>taken</th>" in page
    assert "no rate" not in page
    poor = backtest(history, "breakout", account=PortfolioSettings(initial_capital=1.0))
    assert "<th>no capital</th>" in without_program(backtest_page(poor, "poor"))


def test_nothing_is_not_below_nothing():
    assert (share(-0.0001), number(-0.001, " R")) == ("0.0%", "0.00 R")


def test_a_page_without_trades_says_so(history):
    found = backtest(history.between(0, int(history.instants[3])), "breakout")
    page = without_program(backtest_page(found, "empty"))
    assert "No trade was closed." in page
    assert "there is nothing to judge" in page


def test_a_page_is_written_whole(history, tmp_path):
    file = tmp_path / "report.html"
    write_backtest_page(backtest(history, "breakout"), "written", file)
    assert file.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
