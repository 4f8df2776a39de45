import numpy as np
import pytest

from streams import layer_a
from streams.layer_a import draw, expected_auc

COUNT = 20_000


def after(drift: layer_a.Drift, seed: int = 3) -> layer_a.Samples:
    """Samples drawn under a drifted law from the first on."""
    return draw(np.random.default_rng(seed), COUNT, drift=drift)


@pytest.mark.parametrize("bayes_auc", layer_a.SLOPES)
def test_the_best_model_reaches_the_auc_that_was_asked_for(bayes_auc: float) -> None:
    samples = draw(np.random.default_rng(1), COUNT, bayes_auc=bayes_auc)
    assert expected_auc(samples.score, samples.probability) == pytest.approx(bayes_auc, abs=0.006)


def test_the_auc_without_label_noise_is_the_mean_over_outcomes() -> None:
    rng = np.random.default_rng(5)
    p = rng.uniform(0.2, 0.8, 12)
    score = rng.standard_normal(12)
    wins = [p[i] * (1 - p[j]) for i in range(12) for j in range(12) if score[j] < score[i]]
    pairs = [p[i] * (1 - p[j]) for i in range(12) for j in range(12) if i != j]
    assert expected_auc(score, p) == pytest.approx(sum(wins) / sum(pairs), rel=1e-12)


def test_features_are_factors_copies_and_noise() -> None:
    samples = draw(np.random.default_rng(2), COUNT)
    assert samples.features.shape == (COUNT, len(layer_a.FEATURE_NAMES)) == (COUNT, 40)
    correlation = np.corrcoef(samples.features.T)
    factors = np.arange(layer_a.FACTORS)
    for copy in (factors + 8, factors + 16):
        assert np.allclose(correlation[factors, copy], 0.8, atol=0.02)
    assert np.allclose(samples.features.std(axis=0), 1.0, atol=0.02)
    assert np.abs(correlation[24:, :24]).max() < 0.04


def test_outcomes_follow_their_probabilities() -> None:
    samples = draw(np.random.default_rng(4), COUNT)
    error = np.mean(samples.outcome - samples.probability)
    assert abs(error) < 3 * 0.5 / np.sqrt(COUNT)


AUC_AFTER = {
    "NONE": 0.62,
    "FLIP": 0.38,
    "B": 0.50,
    "DEAD": 0.50,
    "HALF": 0.56,
    "PRIOR": 0.62,
    "COV": 0.625,
    "RECURRING": 0.50,
}


@pytest.mark.parametrize("drift", AUC_AFTER)
def test_a_drift_changes_what_the_old_model_is_worth(drift: layer_a.Drift) -> None:
    samples = after(drift)
    auc = expected_auc(samples.score, samples.probability)
    assert auc == pytest.approx(AUC_AFTER[drift], abs=0.01)


def test_a_drift_of_the_intercept_moves_the_base_rate_and_that_of_inputs_their_mean() -> None:
    base_rate = after("NONE").probability.mean()
    assert after("DEAD").probability.std() < 1e-12
    assert after("DEAD").probability.mean() == pytest.approx(base_rate, abs=0.004)
    assert after("PRIOR").probability.mean() == pytest.approx(base_rate - 0.081, abs=0.005)
    means = after("COV").features.mean(axis=0)
    assert np.allclose(means[[0, 4]], 0.8, atol=0.03)
    assert np.allclose(np.delete(means[:8], [0, 4]), 0.0, atol=0.03)


def test_a_gradual_drift_mixes_the_new_law_in_over_a_thousand_samples() -> None:
    rng = np.random.default_rng(6)
    samples = draw(rng, COUNT, drift="GRADUAL", drift_at=15_000)
    is_new = samples.log_odds != samples.score
    assert not is_new[:15_000].any()
    assert 0.4 < is_new[15_000:16_000].mean() < 0.6
    assert is_new[16_000:].all()


@pytest.mark.parametrize("drift", layer_a.DRIFTS)
def test_before_the_drift_nothing_has_changed(drift: layer_a.Drift) -> None:
    kinds = [draw(np.random.default_rng(7), 500, drift=d, drift_at=400) for d in ("NONE", drift)]
    for column in ("score", "log_odds", "probability"):
        before = [getattr(samples, column)[:400] for samples in kinds]
        assert np.array_equal(*before)


def test_what_cannot_be_drawn_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"bayes_auc must be one of 0\.56, 0\.62, 0\.7, was 0\.6"):
        draw(rng, 10, bayes_auc=0.6)
    with pytest.raises(ValueError, match="drift must be one of NONE, FLIP"):
        draw(rng, 10, drift="FLOP")  # type: ignore[arg-type]
