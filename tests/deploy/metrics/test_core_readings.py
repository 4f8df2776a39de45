"""What is told of a scorer and of a drift monitor is what they know at that moment."""

import pytest

from deploy.metrics.drift_readings import drift_readings
from deploy.metrics.scorer_readings import scorer_readings
from engine.drift.drift_monitor import DriftMonitor
from engine.scorer import Scorer
from engine.settings import DriftSettings, StrategySettings
from models.feature_set import load_feature_set
from streams.events import Deployment, Progress
from streams.session import session
from tests.deploy.monitor.storied_run import outcomes


def values(readings, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in reading.labels): reading.value
        for reading in readings
        if reading.name == name
    }


def test_every_detector_is_told_with_its_threshold_and_what_it_found():
    core = DriftMonitor(DriftSettings())
    events = outcomes("alpha", 500, "m", skill=-1.0, seed=3)
    for event in (*events, Progress("labeller", 0, events[-1].exit_ts, 1)):
        core.step(event)
    found = drift_readings(core)
    [watch] = core.state()
    assert values(found, "drift_outcomes") == {("alpha", "m"): 500}
    for one in watch.detectors:
        labels = ("alpha", "m", one.detector, one.channel)
        assert values(found, "drift_statistic")[labels] == one.statistic
        assert values(found, "drift_threshold")[labels] == one.threshold
    # The ranking is reversed, its probabilities are right on average.
    assert values(found, "drift_state")["alpha", "m", "slope", "ranking"] == 2


def test_a_monitor_that_has_seen_nothing_tells_nothing():
    assert drift_readings(DriftMonitor(DriftSettings())) == []


@pytest.fixture(scope="module")
def features():
    return load_feature_set()


def test_the_models_in_force_and_the_canaries_are_told_by_scope(features):
    core = Scorer((StrategySettings("alpha", kind="external"),), features, session("us_equity"))
    assert values(scorer_readings(core), "model") == {}
    for symbol, effective_ts in ((None, 5_000_000_000), ("AAA", 7_000_000_000)):
        core.deploy(Deployment("alpha", symbol, "", "", effective_ts, None, {}), None)
    found = scorer_readings(core)
    assert set(values(found, "model")) == {
        ("alpha", "", "in_force", ""),
        ("alpha", "AAA", "in_force", ""),
    }
    assert values(found, "model_effective_time_seconds")["alpha", "AAA", ""] == 7.0
    assert values(found, "waiting_signals") == {(): 0}
