"""What every drift detector keeps, on every stream that it suits; named as `slope:residual`."""

import math
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.drift import river_detector
from engine.drift.detector import Detector, Reference, parse_detector
from engine.drift.outcome_stream import RANGES, STREAMS, make_stream
from streams import layer_a

BUDGET = 10_000.0
REFERENCE = 200
CHANNELS = ("ranking", "calibration")

Stream = list[tuple[float, int]]
Words = list[tuple[object, ...]]


class Fed:
    """A detector fed by its stream, as a watch feeds it."""

    def __init__(self, text: str, reference: Reference, stricter: float = 1.0) -> None:
        named = parse_detector(text)
        threshold = stricter * (named.default_threshold or BUDGET)
        self.detector: Detector = named.module.make(threshold, reference, named.stream)
        self.stream = make_stream(named.stream, reference)

    def update(self, probability: float, outcome: int) -> tuple[object, ...]:
        self.detector.update(self.stream(probability, outcome))
        return words(self.detector)


def words(detector: Detector) -> tuple[object, ...]:
    return (
        detector.statistic,
        detector.drift_detected,
        detector.warning_detected,
        detector.outcomes_since_change,
    )


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


def made(name: str, stream: Stream, stricter: float = 1.0) -> Fed:
    return Fed(name, Reference([probability for probability, _ in stream[:REFERENCE]]), stricter)


def alarms(fed: Fed, stream: Stream) -> list[int]:
    found = []
    for i, pair in enumerate(stream):
        fed.update(*pair)
        detector = fed.detector
        assert detector.drift_detected <= (detector.statistic >= detector.threshold)
        # river's pipelines look at the warning first, and then not at the alarm.
        assert not (detector.drift_detected and detector.warning_detected)
        if detector.drift_detected:
            found.append(i)
    return found


def the_module_keeps_the_contract(name: str) -> None:
    module = parse_detector(name).module
    assert module.__doc__
    assert module.CHANNEL in CHANNELS
    assert set(module.STREAMS) <= set(STREAMS)
    assert set(module.DEFAULT_THRESHOLDS) == (set() if module.HAS_BUDGET else set(module.STREAMS))
    detector = made(name, outcomes(1, REFERENCE, 1.0, 1.0)).detector
    assert words(detector) == (0.0, False, False, 0)
    assert detector.threshold > 0.0
    if module.HAS_BUDGET:
        assert detector.threshold == BUDGET
    assert hasattr(detector, "update_many") >= module.CLUSTERED


def a_model_that_goes_bad_is_found_and_dated(name: str) -> None:
    good, bad = outcomes(2, 1000, 1.5, 1.0), gone_bad(name)
    fed = made(name, good)
    assert alarms(fed, good) == []
    found_after = alarms(fed, bad)[0] + 1
    fed = made(name, good)
    for pair in good + bad[:found_after]:
        fed.update(*pair)
    assert fed.detector.drift_detected
    assert abs(fed.detector.outcomes_since_change - found_after) <= 60


def a_model_that_improves_does_not_alarm(name: str) -> None:
    reference = outcomes(4, 1500, 0.8, 1.0)
    fed = made(name, reference)
    assert alarms(fed, reference + outcomes(5, 3000, 0.8, 4.0)) == []


def a_calibrated_model_hardly_ever_alarms(name: str) -> None:
    count = sum(
        len(alarms(made(name, stream), stream))
        for stream in (outcomes(seed, 3000, 0.45, 1.0) for seed in range(6))
    )
    # 18,000 outcomes; the budget allows 1.8 on average.
    assert count <= 4


def after_an_alarm_it_starts_anew(name: str) -> None:
    good, bad = outcomes(2, 1000, 1.5, 1.0), gone_bad(name)
    first = alarms(made(name, good), good + bad)[0]
    used = made(name, good)
    assert alarms(used, (good + bad)[: first + 1]) == [first]
    after = outcomes(6, 1000, 1.5, 1.0) + bad
    assert alarms(used, after) == alarms(made(name, good), after) != []


def a_stricter_threshold_alarms_no_sooner(name: str) -> None:
    stream = outcomes(2, 1000, 1.5, 1.0) + gone_bad(name)
    lenient, usual, strict = (
        alarms(made(name, stream, stricter), stream)[:1] for stricter in (0.75, 1.0, 1.25)
    )
    assert lenient <= usual
    assert usual
    assert usual <= strict or strict == []


def two_of_them_share_nothing(name: str) -> None:
    stream = outcomes(8, 700, 1.0, 1.0) + outcomes(9, 600, 1.0, -1.0)

    def said(is_accompanied: bool) -> Words:
        fed, other = made(name, stream), made(name, stream)
        heard = []
        for probability, outcome in stream:
            heard.append(fed.update(probability, outcome))
            if is_accompanied:
                other.update(1.0 - probability, outcome)
        return heard

    assert said(True) == said(False)


