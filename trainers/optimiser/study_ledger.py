"""The trials of a study in the ledger of all searches.

A trial is in the ledger before it is finished in the study: who looks at a search, gives it up and
begins another has tried all the same.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from engine.backtests.bar_history import BarHistory
from trainers.optimiser.evaluation import Evaluated, StudyTask
from trainers.research.trial_ledger import Among, Trial, TrialLedger, symbols_digest_of
from trainers.statistics.performance import Performance, moments_of
from trainers.statistics.sharpe import DeflatedSharpe


class StudyLedger:
    """Counts the trials of one study on `research` bars; a context manager. Errors as TrialLedger.

    Together count all trials of its strategy on its symbols, whichever search made them.
    """

    def __init__(
        self, location: str | Path, task: StudyTask, study: str, research: BarHistory
    ) -> None:
        self._task, self._study = task, study
        self._symbols_digest = symbols_digest_of(research.symbols)
        self._data_digest = research.digest()
        self._ledger = TrialLedger(location)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ledger.close()

    def record(self, trials: Iterable[tuple[Mapping[str, Any], Evaluated]]) -> None:
        """Count trials, each once: their parameters and what came of them."""
        self._ledger.record(self._trial(params, evaluated) for params, evaluated in trials)

    def deflated(self, performance: Performance) -> tuple[DeflatedSharpe | None, int]:
        """Return what a performance is worth among all trials, and how many those are."""
        among = Among("strategy", self._task.strategy.rule_name, self._symbols_digest)
        return self._ledger.deflated_performance(performance, among), self._ledger.count(among)

    def _trial(self, params: Mapping[str, Any], evaluated: Evaluated) -> Trial:
        counts = evaluated.trades >= self._task.trades_min
        return Trial(
            kind="strategy",
            scope=self._task.strategy.rule_name,
            symbols_digest=self._symbols_digest,
            data_digest=self._data_digest,
            params_digest=configuration_digest(self._task, params),
            study=self._study,
            sharpe=moments_of(evaluated.returns).sharpe if counts else None,
            periods=len(evaluated.returns),
        )


def configuration_digest(task: StudyTask, params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that decides a trial beside its bars, as hex.

    What a run file leaves at its default is the same as where it says so; what no range holds,
    the label's rule and what trades cost are part of it.
    """
    told = (
        task.own_params() | dict(params),
        task.strategy.overlapping,
        task.strategy.label,
        task.costs,
        task.instruments,
    )
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()
