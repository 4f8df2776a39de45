"""The model's way through time: fold by fold, and on every path of combinatorial validation."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrator import base_rate
from trainers.dataset import DAY_NS, Dataset
from trainers.evaluation.cpcv_paths import cpcv_figures
from trainers.evaluation.evaluation import evaluate
from trainers.evaluation.model_walk_forward import FoldTold, Told, model_walk_forward
from trainers.pipeline.candidates import calibrated
from trainers.pipeline.model_report import Combinatorial, WalkForwardReport, WalkForwardRow
from trainers.pipeline.model_training import FrozenModel, weight_settings
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.report_days import span_of
from trainers.sample_weights import weights_of
from trainers.tuning.fold_plan import PlannedFold, plan_folds
from trainers.validation.combinatorial_purged import CombinatorialPurged

Floats = NDArray[np.float64]


def walk_forward_of(frozen: FrozenModel) -> WalkForwardReport:
    """Return each fold's figures, and what they say together.

    The past of a fold is what earlier folds said of rows that its model was trained on. What is
    fitted is of the past alone; hyperparameters, calibration and threshold are the model's own,
    chosen on all folds together, and flatter them a little.
    """
    research, said = frozen.spans.research, frozen.out_of_fold
    rows, told = [], []
    for number, fold in enumerate(frozen.searched.plan.folds, start=1):
        tested = fold.test[np.isfinite(said[fold.test])]
        if not tested.size:
            continue
        null = base_rate(fold.y, fold.weights)
        future = _told(research, said, tested, null)
        past = fold.train[np.isfinite(said[fold.train])]
        name = f"fold {number}"
        told.append(
            FoldTold(name, _told(research, said, past, null), future, frozen.threshold.value)
        )
        judged = evaluate(
            future.outcomes,
            future.probability,
            null_probability=null,
            threshold=frozen.threshold.value,
            periods=np.full(tested.size, name),
        )
        rows.append(
            WalkForwardRow(
                train=span_of(research.take(fold.train)),
                test=span_of(future.outcomes),
                train_count=int(fold.train.size),
                tested=judged.periods[0],
            )
        )
    return WalkForwardReport(folds=tuple(rows), summary=model_walk_forward(told))


def combinatorial_of(
    frozen: FrozenModel,
    settings: PipelineSettings,
    on_split: Callable[[int, int], None] = lambda _done, _total: None,
) -> Combinatorial:
    """Fit the model taken on every combination of groups but those tested, and judge each path.

    Columns are chosen in each split; the calibration and the threshold are the model's own.
    """
    research = frozen.spans.research
    splitter = CombinatorialPurged(
        settings.cpcv_groups,
        settings.cpcv_test_groups,
        embargo_ns=int(settings.embargo_days * DAY_NS),
        start_ts=research.ts,
        end_ts=research.exit_ts,
    )
    splits = list(splitter.split(research.x))
    predictions: list[Floats] = []
    nulls: list[Floats] = []
    for number, split in enumerate(splits):
        weights = np.zeros(len(research))
        weights[split.train] = weights_of(research.take(split.train), weight_settings(settings))
        plan = plan_folds(research, weights, [split], choose=frozen.searched.choose)
        margins = np.full(len(research), np.nan)
        null = base_rate(research.y[split.train], weights[split.train])
        for fold in plan.folds:
            margins[fold.test] = _margins(frozen, fold, settings)
        said = calibrated(margins, frozen.challenger.calibration)
        predictions.append(said[split.test])
        nulls.append(np.full(split.test.size, null))
        on_split(number + 1, len(splits))
    figures = cpcv_figures(
        research,
        splitter.paths(predictions, research.x),
        null_probability=splitter.paths(nulls, research.x),
        threshold=frozen.threshold.value,
    )
    return Combinatorial(
        groups=settings.cpcv_groups, test_groups=settings.cpcv_test_groups, figures=figures
    )


def _margins(frozen: FrozenModel, fold: PlannedFold, settings: PipelineSettings) -> Floats:
    fitted = frozen.taken.fit(
        fold.x, fold.y, fold.weights, seed=settings.seed, threads=settings.threads
    )
    return fitted.margin(fold.x_test)


def _told(research: Dataset, said: Floats, rows: NDArray[np.int64], null: float) -> Told:
    return Told(research.take(rows), said[rows], np.full(rows.size, null))
