"""Whether the best of many runs is more than luck: its Sharpe ratio, deflated by all of them.

Every run of a store is a trial, each symbol alone and all together: whoever picks the best has
looked at all of them, those that never traded included. So is what other searches tried on the
same symbols, over whichever days. The spread of the runs' Sharpe ratios says how far the best of
as many worthless ones would be expected to stand out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainers.research.trial_ledger import Among, TrialLedger, symbols_digest_of, variance_among
from trainers.statistics.sharpe import CONFIDENCE, deflated_sharpe
from trainers.sweeps.sweep_run import Run


class Skill(NamedTuple):
    """What a run's Sharpe ratio is worth; `deflated_sharpe` is None where it has none.

    The probability that the true ratio is above `benchmark`, per year, which the best of `trials`
    worthless runs is expected to show.
    """

    deflated_sharpe: float | None
    benchmark: float | None
    trials: int

    @property
    def is_significant(self) -> bool:
        """Whether luck is no explanation: a probability of .95 or more."""
        return self.deflated_sharpe is not None and self.deflated_sharpe >= CONFIDENCE

    @property
    def verdict(self) -> str:
        """The same in words."""
        return "significant" if self.is_significant else "no skill"


def trials_of(runs: Sequence[Run], ledger: TrialLedger) -> "Trials":
    """Return the runs as trials, with all others that the ledger holds on the same symbols."""
    symbols = {symbols_digest_of((run.symbol,)) for run in runs if not run.is_pooled}
    # Which symbols a pooled run had, the ledger knows by its bars.
    symbols |= ledger.symbols_of({run.data_digest for run in runs if run.is_pooled})
    counted = ledger.count(Among(kind="strategy", symbols_digests=tuple(symbols)))
    return Trials(runs, counted)


class Trials:
    """The runs that compete. `counted` says how many there were where more were tried."""

    def __init__(self, runs: Sequence[Run], counted: int = 0) -> None:
        self.count = max(len(runs), counted, 1)
        found = [(run.performance.period_sharpe, run.performance.periods) for run in runs]
        self._t_statistics = np.array([one * n**0.5 for one, n in found if one is not None])

    def skill_of(self, run: Run) -> Skill:
        """Return what is left of a run's Sharpe ratio."""
        figures = run.performance
        sharpe = figures.period_sharpe
        if sharpe is None or figures.skew is None or figures.kurtosis is None:
            return Skill(None, None, self.count)
        deflated = deflated_sharpe(
            sharpe,
            figures.periods,
            trials=self.count,
            variance=variance_among(self._t_statistics, figures.periods),
            skew=figures.skew,
            kurtosis=figures.kurtosis,
        )
        benchmark = deflated.benchmark * figures.periods_per_year**0.5
        return Skill(deflated.probability, benchmark, self.count)
