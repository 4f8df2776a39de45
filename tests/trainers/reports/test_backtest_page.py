"""The page of a backtest opens offline, shows what there is, and trusts no name."""

import re

import pytest

from engine.backtests.feature_columns import plain_contexts
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from streams.session import session
from streams.source_settings import SourceSettings
from trainers.reports.backtest_page import backtest_page, write_backtest_page
from trainers.reports.words import conclusion
from trainers.research.histories import read_history
from trainers.research.instruments import load_instruments
from trainers.research.portfolio_backtest import run_backtest


@pytest.fixture(scope="module")
def history():
    return read_history(SourceSettings(kind="sample"))


def backtest(history, *names):
    return run_backtest(
        [StrategySettings(name=name) for name in names],
        history,
        load_instruments(),
        PortfolioSettings(),
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
