"""river's traps, each held here; and ours at work inside river's own pipelines."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from river import drift, linear_model, preprocessing
from river.drift import binary, kswin

from engine.detectors import kswin as own_kswin
from engine.drift import river_detector
from engine.drift.detector import Detector, Reference, detector_names, parse_detector
from engine.drift.river_detector import RiverDetector

CALM, BAD = 0.2, 0.6


def errors(seed: int, *parts: tuple[int, float]) -> list[int]:
    """Zeros and ones: so many of each error rate."""
    rng = np.random.default_rng(seed)
    return [int(x) for count, rate in parts for x in rng.random(count) < rate]


def alarms(detector: Any, values: list[Any]) -> list[int]:
    found = []
    for i, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(i)
    return found


def made(text: str) -> Detector:
    named = parse_detector(text)
    detector: Detector = named.module.make(
        named.default_threshold or 10_000.0, Reference([0.2, 0.8]), named.stream
    )
    return detector


IMPROVED = errors(1, (1500, BAD), (1500, CALM))


def test_the_hoeffding_detector_is_called_hddma_there_and_hddm_a_here() -> None:
    assert not hasattr(binary, "HDDM_A")
    assert hasattr(binary, "HDDMA")
    assert "hddm_a" in detector_names()


def test_all_of_its_names_cannot_be_imported_at_once() -> None:
    with pytest.raises(AttributeError, match="has no attribute"):
        exec("from river.drift import *", {})


def test_its_adwin_alarms_on_an_improvement_and_ours_does_not() -> None:
    assert alarms(drift.ADWIN(), IMPROVED) != []
    assert alarms(made("adwin"), IMPROVED) == []
    worsened = errors(1, (1500, CALM), (1500, BAD))
    assert alarms(made("adwin"), worsened) != []


def test_its_adwin_looks_every_32_values_and_forgets_its_window_after_an_alarm() -> None:
    values = errors(2, (1500, CALM), (1500, BAD))
    adwin = drift.ADWIN()
    (first, *_) = alarms(adwin, values)
    assert first % 32 == 31
    adwin = drift.ADWIN()
    assert alarms(adwin, values[: first + 1]) == [first]
    assert adwin.width > 1
    adwin.update(1)
    assert adwin.width == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: drift.PageHinkley(threshold=20.0),
        binary.DDM,
        binary.HDDMA,
        drift.ADWIN,
        lambda: drift.KSWIN(seed=1),
    ],
)
def test_its_state_is_reset_on_the_update_after_an_alarm_not_at_it(make: Callable[[], Any]) -> None:
    values = errors(3, (300, 0.1), (300, 0.8))
    (first, *_) = alarms(make(), values)
    river, fresh = make(), make()
    assert alarms(river, values[: first + 1]) == [first]
    # Nothing of what came before counts any more: KSWIN keeps its newest values, and drops them.
    after = errors(4, (200, 0.1), (200, 0.8))
    assert alarms(river, after) == alarms(fresh, after) != []


def test_its_kswin_alarms_on_an_improvement_and_draws_anew_each_time() -> None:
    improved = errors(1, (300, BAD), (150, CALM))
    assert alarms(drift.KSWIN(seed=1), improved) != []
    # Without a seed two of them differ: ours has one.
    values = np.random.default_rng(5).random(200).tolist()

    def p_values(seed: int | None) -> list[float]:
        river, found = drift.KSWIN(seed=seed), []
        for value in values:
            river.update(value)
            found.append(river.p_value)
        return found

    assert p_values(None) != p_values(None)
    assert p_values(own_kswin.SEED) == p_values(own_kswin.SEED)


def test_its_kswin_tests_at_every_value_and_ours_at_every_sixteenth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tested = 0
    real = kswin.stats.ks_2samp

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal tested
        tested += 1
        return real(*args, **options)

    monkeypatch.setattr(kswin.stats, "ks_2samp", counting)
    rng = np.random.default_rng(6)
    usual = drift.KSWIN(alpha=1e-9, seed=1)
    for value in rng.random(300):
        usual.update(value)
    assert tested == 300 - usual.window_size + 1
    tested = 0
    ours, looks = made("kswin"), 20
    for value in rng.normal(0.0, 0.1, own_kswin.WINDOW_SIZE + looks * own_kswin.LOOK_EVERY):
        ours.update(float(value))
    assert looks <= tested <= looks + 1


def test_its_fhddm_alarms_when_errors_fall_so_it_is_not_offered() -> None:
    assert alarms(binary.FHDDM(), errors(7, (1000, CALM), (1000, BAD))) == []
    assert alarms(binary.FHDDM(), errors(7, (1000, BAD), (1000, CALM))) != []
    assert not {"fhddm", "eddm", "hddm_w"} & set(detector_names())


def test_its_ddm_fails_beyond_zero_and_one_and_ours_holds_values_within() -> None:
    ddm = binary.DDM()
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative"):
        alarms(ddm, [2.0] * 50)
    ours = made("ddm")
    assert alarms(ours, [2.0] * 50) == alarms(made("ddm"), [1.0] * 50)


def test_what_is_kept_of_a_river_detector_is_bounded_and_the_bound_is_in_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(river_detector, "VALUES_KEPT_MAX", 100)
    detector = made("ddm")
    assert isinstance(detector, RiverDetector)
    values = [float(x) for x in errors(8, (95, CALM), (165, 0.3))]
    sizes = []
    for value in values:
        detector.update(value)
        sizes.append(len(detector.save()["values"]) // 8)
    assert max(sizes) == 100
    assert min(sizes[100:]) == 51
    # From there on it is the one that has seen only the newer half.
    newer = made("ddm")
    for value in values[50:100]:
        newer.update(value)
    assert alarms(newer, values[100:150]) == []
    assert newer.save()["values"] == b"".join(np.float64(x).tobytes() for x in values[50:150])


def flipped_samples(count: int, at: int) -> list[tuple[dict[str, float], bool]]:
    rng = np.random.default_rng(9)
    found = []
    for i in range(count):
        z = float(rng.standard_normal())
        chance = 1.0 / (1.0 + np.exp(-3.0 * z))
        found.append(({"z": z}, bool(rng.random() < (chance if i < at else 1.0 - chance))))
    return found


def test_slope_works_inside_a_river_pipeline_in_place_of_a_river_detector() -> None:
    """It retrains through river's own wrapper: the errors after the change are fewer for it."""
    # A logistic regression like this one errs in about 22 of 100.
    reference = Reference([0.78, 0.22])
    samples, at = flipped_samples(2400, 1200), 1200

    def errors_after(detector: Any, background: bool) -> tuple[int, list[int]]:
        pipeline = preprocessing.StandardScaler() | linear_model.LogisticRegression()
        model = drift.DriftRetrainingClassifier(pipeline, detector, train_in_background=background)
        wrong, heard = 0, []
        for i, (x, y) in enumerate(samples):
            if i >= at:
                wrong += model.predict_one(x) != y
            model.learn_one(x, y)
            if detector.drift_detected:
                heard.append(i)
        return wrong, heard

    named = parse_detector("slope:error")
    for background in (False, True):
        slope = named.module.make(1_000.0, reference, named.stream)
        wrong, heard = errors_after(slope, background)
        assert heard
        assert at <= heard[0] < at + 60
        assert wrong < 0.8 * errors_after(drift.NoDrift(), False)[0]
