"""Every drift detector, found by file name, is held to the same conduct."""

import subprocess
import sys
import time
from statistics import median

import numpy as np
import pytest

from engine.detector import Detector, Reference, detector_names, parse_detector
from engine.detectors import slope
from engine.outcome_stream import make_stream
from engine.rising_mean import RisingMean
from streams import layer_a
from streams.errors import ConfigError

BUDGET = 10_000.0
REFERENCE = 200
CHANNELS = ("ranking", "calibration", "inputs", "skew")

Stream = list[tuple[float, int]]

every_detector = pytest.mark.parametrize("name", detector_names())


def outcomes(seed: int, count: int, sharpness: float, truth: float, shift: float = 0.0) -> Stream:
    """Predictions with log-odds of scale `sharpness`; outcomes follow `truth` times that."""
    rng = np.random.default_rng(seed)
    log_odds = sharpness * rng.standard_normal(count)
    happened = rng.random(count) < layer_a.sigmoid(shift + truth * log_odds)
    return list(zip(layer_a.sigmoid(log_odds).tolist(), happened.astype(int).tolist(), strict=True))


def gone_bad(name: str) -> Stream:
    """Outcomes of the kind that a detector's channel is there to find."""
    if parse_detector(name).module.CHANNEL == "calibration":
        return outcomes(3, 1500, 1.5, 1.0, shift=-1.0)
    return outcomes(3, 1500, 1.5, -1.0)


class Fed:
    """A detector fed by its usual stream, as a watch feeds it."""

    def __init__(self, name: str, reference: Reference) -> None:
        named = parse_detector(name)
        threshold = named.default_threshold or BUDGET
        self.detector: Detector = named.module.make(threshold, reference, named.stream)
        self._stream = make_stream(named.stream, reference)

    def update(self, probability: float, outcome: int) -> None:
        self.detector.update(self._stream(probability, outcome))


def made(name: str, stream: Stream) -> Fed:
    return Fed(name, Reference([probability for probability, _ in stream[:REFERENCE]]))


def alarms(fed: Fed, stream: Stream) -> list[int]:
    found = []
    for i, (probability, outcome) in enumerate(stream):
        fed.update(probability, outcome)
        detector = fed.detector
        assert detector.drift_detected == (detector.statistic >= detector.threshold)
        if detector.drift_detected:
            found.append(i)
    return found


@every_detector
def test_the_module_keeps_the_contract(name: str) -> None:
    module = parse_detector(name).module
    assert module.__doc__
    assert module.CHANNEL in CHANNELS
    detector = made(name, outcomes(1, REFERENCE, 1.0, 1.0)).detector
    assert not detector.drift_detected
    assert not detector.warning_detected
    assert detector.outcomes_since_change == 0
    assert detector.threshold > 0.0
    assert (parse_detector(name).default_threshold is None) == module.HAS_BUDGET


@every_detector
def test_a_model_that_goes_bad_is_found_and_dated(name: str) -> None:
    good, bad = outcomes(2, 1000, 1.5, 1.0), gone_bad(name)
    detector = made(name, good)
    assert alarms(detector, good) == []
    found_after = alarms(detector, bad)[0] + 1
    detector = made(name, good)
    for probability, outcome in good + bad[:found_after]:
        detector.update(probability, outcome)
    assert detector.detector.drift_detected
    assert abs(detector.detector.outcomes_since_change - found_after) <= 60


@every_detector
def test_a_model_that_improves_does_not_alarm(name: str) -> None:
    reference = outcomes(4, 1500, 0.8, 1.0)
    detector = made(name, reference)
    assert alarms(detector, reference + outcomes(5, 3000, 0.8, 4.0)) == []


@every_detector
def test_a_calibrated_model_hardly_ever_alarms(name: str) -> None:
    count = sum(
        len(alarms(made(name, stream), stream))
        for stream in (outcomes(seed, 3000, 0.45, 1.0) for seed in range(6))
    )
    # 18,000 outcomes; the budget allows 1.8 on average.
    assert count <= 4


@every_detector
def test_after_an_alarm_it_starts_anew(name: str) -> None:
    good, bad = outcomes(2, 1000, 1.5, 1.0), gone_bad(name)
    detector = made(name, good)
    first = alarms(detector, good + bad)[0]
    used = made(name, good)
    assert alarms(used, (good + bad)[: first + 1]) == [first]
    after = outcomes(6, 1000, 1.5, 1.0) + bad
    assert alarms(used, after) == alarms(made(name, good), after) != []


