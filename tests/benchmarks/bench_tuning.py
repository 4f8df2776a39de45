"""What tuning costs: a hundred trials of LightGBM on five walk-forward folds, and the forest.

Beside it, in the same run, the floor: a plain loop of the same trials, five fits each on every
feature, of which a tenth is timed, half before and half after. On two quiet cores the loop was
measured at 69 / 132 s for 2,000 / 5,000 samples, and tuning may take 40 / 80 s: so much of the
loop's time, on whatever machine this runs.
"""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset
from trainers.challenger import weights_of
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.splits import Split
from trainers.tuning.fold_plan import fold_margin, plan_folds
from trainers.tuning.legacy_forest import LegacySettings, tune_legacy_forest
from trainers.tuning.tuning import Tuned, tune
from trainers.tuning.tuning_settings import TuningSettings
from trainers.validation.walk_forward import WalkForward

pytestmark = pytest.mark.slow

WORKERS = 2
NOISE_COLUMNS = 24
"""Beside the 40 of Layer A: 64 features."""
LOOP_TRIALS = 10
RATIO_MAX = {2_000: 40.0 / 69.0, 5_000: 80.0 / 132.0}
FOREST_S_MAX = 180.0
QUIET_LOAD = 2.5
"""Above it, seconds are those of a busy machine, and prove nothing."""


def wide_samples(count: int) -> Dataset:
    samples = layer_a_dataset(count, seed=1, bayes_auc=0.62)
    noise = np.random.default_rng(1).standard_normal((count, NOISE_COLUMNS)).astype(np.float32)
    names = tuple(f"n{column:02d}" for column in range(NOISE_COLUMNS))
    x = np.concatenate((samples.x, noise), axis=1)
    return replace(samples, names=(*samples.names, *names), x=x)


def splits_of(samples: Dataset) -> list[Split]:
    return list(WalkForward(5, start_ts=samples.ts, end_ts=samples.exit_ts).split())


def loop_s(samples: Dataset, tuned: Tuned, rows: slice) -> float:
    """Seconds for some of the trials in a plain loop, one after the other."""
    params_type = load_learner("lightgbm").Params
    began = time.perf_counter()
    for trial in tuned.trials[rows]:
        plan = plan_folds(samples, np.ones(len(samples)), splits_of(samples), clusters=None)
        for fold in plan.folds:
            fold_margin(fold, "lightgbm", params_type(**trial.params), seed=7, threads=1)
    return time.perf_counter() - began


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("count", list(RATIO_MAX))
def test_a_hundred_trials_take_a_share_of_a_plain_loop(count: int) -> None:
    samples = wide_samples(count)
    settings = TuningSettings(workers=WORKERS)
    # The loop runs trials of a search that is made first, in small, to know them.
    known = tune(
        "lightgbm",
        plan_folds(
            samples.take(np.arange(400)), np.ones(400), splits_of(samples.take(np.arange(400)))
        ),
        TuningSettings(trials=LOOP_TRIALS + 1, prune=False),
    )
    before = loop_s(samples, known, slice(0, LOOP_TRIALS // 2))
    began = time.perf_counter()
    weights = weights_of(samples)
    tuned = tune("lightgbm", plan_folds(samples, weights, splits_of(samples)), settings)
    ours = time.perf_counter() - began
    after = loop_s(samples, known, slice(LOOP_TRIALS // 2, LOOP_TRIALS))
    loop = (before + after) * settings.trials / LOOP_TRIALS
    pruned = sum(not trial.is_complete for trial in tuned.trials)
    print(
        f"\n{count:,} samples x {samples.x.shape[1]} features, {len(tuned.trials)} trials: "
        f"{ours:.1f} s in {WORKERS} workers ({pruned} given up), the plain loop {loop:.0f} s; "
        f"ratio {ours / loop:.2f}, at most {RATIO_MAX[count]:.2f}; load {os.getloadavg()[0]:.1f}"
    )
    assert len(tuned.trials) == settings.trials
    assert ours / loop <= RATIO_MAX[count]


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("count", list(RATIO_MAX))
def test_the_legacy_forest_is_a_matter_of_minutes(count: int) -> None:
    samples, settings = wide_samples(count), LegacySettings(workers=WORKERS)
    began, worked = time.perf_counter(), time.process_time()
    found = tune_legacy_forest(samples, weights_of(samples), settings)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    load = os.getloadavg()[0]
    print(
        f"\n{count:,} samples x {samples.x.shape[1]} features, {settings.trials} trials of the "
        f"forest under {len(found.plan.folds)} purged splits: {seconds:.0f} s, {cpu:.0f} s of the "
        f"processor, at most {FOREST_S_MAX:.0f} s on {WORKERS} quiet cores; load {load:.1f}"
    )
    assert cpu / WORKERS <= FOREST_S_MAX
    assert load > QUIET_LOAD or seconds <= FOREST_S_MAX
