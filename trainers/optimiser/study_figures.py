"""What the finished trials of a study say together: which one is chosen, and how far luck goes.

The choice is made on days that the sampler has never seen: of the better half by the train days,
the trial with the highest mean of the objective over the validation's folds. So a trial has to be
good on both; a tie goes to the earlier one.

Walk-forward selects by the Sharpe ratio of all days before a fold, whatever the objective is, for
daily returns are what every trial has. Its stitched folds are the record of that rule, which has
seen no day of them.
"""

import math
import warnings
from collections.abc import Sequence

import msgspec
import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.trial import create_trial

from trainers.optimiser.evaluation import StudyTask
from trainers.optimiser.search_space import SearchSpace, params_key
from trainers.optimiser.study import Finished
from trainers.optimiser.study_spans import StudySpans
from trainers.statistics.pbo import BLOCKS, estimate_pbo
from trainers.statistics.walk_forward import walk_forward_analysis

SHORTLIST_SHARE = 0.5
IMPORTANCE_TRIALS_MIN = 10
"""Fewer say nothing of which parameter matters."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PboFigures(msgspec.Struct, frozen=True):
    """As `trainers.statistics.pbo.Overfitting`, without the splits."""

    pbo: float
    error: float
    low: float
    high: float
    probability_of_loss: float
    trials: int


class FoldFigures(msgspec.Struct, frozen=True):
    """A fold: its days, the trial selected before it, annualised Sharpe ratios."""

    first: str
    last: str
    trial: int
    past_sharpe: float | None
    future_sharpe: float | None


class WalkForwardFigures(msgspec.Struct, frozen=True):
    """As `trainers.statistics.walk_forward.WalkForward`."""

    efficiency: float | None
    t_statistic: float | None
    folds: tuple[FoldFigures, ...]


def distinct(trials: Sequence[Finished]) -> list[Finished]:
    """Return the trials that were evaluated, of each set of parameters the first."""
    first: dict[str, Finished] = {}
    for trial in trials:
        if trial.evaluated is not None:
            first.setdefault(params_key(trial.params), trial)
    return list(first.values())


def counting(trials: Sequence[Finished], trades_min: int) -> list[Finished]:
    """Return those of `trials` that closed enough trades on the train days."""
    return [t for t in trials if t.evaluated is not None and t.evaluated.trades >= trades_min]


def chosen_of(trials: Sequence[Finished]) -> Finished:
    """Return the trial that is chosen of one or more that were evaluated."""
    ranked = sorted(trials, key=lambda trial: (-trial.value, trial.number))
    shortlist = ranked[: max(1, math.ceil(len(ranked) * SHORTLIST_SHARE))]
    return min(shortlist, key=lambda trial: (-_validation(trial), trial.number))


def returns_of(trials: Sequence[Finished]) -> Floats:
    """Return the daily returns of `trials` over train and validation, float64 (days, trials)."""
    return np.column_stack([trial.evaluated.returns for trial in trials if trial.evaluated])


def pbo_of(returns: Floats, trials: Sequence[Finished], seed: int) -> PboFigures | None:
    """Return the PBO of trials over train and validation; None for fewer than two."""
    if len(trials) < 2:
        return None
    found = estimate_pbo(returns, blocks=BLOCKS, seed=seed)
    return PboFigures(
        pbo=found.pbo,
        error=found.error,
        low=found.low,
        high=found.high,
        probability_of_loss=found.probability_of_loss,
        trials=found.trials,
    )


def walk_forward_of(
    returns: Floats, days: Ints, trials: Sequence[Finished], spans: StudySpans, annual: float
) -> WalkForwardFigures:
    """Return the walk-forward over the folds; `days` are those of the returns."""
    edges = [int(np.searchsorted(days, fold.first_day)) for fold in spans.folds]
    found = walk_forward_analysis(returns, [*edges, len(days)], periods_per_year=annual)
    return WalkForwardFigures(
        efficiency=found.efficiency,
        t_statistic=found.t_statistic,
        folds=tuple(
            FoldFigures(
                *span.dates, trials[fold.selected].number, fold.past_sharpe, fold.future_sharpe
            )
            for span, fold in zip(spans.folds, found.folds, strict=True)
        ),
    )


def importance_of(trials: Sequence[Finished], task: StudyTask) -> dict[str, float] | None:
    """Return how much each searched parameter matters, largest first; they sum to 1.

    By PED-ANOVA (Watanabe, Bansal and Hutter 2023): how far the values of the best tenth of the
    trials, on the train days, differ from those of all. None for fewer than
    IMPORTANCE_TRIALS_MIN, or where the objective does not vary.
    """
    values = np.array([trial.value for trial in trials])
    if len(trials) < IMPORTANCE_TRIALS_MIN or np.ptp(values) == 0.0:
        return None
    return _ped_anova(trials, task.space())


def _ped_anova(trials: Sequence[Finished], space: SearchSpace) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            create_trial(
                params={one.name: trial.params[one.name] for one in space.ranges},
                distributions=space.distributions(),
                value=trial.value,
            )
            for trial in trials
        )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def _validation(trial: Finished) -> float:
    assert trial.evaluated is not None
    return trial.evaluated.validation
