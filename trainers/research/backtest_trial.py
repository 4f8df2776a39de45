"""A backtest is a trial: it counts in the ledger, and is deflated by all that was tried before."""

import dataclasses
import hashlib

import msgspec

from trainers.research.portfolio_backtest import PortfolioBacktest
from trainers.research.trial_ledger import Among, Trial, TrialLedger, symbols_digest_of

STUDY = "backtest"


def counted(backtest: PortfolioBacktest, ledger: TrialLedger) -> PortfolioBacktest:
    """Return the backtest with its Sharpe ratio deflated, once it has been counted itself.

    What counts beside it are all trials of its strategy on its symbols, on whatever days; where it
    has several strategies, those of every strategy there.
    """
    names = sorted({run.settings.rule_name for run in backtest.runs})
    symbols = symbols_digest_of(backtest.history.symbols)
    performance = backtest.performance
    ledger.record(
        [
            Trial(
                kind="strategy",
                scope="+".join(names),
                symbols_digest=symbols,
                data_digest=backtest.history.digest(),
                params_digest=_params_digest(backtest),
                study=STUDY,
                sharpe=performance.period_sharpe,
                periods=performance.periods,
            )
        ]
    )
    scope = names[0] if len(names) == 1 else None
    among = Among(kind="strategy", scope=scope, symbols_digest=symbols)
    return dataclasses.replace(backtest, deflated=ledger.deflated_performance(performance, among))


def _params_digest(backtest: PortfolioBacktest) -> str:
    """Stand for all that decides the account beside the bars: strategies, models, capital."""
    told = (
        [
            (run.settings, sorted({name or "" for name in run.scores.model}))
            for run in backtest.runs
        ],
        backtest.settings,
        backtest.instruments,
    )
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()
