"""What holds for every method: it rises, stays inside (0, 1), and says the same in the graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.calibrators.margins import bent, draw, in_graph, stepped, straight
from trainers.calibrators.beta import fit_beta
from trainers.calibrators.isotonic import fit_isotonic
from trainers.calibrators.platt import fit_platt
from trainers.metrics import auc

FITS = {"platt": fit_platt, "beta": fit_beta, "isotonic": fit_isotonic}
WILD = np.array([0.0, 1e-30, -1e-30, 50.0, -50.0, 1e6, -1e6])

drawn_samples = st.tuples(
    st.integers(0, 2**31),
    st.integers(60, 600),
    st.sampled_from([0.02, 1.0, 30.0]),
    st.sampled_from([straight, bent, stepped]),
)


@pytest.mark.parametrize("name", FITS)
class TestEveryCalibrator:
    @given(drawn_samples)
    @settings(max_examples=25, deadline=None)
    def test_it_never_turns_a_margin_round_nor_ties_one(self, name: str, sample):
        seed, count, scale, truth = sample
        margin, y, weights, _ = draw(truth, count, seed, scale)
        calibration = FITS[name](margin, y, weights)
        rising = np.unique(margin)
        steps = np.diff(calibration.probability(rising))
        assert (steps >= 0.0).all()
        slope = calibration.figures()["slope"]
        if slope * scale > 0.01:
            assert (steps > 0.0).all()
            said = calibration.probability(margin)
            assert auc(y, said) == auc(y, margin)

    @given(drawn_samples)
    @settings(max_examples=25, deadline=None)
    def test_it_stays_strictly_inside_zero_and_one(self, name: str, sample):
        seed, count, scale, truth = sample
        calibration = FITS[name](*draw(truth, count, seed, scale)[:3])
        said = calibration.probability(scale * WILD)
        assert ((said > 0.0) & (said < 1.0)).all()

    @given(drawn_samples)
    @settings(max_examples=15, deadline=None)
    def test_neither_the_scale_of_weights_nor_the_order_of_rows_matters(self, name: str, sample):
        seed, count, scale, truth = sample
        margin, y, weights, _ = draw(truth, count, seed, scale)
        order = np.random.default_rng(seed).permutation(count)
        said = FITS[name](margin, y, weights).probability(margin)
        scaled = FITS[name](margin, y, 1024.0 * weights).probability(margin)
        shuffled = FITS[name](margin[order], y[order], weights[order]).probability(margin)
        assert np.abs(said - scaled).max() <= 1e-12
        # Isotonic's knots are float32: a sum in another order may move one by an ulp.
        assert np.abs(said - shuffled).max() <= (1e-6 if name == "isotonic" else 1e-12)

    @pytest.mark.parametrize("truth", [straight, bent, stepped])
    @pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
    def test_the_graph_agrees_on_and_beside_its_knots(self, name: str, truth, scale: float):
        margin, y, weights, _ = draw(truth, 5_000, scale=scale)
        calibration = FITS[name](margin, y, weights)
        assert calibration.name == name
        rows = np.concatenate((margin, scale * WILD, on_and_beside(calibration)))
        rows = rows.astype(np.float32).astype(np.float64)
        assert np.abs(in_graph(calibration, rows) - calibration.probability(rows)).max() <= 1e-6

    @pytest.mark.parametrize(("offset", "scale"), [(-4.0, 0.01), (0.5, 1e-5), (1e6, 10.0)])
    def test_the_graph_agrees_where_margins_lie_far_from_zero(
        self, name: str, offset: float, scale: float
    ):
        # As of a rare class: two large terms that all but cancel.
        margin, y, weights, _ = draw(straight, 3_000, scale=scale)
        margin = (margin + offset).astype(np.float32).astype(np.float64)
        calibration = FITS[name](margin, y, weights)
        said = calibration.probability(margin)
        assert np.ptp(said) > 0.3
        assert np.abs(in_graph(calibration, margin) - said).max() <= 1e-6

    def test_a_margin_that_falls_with_the_outcome_is_worth_nothing(self, name: str):
        margin, y, weights, _ = draw(straight, 3_000)
        said = FITS[name](-margin, y, weights).probability(margin)
        assert said == pytest.approx(np.average(y, weights=weights), abs=1e-3)

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class_only_still_gives_a_probability(self, name: str, label: int):
        y = np.full(10, label, dtype=np.int8)
        said = FITS[name](np.arange(10.0), y, np.ones(10)).probability(np.zeros(1))
        assert 0.0 < said[0] < 1.0

    def test_a_sample_without_weight_is_as_if_it_were_not_there(self, name: str):
        margin, y, weights, _ = draw(bent, 3_000)
        weights[:1_000] = 0.0
        said = FITS[name](margin, y, weights).probability(margin)
        turned = np.where(np.arange(3_000) < 1_000, 1 - y, y).astype(np.int8)
        assert np.abs(said - FITS[name](margin, turned, weights).probability(margin)).max() < 1e-12

    def test_figures_are_plain_numbers_with_the_rows(self, name: str):
        figures = FITS[name](*draw(bent, 3_000)[:3]).figures()
        assert figures["rows"] == 3_000.0
        assert all(type(value) is float and np.isfinite(value) for value in figures.values())


def on_and_beside(calibration) -> np.ndarray:
    """Margins on the knots of an isotonic calibration and one ulp to each side."""
    if calibration.name != "isotonic":
        return np.empty(0)
    assert calibration.figures()["knots"] >= 2
    at = calibration.at[1:-1].astype(np.float64)
    platt = calibration.platt
    on = ((np.log(at / (1.0 - at)) - platt.intercept) / platt.slope).astype(np.float32)
    beside = (np.nextafter(on, np.float32(side)) for side in (-np.inf, np.inf))
    return np.concatenate((on, *beside))
