"""Paths of combinatorial purged cross-validation make a distribution of each figure."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from streams.errors import DataError
from tests.trainers.evaluation.told import NULL, told_outcomes
from trainers.evaluation.cpcv_paths import cpcv_figures
from trainers.validation.combinatorial_purged import CombinatorialPurged


def paths_of(seed: int, noise: float, paths: int = 7):
    outcomes, p = told_outcomes(seed)
    rng = np.random.default_rng(seed)
    return outcomes, np.clip(p + noise * rng.standard_normal((paths, p.size)), 0.01, 0.99)


def test_each_path_has_the_figures_of_its_predictions():
    outcomes, paths = paths_of(1, 0.1)
    found = cpcv_figures(outcomes, paths, null_probability=NULL, threshold=0.5)
    areas = [roc_auc_score(outcomes.y, path) for path in paths]
    null = log_loss(outcomes.y, np.full(600, NULL))
    gains = [null - log_loss(outcomes.y, path) for path in paths]
    utilities = [-outcomes.r_multiple[path < 0.5].sum() / 600 for path in paths]
    assert (found.paths, found.samples) == (7, 600)
    assert found.auc.values == pytest.approx(areas)
    assert found.log_loss_gain.values == pytest.approx(gains)
    assert found.utility_gain_r.values == pytest.approx(utilities)
    assert found.auc.median == pytest.approx(np.median(areas))
    assert found.auc.lower_quartile == pytest.approx(np.quantile(areas, 0.25))
    assert found.auc.upper_quartile == pytest.approx(np.quantile(areas, 0.75))


def test_skill_is_above_the_null_on_every_path_and_noise_on_half_of_them():
    outcomes, paths = paths_of(2, 0.02)
    found = cpcv_figures(outcomes, paths, null_probability=NULL)
    assert found.auc.share_below_null == found.log_loss_gain.share_below_null == 0.0
    assert found.utility_gain_r is None
    blind = np.random.default_rng(3).uniform(0.3, 0.7, (200, 600))
    noise = cpcv_figures(outcomes, blind, null_probability=NULL)
    assert 0.3 < noise.auc.share_below_null < 0.7
    assert noise.log_loss_gain.share_below_null > 0.9


def test_where_a_split_did_not_predict_the_null_speaks():
    outcomes, paths = paths_of(4, 0.1)
    null = np.linspace(0.4, 0.5, 600)
    silent = np.broadcast_to(np.arange(600) % 5 == 0, paths.shape)
    found = cpcv_figures(outcomes, np.where(silent, np.nan, paths), null_probability=null)
    spoken = cpcv_figures(outcomes, np.where(silent, null, paths), null_probability=null)
    assert found == spoken
    unsaid = cpcv_figures(outcomes, np.full((2, 600), np.nan), null_probability=NULL)
    assert unsaid.auc.values == (0.5, 0.5)
    assert unsaid.auc.share_below_null == unsaid.log_loss_gain.share_below_null == 0.5


def test_paths_of_the_splitter_are_taken_as_they_are():
    outcomes, p = told_outcomes(5)
    splitter = CombinatorialPurged(6, 2, start_ts=outcomes.ts, end_ts=outcomes.exit_ts)
    predictions = [p[test] for _, test in splitter.split(outcomes.x)]
    paths = splitter.paths(predictions, outcomes.x)
    found = cpcv_figures(outcomes, paths, null_probability=NULL)
    assert found.paths == 5
    assert found.auc.values == pytest.approx([roc_auc_score(outcomes.y, p)] * 5)


def test_what_is_not_defined_says_why():
    outcomes, p = told_outcomes(6)
    ones = outcomes.take(outcomes.y == 1)
    found = cpcv_figures(ones, p[None, outcomes.y == 1], null_probability=NULL, threshold=0.5)
    assert found.auc.median is None
    assert "all of class 1" in found.auc.reason
    assert found.log_loss_gain.median is not None
    nothing = outcomes.take(np.zeros(600, dtype=bool))
    empty = cpcv_figures(nothing, np.empty((3, 0)), null_probability=NULL, threshold=0.5)
    assert empty.utility_gain_r.reason == "there are no outcomes"
    none = cpcv_figures(outcomes, np.empty((0, 600)), null_probability=NULL)
    assert none.auc.reason == "there are no paths"


def test_paths_of_other_outcomes_are_refused():
    outcomes, paths = paths_of(7, 0.1)
    with pytest.raises(DataError, match=r"one column for each of 600 outcomes, were of shape"):
        cpcv_figures(outcomes, paths[:, :500], null_probability=NULL)
    with pytest.raises(DataError, match=r"paths must be in \[0, 1\], was 2.0 in row 0"):
        cpcv_figures(outcomes, np.full((1, 600), 2.0), null_probability=NULL)
