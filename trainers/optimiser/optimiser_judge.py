"""Judges the finished trials of a study: the choice first, then the seal, then the conclusion."""

from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine

from engine.backtests.bar_history import BarHistory
from trainers.optimiser.evaluation import Evaluator, StudyTask
from trainers.optimiser.holdout import agreement, open_holdout
from trainers.optimiser.optimiser_report import (
    DeflatedFigures,
    HoldoutFigures,
    OptimiserReport,
    TrialCounts,
    conclude,
    holdout_figures,
    span_figures,
)
from trainers.optimiser.search_space import params_key
from trainers.optimiser.study import Finished
from trainers.optimiser.study_figures import (
    Floats,
    PboFigures,
    WalkForwardFigures,
    chosen_of,
    importance_of,
    pbo_of,
    returns_of,
    walk_forward_of,
)
from trainers.optimiser.study_ledger import StudyLedger, configuration_digest
from trainers.optimiser.study_spans import Span, days_of
from trainers.research.trial_ledger import symbols_digest_of
from trainers.statistics.performance import Performance
from trainers.statistics.sharpe import effective_trials


class Choice(NamedTuple):
    """The chosen trial and all that is known of it before the holdout is opened."""

    trial: Finished
    own: Finished | None
    train: Performance | None
    validation: Performance | None
    deflated: DeflatedFigures
    pbo: PboFigures | None
    walk_forward: WalkForwardFigures
    importance: dict[str, float] | None


class Judge:
    """Judges one study. `research` holds the bars of train and validation, none of the holdout."""

    def __init__(
        self, task: StudyTask, study: str, research: BarHistory, counts: TrialCounts
    ) -> None:
        self._task, self._study, self._research = task, study, research
        self._counts = counts
        self._symbols = symbols_digest_of(research.symbols)
        self._evaluator = Evaluator(task, research)

    def choose(
        self, evaluated: list[Finished], good: list[Finished], ledger: StudyLedger
    ) -> Choice:
        """Choose among the `good` trials; all that were `evaluated` enter the ledger."""
        task, spans = self._task, self._task.spans
        chosen, returns = chosen_of(good), returns_of(good)
        days = np.unique(days_of(self._research.instants))[1:]
        whole = self._performance(chosen, Span(spans.train.first_day, spans.validation.last_day))
        assert whole is not None, "nothing is lost before the first day"
        own = {params_key(trial.params): trial for trial in evaluated}
        space, given = task.space(), task.own_params()
        return Choice(
            trial=chosen,
            own=own.get(params_key(space.rounded(given))) if space.holds(given) else None,
            train=self._performance(chosen, spans.train),
            validation=self._performance(chosen, spans.validation),
            deflated=self._deflated(evaluated, whole, returns, ledger),
            pbo=pbo_of(returns, good, task.seed),
            walk_forward=walk_forward_of(returns, days, good, spans, whole.periods_per_year),
            importance=importance_of(good, task),
        )

    def open(
        self, choice: Choice, history: BarHistory, engine: Engine, now_ns: int
    ) -> HoldoutFigures:
        """Record the opening of the holdout, then run the chosen trial on it."""
        span, params = self._task.spans.holdout, choice.trial.params
        opened = open_holdout(
            engine,
            symbols_digest=self._symbols,
            span=span,
            strategy=self._task.strategy.rule_name,
            study=self._study,
            params=configuration_digest(self._task, params),
            opened_ts=now_ns,
        )
        found = Evaluator(self._task, history).holdout(params)
        return holdout_figures(span, found, agreement(choice.validation, found), opened)

    def report(self, choice: Choice, holdout: HoldoutFigures) -> OptimiserReport:
        """Return all of it, with its conclusion."""
        task, trial, own = self._task, choice.trial, choice.own
        assert trial.evaluated is not None
        params, portfolio = task.space().split(trial.params)
        is_evidence, sentence = conclude(
            choice.deflated, choice.walk_forward, holdout, counts=self._counts
        )
        return OptimiserReport(
            strategy=task.strategy.name,
            study=self._study,
            objective=task.objective,
            seed=task.seed,
            trials=self._counts,
            trial=trial.number,
            params=params,
            portfolio=portfolio,
            value=trial.value,
            validation_value=trial.evaluated.validation,
            own_value=own.value if own else None,
            own_validation_value=own.evaluated.validation if own and own.evaluated else None,
            train=span_figures(task.spans.train, choice.train),
            validation=span_figures(task.spans.validation, choice.validation),
            holdout=holdout,
            importance=choice.importance,
            deflated=choice.deflated,
            pbo=choice.pbo,
            walk_forward=choice.walk_forward,
            is_evidence=is_evidence,
            sentence=sentence,
        )

    def _performance(self, trial: Finished, span: Span) -> Performance | None:
        return self._evaluator.performance(trial.params, span)

    def _deflated(
        self, evaluated: list[Finished], whole: Performance, returns: Floats, ledger: StudyLedger
    ) -> DeflatedFigures:
        """Deflate by every trial of this strategy on these symbols, whichever search made it."""
        # Those of a study that was counted elsewhere are not there yet.
        ledger.record((one.params, one.evaluated) for one in evaluated if one.evaluated)
        found, trials = ledger.deflated(whole)
        return DeflatedFigures(
            probability=None if found is None else found.probability,
            benchmark=None if found is None else found.benchmark * whole.periods_per_year**0.5,
            trials=trials,
            effective=effective_trials(returns),
        )