def written(detector: Detector) -> bytes:
    return msgspec.msgpack.encode(detector.save())


def saved_at_any_point_it_goes_on_word_for_word(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # So that river's also pass the limit of what is kept of them.
        patch.setattr(river_detector, "VALUES_KEPT_MAX", 700)
        _saved_anywhere(name)


def _saved_anywhere(name: str) -> None:
    stream = outcomes(2, 1000, 1.5, 1.0) + gone_bad(name) + outcomes(12, 300, 1.5, 1.0)
    fed = made(name, stream)
    said, saved = [], []
    for pair in stream:
        said.append(fed.update(*pair))
        saved.append(written(fed.detector))
    (alarm, *_) = [at for at, heard in enumerate(said) if heard[1]]
    drawn = np.random.default_rng(13).integers(0, len(stream) - 100, 8).tolist()
    for cut in (0, 698, 699, 700, 701, alarm - 1, alarm, alarm + 1, *drawn):
        other = made(name, stream)
        # What it had seen before is of no account.
        other.update(0.9, 0)
        other.detector.load(msgspec.msgpack.decode(saved[cut]))
        assert words(other.detector) == said[cut]
        assert written(other.detector) == saved[cut]
        after = range(cut + 1, min(cut + 100, len(stream)))
        assert [other.update(*stream[at]) for at in after] == [said[at] for at in after]
        assert written(other.detector) == saved[after[-1]]


def certain_predictions_do_no_harm(name: str) -> None:
    fed = made(name, outcomes(1, REFERENCE, 1.0, 1.0))
    for probability, outcome in ((0.0, 1), (1.0, 0), (1.0, 1), (0.0, 0)) * 300:
        fed.update(probability, outcome)
        assert math.isfinite(fed.detector.statistic)


def values_beyond_the_range_of_a_stream_are_held_within_it(name: str) -> None:
    reference = outcomes(1, REFERENCE, 1.0, 1.0)
    wild, held = made(name, reference).detector, made(name, reference).detector
    lowest, highest = RANGES[parse_detector(name).stream]
    for _ in range(300):
        for beyond, edge in ((1e300, highest), (-math.inf, lowest), (math.inf, highest)):
            wild.update(beyond)
            held.update(edge)
            assert words(wild) == words(held)
            assert math.isfinite(wild.statistic)


def what_is_no_number_is_passed_over(name: str) -> None:
    stream = outcomes(2, 1000, 1.5, 1.0) + gone_bad(name)
    fed = made(name, stream)
    first = alarms(fed, stream)[0]
    fed = made(name, stream)
    for pair in stream[: first + 1]:
        fed.update(*pair)
    before = written(fed.detector)
    fed.detector.update(math.nan)
    assert written(fed.detector) == before
    assert fed.detector.drift_detected


def seconds_of(update: Callable[[float], Any], values: list[float]) -> float:
    best = math.inf
    for _ in range(3):
        begun = time.process_time()
        for value in values:
            update(value)
        best = min(best, time.process_time() - begun)
    return best


def an_update_costs_little_beside_the_cheapest_and_no_more_later(name: str) -> None:
    def values_of(text: str, fed: Fed) -> list[float]:
        return [fed.stream(*pair) for pair in outcomes(10, 2000, 0.45, 1.0)]

    reference = outcomes(1, REFERENCE, 1.0, 1.0)
    cheapest = made("page_hinkley", reference)
    usual = seconds_of(cheapest.detector.update, values_of("page_hinkley", cheapest))
    fed = made(name, reference)
    values = values_of(name, fed)
    early = seconds_of(fed.detector.update, values)
    late = seconds_of(fed.detector.update, values)
    # river's KSWIN, which tests at each value, takes some 200 times the cheapest.
    assert early < 60.0 * usual
    assert late < 60.0 * usual


CHECKS: tuple[Callable[[str], None], ...] = (
    the_module_keeps_the_contract,
    a_model_that_goes_bad_is_found_and_dated,
    a_model_that_improves_does_not_alarm,
    a_calibrated_model_hardly_ever_alarms,
    after_an_alarm_it_starts_anew,
    a_stricter_threshold_alarms_no_sooner,
    two_of_them_share_nothing,
    saved_at_any_point_it_goes_on_word_for_word,
    certain_predictions_do_no_harm,
    values_beyond_the_range_of_a_stream_are_held_within_it,
    what_is_no_number_is_passed_over,
    an_update_costs_little_beside_the_cheapest_and_no_more_later,
)
