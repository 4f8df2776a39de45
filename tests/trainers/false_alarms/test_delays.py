"""Delays are told by their quantiles, and honestly where there is no telling."""

import numpy as np

from engine.drift.detector import parse_detector
from tests.trainers.false_alarms.profiles import plain
from trainers.false_alarms import delays
from trainers.false_alarms.delays import LAWS, DelayStudy, Watched
from trainers.false_alarms.drift_law import LEVEL, LOSS, NONE, REVERSAL


def told(times: list[float], horizon: int = 100) -> delays.Delay:
    return delays._delay(LOSS, "slope", np.array(times), horizon)


def test_the_median_and_the_middle_four_fifths_are_order_statistics():
    found = told([float(time) for time in range(10, 110, 10)])
    assert (found.low, found.median, found.high) == (10.0, 50.0, 90.0)
    assert found.found == 1.0
    assert found.streams == 10
    assert found.median_error is not None


def test_what_is_not_found_within_the_horizon_has_no_median():
    found = told([20.0, 40.0, 150.0, np.inf, np.inf])
    assert found.found == 0.4
    assert found.low == 20.0
    assert found.median is None
    assert found.high is None


def test_an_alarm_before_the_drift_is_no_finding():
    found = told([-5.0, 0.0, 30.0])
    assert found.streams == 1
    assert found.median == 30.0
    assert told([-1.0]).streams == 0
    assert told([-1.0]).median is None


def studied(seed: int = 1, streams: int = 30) -> list[delays.Delay]:
    detectors = {name: Watched(parse_detector(name), 3_000.0) for name in ("slope", "intercept")}
    study = DelayStudy(plain(0.7), detectors, seed=seed, reference_outcomes=100, horizon=800)
    ticks: list[int] = []
    study.run(streams, lambda: ticks.append(1))
    assert len(ticks) == streams * len(LAWS)
    return study.delays()


def test_each_channel_finds_what_it_is_there_for_and_nothing_else():
    found = {(one.law, one.by): one for one in studied()}
    reversal, loss = found[REVERSAL, "slope"], found[LOSS, "slope"]
    assert reversal.median is not None
    assert loss.median is not None
    assert 20 < reversal.median < loss.median < 400
    assert found[LEVEL, "intercept"].found > 0.7
    for law, by in ((NONE, "slope"), (NONE, "intercept"), (LEVEL, "slope"), (LOSS, "intercept")):
        assert found[law, by].found < 0.35
    assert not found[NONE, "slope"].is_beyond_chance
    assert reversal.is_beyond_chance
    assert loss.is_beyond_chance
    # A channel of one detector is that detector.
    assert found[LOSS, "ranking"].median == loss.median


def test_the_same_seed_watches_the_same_streams():
    first = studied(1, streams=6)
    assert first == studied(1, streams=6)
    assert first != studied(2, streams=6)
