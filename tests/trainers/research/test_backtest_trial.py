"""A backtest counts as a trial, once, and is deflated by what was tried before."""

import pytest

from engine.backtests.feature_columns import plain_contexts
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from streams.session import session
from streams.source_settings import SourceSettings
from trainers.reports.words import conclusion
from trainers.research.backtest_trial import counted
from trainers.research.histories import read_history
from trainers.research.instruments import load_instruments
from trainers.research.portfolio_backtest import PortfolioBacktest, run_backtest
from trainers.research.trial_ledger import TrialLedger


@pytest.fixture(scope="module")
def history():
    return read_history(SourceSettings(kind="sample"))


def backtest(history, *kinds: str, **params) -> PortfolioBacktest:
    return run_backtest(
        [StrategySettings(name=kind, params=params) for kind in kinds],
        history,
        load_instruments(),
        PortfolioSettings(),
        load_feature_set(),
        plain_contexts(history, session("us_equity")),
    )


@pytest.fixture
def ledger(tmp_path):
    with TrialLedger(tmp_path / "trials.db") as opened:
        yield opened


def test_the_same_backtest_counts_once_and_another_deflates_it(history, ledger):
    first = counted(backtest(history, "breakout"), ledger)
    again = counted(backtest(history, "breakout"), ledger)
    assert first.deflated == again.deflated
    assert first.deflated.trials == 1
    assert "first and only trial" in conclusion(first.performance, first.deflated)
    for exit_ma, trend_ma in ((50, 50), (20, 100), (50, 100), (20, 20)):
        counted(backtest(history, "breakout", exit_ma=exit_ma, trend_ma=trend_ma), ledger)
    deflated = counted(backtest(history, "breakout"), ledger)
    assert deflated.deflated.trials == 5
    assert deflated.deflated.probability < first.deflated.probability
    assert deflated.deflated.benchmark > 0.0
    assert "deflated by 5 trials" in conclusion(deflated.performance, deflated.deflated)


def test_other_strategies_and_symbols_are_other_searches(history, ledger):
    counted(backtest(history, "ibs_reversion"), ledger)
    counted(backtest(history.of_symbols(("IBM",)), "breakout"), ledger)
    assert counted(backtest(history, "breakout"), ledger).deflated.trials == 1
    # Whoever runs several together has looked at each.
    both = counted(backtest(history, "breakout", "ibs_reversion"), ledger)
    assert both.deflated.trials == 3


def test_a_backtest_without_trades_counts_and_has_nothing_to_deflate(history, ledger):
    still = counted(backtest(history.between(0, int(history.instants[5])), "breakout"), ledger)
    assert still.deflated is None
    assert ledger.count() == 1
