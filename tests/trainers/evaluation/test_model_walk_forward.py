"""What was selected on the past of a fold is set against its future."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.trainers.evaluation.told import NULL, told_outcomes
from trainers.dataset import DAY_NS
from trainers.evaluation.model_walk_forward import FoldTold, Told, model_walk_forward


def told(seed: int, count: int = 400, *, skill: bool = True, later: int = 0) -> Told:
    outcomes, p = told_outcomes(seed, count)
    shift = later * 400 * DAY_NS
    outcomes = replace(outcomes, ts=outcomes.ts + shift, exit_ts=outcomes.exit_ts + shift)
    if not skill:
        p = np.random.default_rng(seed + 1_000).permutation(p)
    return Told(outcomes, p, np.full(count, NULL))


def folds(count: int = 4, *, lasts: bool = True) -> list[FoldTold]:
    return [
        FoldTold(str(n), told(n), told(50 + n, 200, skill=lasts, later=n), 0.5)
        for n in range(count)
    ]


def test_figures_of_a_fold_are_those_of_its_spans():
    given = folds(1)[0]
    found = model_walk_forward([given]).folds[0]
    past, future = given.past, given.future
    assert (found.first, found.last) == ("2020-01-01", "2020-01-20")
    assert (found.past_samples, found.future_samples) == (400, 200)
    assert found.past_auc == pytest.approx(roc_auc_score(past.outcomes.y, past.probability))
    refused = future.probability < 0.5
    yearly = -future.outcomes.r_multiple[refused].sum() / 20 * 365.25
    assert found.future_utility_gain_r == pytest.approx(yearly)


def test_efficiency_is_the_mean_future_over_the_mean_past():
    found = model_walk_forward(folds())
    pasts = [fold.past_utility_gain_r for fold in found.folds]
    futures = [fold.future_utility_gain_r for fold in found.folds]
    assert found.efficiency == pytest.approx(np.mean(futures) / np.mean(pasts))
    edges = [(fold.past_auc - 0.5, fold.future_auc - 0.5) for fold in found.folds]
    past, future = np.mean(edges, axis=0)
    assert found.auc_efficiency == pytest.approx(future / past)
    assert found.reasons == {}


def test_skill_that_lasts_is_told_from_skill_that_does_not():
    lasting, lost = model_walk_forward(folds(6)), model_walk_forward(folds(6, lasts=False))
    assert lasting.auc_efficiency > 0.7 > 0.3 > lost.auc_efficiency
    assert lasting.log_loss_t > 3.0
    assert lost.log_loss_t < 2.0


def test_t_statistic_is_of_all_futures_clustered_by_day():
    given = folds()
    found = model_walk_forward(given)
    gains = np.concatenate([fold.future.gains() for fold in given])
    by_day = (gains - gains.mean()).reshape(-1, 10).sum(axis=1) / gains.size
    error = (np.sum(by_day**2) * 80 / 79) ** 0.5
    assert found.log_loss_t == pytest.approx(gains.mean() / error)


def test_what_was_worth_nothing_in_the_past_has_no_efficiency():
    given = [
        FoldTold("0", Told(t.outcomes, 1.0 - t.probability, t.null), told(9), 0.5)
        for t in (told(1),)
    ]
    found = model_walk_forward(given)
    assert found.efficiency is found.auc_efficiency is found.log_loss_efficiency is None
    assert "not above 0" in found.reasons["efficiency"]
    assert found.utility_t is not None


def test_no_folds_no_outcomes_and_no_threshold_say_why():
    none = model_walk_forward([])
    assert none.folds == ()
    assert set(none.reasons) == {
        "efficiency",
        "auc_efficiency",
        "log_loss_efficiency",
        "utility_t",
        "log_loss_t",
    }
    empty = model_walk_forward([FoldTold("0", told(1, 0), told(2, 0), 0.5)])
    assert empty.folds[0].first is empty.folds[0].past_auc is None
    assert empty.reasons["utility_t"] == "there are no outcomes"
    one_day = model_walk_forward([FoldTold("0", told(1), told(2, 5), 0.5)])
    assert "one day" in one_day.reasons["log_loss_t"]
    everything = model_walk_forward([FoldTold("0", told(1), told(2), None)])
    assert everything.reasons["utility_t"] == "the stitched gains do not vary"
    for found in (none, empty, one_day, everything):
        assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