@every_detector
def test_the_same_outcomes_give_the_same_words(name: str) -> None:
    stream = outcomes(8, 800, 1.0, 1.0) + outcomes(9, 800, 1.0, -1.0)

    def words() -> list[tuple[object, ...]]:
        detector, other = made(name, stream), made(name, stream)
        said = []
        for probability, outcome in stream:
            detector.update(probability, outcome)
            # A second one beside it must not share state.
            other.update(1.0 - probability, outcome)
            one = detector.detector
            said.append((one.statistic, one.warning_detected, one.outcomes_since_change))
        return said

    assert words() == words()


@every_detector
def test_certain_predictions_do_no_harm(name: str) -> None:
    detector = made(name, outcomes(1, REFERENCE, 1.0, 1.0))
    for probability, outcome in ((0.0, 1), (1.0, 0), (1.0, 1), (0.0, 0)) * 50:
        detector.update(probability, outcome)
        assert np.isfinite(detector.detector.statistic)


@every_detector
def test_an_update_is_far_below_a_millisecond(name: str) -> None:
    stream = outcomes(10, 2000, 0.45, 1.0)
    detector = made(name, stream)
    begun = time.perf_counter()
    alarms(detector, stream)
    assert (time.perf_counter() - begun) / len(stream) < 1e-3


def test_an_unknown_detector_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'page_hinkly' is not known: did you mean page_hinkley"):
        parse_detector("page_hinkly")


def test_the_slope_detector_runs_without_river() -> None:
    script = (
        "import sys; from engine.detector import *; names = detector_names();"
        "modules = [parse_detector(n) for n in names];"
        "load_detector('slope').make(100.0, Reference([.4, .6]), 'residual').update(.5);"
        "sys.exit('river' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_slope_statistic_is_the_mean_of_its_e_detectors() -> None:
    detector = slope.make(BUDGET, Reference([0.5]), "residual")
    # l̄ = 0 and l = log 3: q = σ(κ log 3) is .634, .5, .366 and .25 for κ = .5, 0, −.5, −1.
    detector.update(-0.75)
    expected = np.mean([(1 - q) / 0.25 for q in (0.6339746, 0.5, 0.3660254, 0.25)])
    assert detector.statistic == pytest.approx(expected, rel=1e-6)
    first = [(1 - q) / 0.25 for q in (0.6339746, 0.5, 0.3660254, 0.25)]
    second = [q / 0.75 for q in (0.6339746, 0.5, 0.3660254, 0.25)]
    detector.update(0.25)
    chained = [(one + 1.0) * two for one, two in zip(first, second, strict=True)]
    assert detector.statistic == pytest.approx(np.mean(chained), rel=1e-6)


def weakened(samples: layer_a.Samples) -> list[float]:
    """Calibrated probabilities of a model that sees a part of what there is: AUC .577."""
    linear = 0.55 * samples.features[:, 0] + 0.35 * samples.features[:, 2]
    # Averaging over what it does not see flattens the slope by 2 %.
    return layer_a.sigmoid(-0.2 + 0.98 * layer_a.SLOPES[0.62] * linear).tolist()


def slope_alarms(seed: int, count: int, drift: layer_a.Drift) -> list[int]:
    """Alarms on a stream whose law changes at outcome 1,000."""
    rng = np.random.default_rng(seed)
    samples = layer_a.draw(rng, count, bayes_auc=0.62, drift=drift, drift_at=1_000)
    stream = list(zip(weakened(samples), samples.outcome.tolist(), strict=True))
    return alarms(made("slope", stream), stream)


def test_the_slope_detector_finds_a_flip_in_about_as_many_outcomes_as_is_known() -> None:
    delays = [
        min(at for at in slope_alarms(seed, 2_500, "FLIP") if at >= 1_000) - 1_000
        for seed in range(21)
    ]
    # Known: a median of 134 for a trained model with live AUC .579 (60 streams).
    assert 80 <= median(delays) <= 200


def test_the_slope_detector_keeps_its_false_alarm_budget() -> None:
    streams, length = 15, 4_000
    count = sum(len(slope_alarms(seed, length, "NONE")) for seed in range(100, 100 + streams))
    # Poisson with a mean of 6 or less, by the budget; 4 were measured.
    assert count <= 2 * streams * length / BUDGET


def test_a_rise_is_dated_by_its_last_low() -> None:
    rise = RisingMean(tolerance=0.05)
    for value in [0.0, 1.0] * 100 + [1.0] * 30:
        rise.update(value)
    assert 28 <= rise.age <= 34


def test_ranks_of_a_reference_count_ties_half() -> None:
    reference = Reference([0.2, 0.4, 0.4, 0.8])
    assert [reference.rank(p) for p in (0.1, 0.4, 0.9)] == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="at least one probability"):
        Reference([])
