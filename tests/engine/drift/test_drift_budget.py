import msgspec
import pytest

from engine.drift.detector import Reference
from engine.drift.drift_budget import watchers
from engine.settings import DriftSettings
from streams.errors import ConfigError

REFERENCE = Reference([0.4, 0.5, 0.6])


def thresholds(strategies: int = 1, **settings: object) -> dict[str, float]:
    """Those that the detectors are really given, by name."""
    made = watchers(DriftSettings(**settings), strategies)  # type: ignore[arg-type]
    return {one.name: one.threshold for one in made}


def test_a_detector_of_its_channel_has_the_share_of_its_channel() -> None:
    found = thresholds(budget=1_000.0, ranking_share=0.8)
    assert found == {"slope": pytest.approx(1_250.0), "intercept": pytest.approx(5_000.0)}


def test_false_alarms_of_all_together_come_once_in_the_budget() -> None:
    found = thresholds(strategies=50, budget=10_000.0)
    # 50 strategies see 50 outcomes while one sees one.
    assert 50 * sum(1.0 / one for one in found.values()) == pytest.approx(1.0 / 10_000.0)


def test_a_channel_alone_has_all_of_the_budget() -> None:
    assert thresholds(detectors=("slope",)) == {"slope": 10_000.0}
    assert thresholds(detectors=("intercept",)) == {"intercept": 10_000.0}


def test_a_detector_without_a_budget_takes_no_share() -> None:
    found = thresholds(detectors=("page_hinkley", "ddm", "intercept"))
    assert found["intercept"] == 10_000.0
    assert found["page_hinkley"] == 3.5


def test_a_threshold_that_is_given_replaces_what_the_budget_gives() -> None:
    found = thresholds(
        detectors=("slope", "page_hinkley:brier"),
        thresholds={"slope": 777.0, "page_hinkley:brier": 2.5},
    )
    assert found == {"slope": 777.0, "page_hinkley:brier": 2.5}


def test_what_a_model_is_watched_by_has_the_threshold() -> None:
    (slope,) = watchers(DriftSettings(detectors=("slope",)), 5)
    detector, stream = slope.begin(REFERENCE)
    assert detector.threshold == 50_000.0
    assert stream(0.25, 1) == 0.75


def test_a_threshold_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"drift.thresholds names 'slop', which is not among"):
        thresholds(thresholds={"slop": 1.0})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"budget": 0.5}, "budget"),
        ({"budget": float("inf")}, "budget"),
        ({"thresholds": {"slope": float("inf")}}, "thresholds"),
        ({"maturity_days": float("inf")}, "maturity_days"),
        ({"reference_outcomes": 10**9}, "reference_outcomes"),
        ({"refresh_growth": 0.5}, "refresh_growth must be 0 or above 1, was 0.5"),
        ({"refresh_growth": 1.0}, "refresh_growth must be 0 or above 1, was 1"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(given, DriftSettings)
