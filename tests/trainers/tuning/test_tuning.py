"""A search that is the same whoever runs it, and that believes in the defaults until shown."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streams.errors import ConfigError, DataError
from tests.trainers.samples import dataset_of, layer_a_dataset, noise_dataset
from trainers.dataset import Dataset
from trainers.learner import learner_names, load_learner
from trainers.learners.lightgbm import Params
from trainers.sample_weights import weights_of
from trainers.tuning.fold_plan import FoldPlan, out_of_fold, plan_folds
from trainers.tuning.trial_choice import DEFAULT_ROWS, centre_of, choose_trial
from trainers.tuning.tuning import ROWS_MIN, Tuned, learner_space, tune
from trainers.tuning.tuning_settings import TuningSettings
from trainers.tuning.tuning_trial import TuningTrial
from trainers.validation.walk_forward import WalkForward

FEW = TuningSettings(trials=24, startup_trials=6)


def plan_of(samples: Dataset, *, folds: int = 5) -> FoldPlan:
    splits = WalkForward(folds, start_ts=samples.ts, end_ts=samples.exit_ts).split()
    return plan_folds(samples, weights_of(samples), splits, clusters=8)


@pytest.fixture(scope="module")
def plan() -> FoldPlan:
    return plan_of(layer_a_dataset(320, seed=2))


@pytest.fixture(scope="module")
def tuned(plan: FoldPlan) -> Tuned:
    return tune("logistic", plan, FEW)


def same(one: Tuned, other: Tuned) -> bool:
    return (
        one.params == other.params
        and one.margins.tobytes() == other.margins.tobytes()
        and len(one.trials) == len(other.trials)
        and all(map(same_trial, one.trials, other.trials))
    )


def same_trial(one: TuningTrial, other: TuningTrial) -> bool:
    return (
        (one.number, one.params, one.state, one.steps)
        == (other.number, other.params, other.state, other.steps)
        and one.margins.tobytes() == other.margins.tobytes()
        and one.gains.tobytes() == other.gains.tobytes()
    )


def test_the_first_trial_is_the_default(plan: FoldPlan, tuned: Tuned) -> None:
    defaults = load_learner("logistic").Params()
    assert tuned.trials[0].params == msgspec.structs.asdict(defaults)
    margins = out_of_fold(plan, "logistic", defaults, seed=FEW.seed, threads=1)
    np.testing.assert_array_equal(tuned.trials[0].margins, margins)
    assert [one.number for one in tuned.trials] == list(range(FEW.trials))


@pytest.mark.parametrize("learner", ["logistic", "lightgbm"])
def test_workers_change_nothing_but_the_time(plan: FoldPlan, learner: str) -> None:
    settings = msgspec.structs.replace(FEW, trials=11)
    alone, crew = (
        tune(learner, plan, msgspec.structs.replace(settings, workers=workers))
        for workers in (1, 4)
    )
    assert same(alone, crew)


def test_another_seed_is_another_search(plan: FoldPlan, tuned: Tuned) -> None:
    other = tune("logistic", plan, msgspec.structs.replace(FEW, seed=8))
    assert other.trials[1].params != tuned.trials[1].params


def test_the_choice_is_made_of_what_its_margins_are(plan: FoldPlan, tuned: Tuned) -> None:
    margins = out_of_fold(plan, "logistic", tuned.params, seed=FEW.seed, threads=1)
    np.testing.assert_array_equal(tuned.margins, margins)


def test_some_trials_are_given_up_and_none_of_them_is_chosen(plan: FoldPlan, tuned: Tuned) -> None:
    pruned = [one for one in tuned.trials if not one.is_complete]
    assert pruned
    assert all(len(one.steps) < len(plan.folds) for one in pruned)
    assert all(np.isnan(one.gains).all() for one in pruned)
    space = learner_space("logistic")
    hopeful = replace(pruned[0], steps=(1e9,), params={"inverse_ridge": 0.5})
    rows = int(plan.tested.sum())
    with_it = centre_of([*tuned.trials[:-1], hopeful], space, rows)
    assert with_it == centre_of(tuned.trials[:-1], space, rows)
    assert tuned.trials[-1].params == with_it


def test_without_pruning_every_trial_is_complete(plan: FoldPlan) -> None:
    tuned = tune("logistic", plan, msgspec.structs.replace(FEW, prune=False))
    assert all(one.is_complete for one in tuned.trials)
    rows = plan.tested
    assert all(np.isfinite(one.gains[rows]).all() for one in tuned.trials)
    assert all(np.isnan(one.gains[~rows]).all() for one in tuned.trials)


def test_gains_are_the_log_loss_saved(plan: FoldPlan, tuned: Tuned) -> None:
    trial = tuned.trials[0]
    gains, weights = trial.gains[plan.tested], plan.weights[plan.tested]
    assert np.average(gains, weights=weights) == pytest.approx(trial.value, abs=1e-7)


def test_a_better_trial_replaces_the_default_and_a_lucky_one_does_not(plan: FoldPlan) -> None:
    tuned = tune("logistic", plan, msgspec.structs.replace(FEW, trials=1))
    default, rng = tuned.trials[0], np.random.default_rng(1)
    lift = np.where(plan.tested, 0.02, np.nan)
    better = replace(
        default, number=1, steps=(default.value + 0.02,), gains=default.gains + lift.astype("f4")
    )
    noise = rng.normal(0.0, 2.0, len(plan.samples))
    lucky = replace(better, gains=(better.gains + noise).astype("f4"))
    assert choose_trial(default, better, plan, 1.0) is better
    assert choose_trial(default, lucky, plan, 1e3) is default


def test_the_proposal_is_the_mean_of_the_best_drawn_to_the_default(plan: FoldPlan) -> None:
    space, default = learner_space("lightgbm"), Params()
    base = tune("lightgbm", plan, msgspec.structs.replace(FEW, trials=1)).trials[0]

    def trial(number: int, value: float, **changed: float) -> TuningTrial:
        params = msgspec.structs.asdict(msgspec.structs.replace(default, **changed))
        return replace(base, number=number, steps=(value,), params=params)

    best = [
        trial(1, 3.0, learning_rate=0.02, leaves=4, column_share=0.2),
        trial(2, 2.0, learning_rate=0.05, leaves=12, column_share=0.4),
    ]
    rest = [trial(0, 1.0)] + [trial(n, 1.0, learning_rate=0.06, leaves=15) for n in range(3, 8)]
    many, few = (centre_of([*rest, *best], space, rows) for rows in (10**9, DEFAULT_ROWS))
    assert many["learning_rate"] == pytest.approx((0.02 * 0.05) ** 0.5, rel=1e-5)
    assert many["leaves"] == 7
    assert many["column_share"] == pytest.approx(0.3)
    assert many["lambda_l2"] == pytest.approx(default.lambda_l2)
    # As many outcomes as the defaults count for: half of the way.
    assert few["column_share"] == pytest.approx((0.3 + default.column_share) / 2)


def test_a_search_does_not_know_what_comes_after_its_span(plan: FoldPlan, tuned: Tuned) -> None:
    # The span is a part of a longer history, of which nothing else matters.
    longer = layer_a_dataset(320, seed=2)
    later = layer_a_dataset(100, seed=99)
    joined = {
        name: np.concatenate((getattr(longer, name), getattr(later, name)))
        for name in ("x", "y", "r_multiple", "symbols", "signal_ids", "entry_ts", "exit_ts", "ts")
    }
    history = replace(longer, **joined)
    span = history.take(np.arange(320))
    assert same(tune("logistic", plan_of(span), FEW), tuned)


def test_a_learner_without_ranges_is_tried_once(plan: FoldPlan) -> None:
    tuned = tune("constant", plan, FEW)
    assert tuned.is_default
    assert len(tuned.trials) == 1


def test_progress_is_told_in_order(plan: FoldPlan) -> None:
    told: list[int] = []
    tune("logistic", plan, FEW, on_trial=lambda trial: told.append(trial.number))
    assert told == list(range(FEW.trials))


def test_hyperparameters_stay_in_their_declared_ranges(plan: FoldPlan) -> None:
    settings = msgspec.structs.replace(FEW, trials=8)
    for trial in tune("lightgbm", plan, settings).trials:
        params = msgspec.convert(trial.params, Params)
        assert 3 <= params.leaves <= 15
        assert 0.015 <= params.learning_rate <= 0.06


def test_sixty_samples_are_enough() -> None:
    tuned = tune("logistic", plan_of(noise_dataset(60, seed=1)), FEW)
    assert int(np.isfinite(tuned.margins).sum()) >= ROWS_MIN


def test_samples_that_leave_nothing_to_judge_by_are_refused_with_a_word() -> None:
    with pytest.raises(DataError, match=rf"needs {ROWS_MIN} outcomes .* give a longer history"):
        tune("logistic", plan_of(noise_dataset(30, seed=1)), FEW)


def test_samples_of_one_class_are_refused() -> None:
    rng = np.random.default_rng(0)
    losers = dataset_of(rng.standard_normal((200, 4)), np.zeros(200, dtype=np.int64))
    with pytest.raises(DataError, match="both classes"):
        tune("logistic", plan_of(losers), FEW)


def test_an_unknown_learner_is_named(plan: FoldPlan) -> None:
    with pytest.raises(ConfigError, match="lightgmb"):
        tune("lightgmb", plan, FEW)


@pytest.mark.parametrize("learner", learner_names())
def test_every_default_lies_within_its_ranges(learner: str) -> None:
    defaults = msgspec.structs.asdict(load_learner(learner).Params())
    assert learner_space(learner).holds(defaults)
