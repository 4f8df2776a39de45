"""What the drift monitor asks for, of whom, and what it leaves alone."""

import itertools

import msgspec
import numpy as np
import pytest

from engine.drift import model_watch, outcome_window
from engine.drift.drift_monitor import DriftMonitor
from engine.settings import DriftSettings
from streams import layer_a
from streams.events import Outcome
from tests.engine.drift.judging import (
    DAY_NS,
    SLOPE,
    drifts,
    judged,
    outcome,
    requests,
    run,
    shifted,
    stream,
    watermark,
)

BOTH = DriftSettings(detectors=("slope", "intercept"), review_outcomes=0, refresh_growth=0.0)
FLIPPED = stream(1, 1_400, "FLIP", 1_000)


def replaced(outcomes: list[Outcome], **changes: object) -> list[Outcome]:
    return [msgspec.structs.replace(one, **changes) for one in outcomes]


def off_by(shift: float, count: int = 1_500, since: int = 500) -> list[Outcome]:
    """Outcomes whose true log-odds are `shift` above what is said, from number `since` on."""
    rng = np.random.default_rng(9)
    samples = layer_a.draw(rng, count, bayes_auc=0.70)
    truth = layer_a.sigmoid(samples.score + shift * (np.arange(count) >= since))
    happened = (rng.random(count) < truth).astype(int)
    said = layer_a.sigmoid(samples.score)
    return [
        outcome(i, float(p), int(y))
        for i, (p, y) in enumerate(zip(said, happened, strict=True), start=1)
    ]


def test_probabilities_that_are_off_ask_for_a_new_line_only() -> None:
    answers = judged(off_by(-0.8), BOTH)
    detected = [d for d in drifts(answers) if d.level == "detected"]
    assert [(d.channel, d.detector) for d in detected] == [("calibration", "intercept")]
    asked = requests(answers)
    assert {(r.action, r.reason, r.model) for r in asked} == {
        ("recalibrate", "calibration:intercept", "alpha-1")
    }
    assert asked[0].since_ts == detected[0].changepoint_ts
    assert abs(asked[0].since_ts // DAY_NS - 500) <= 40


def test_a_model_that_no_longer_ranks_is_not_recalibrated() -> None:
    turned = stream(1, 1_600, "FLIP", 1_000)
    # Behind the alarm the base rate moves too.
    worse = [
        msgspec.structs.replace(one, y_binary=0) if i > 1_200 and i % 2 else one
        for i, one in enumerate(turned)
    ]
    answers = judged(worse, BOTH)
    channels = {d.channel for d in drifts(answers) if d.level == "detected"}
    assert channels == {"ranking", "calibration"}
    assert {request.action for request in requests(answers)} == {"retrain"}


def test_the_outcomes_since_the_change_are_learned_from_until_they_settle_it() -> None:
    settings = msgspec.structs.replace(SLOPE, refresh_growth=2.0, settled_outcomes=1_000)
    # The model that is found wanting is replaced at once, by one that knows.
    answers = judged(FLIPPED[:1_100] + shifted(stream(2, 1_500), 1_100, model="alpha-2"), settings)
    first, *refreshed = requests(answers)
    assert first.reason == "drift:slope"
    assert [r.reason for r in refreshed] == ["refresh:slope"] * len(refreshed)
    assert {(r.since_ts, r.model, r.action) for r in refreshed} == {
        (first.since_ts, "alpha-1", "retrain")
    }
    known = [(r.ts - first.since_ts) // DAY_NS for r in [first, *refreshed]]
    # The first waits for the cooldown.
    assert known[1] - known[0] == settings.cooldown_outcomes
    assert len(refreshed) >= 3
    assert all(1.9 < b / a < 2.1 for a, b in itertools.pairwise(known[1:]))
    assert known[-1] <= 1_010


def test_what_follows_a_fallback_to_no_model_is_learned_from() -> None:
    settings = msgspec.structs.replace(SLOPE, refresh_growth=2.0)
    silent = shifted(stream(2, 400), 1_100, model=None, probability=None)
    answers = judged(FLIPPED[:1_100] + silent, settings)
    last = requests(answers)[-1]
    assert last.reason == "refresh:slope"
    assert last.ts > silent[50].exit_ts


def test_a_newer_model_that_fails_too_dates_a_change_of_its_own() -> None:
    again = shifted(stream(6, 900, "FLIP", 500), 1_200, model="alpha-2")
    first, *newer = requests(judged(FLIPPED[:1_100] + again, SLOPE))
    assert first.model == "alpha-1"
    assert {request.model for request in newer} == {"alpha-2"}
    assert abs(newer[0].since_ts // DAY_NS - 1_700) <= 40


def of_canary(outcomes: list[Outcome]) -> list[Outcome]:
    return [
        msgspec.structs.replace(one, signal_id=f"c{i}", model="alpha-2", canary=True)
        for i, one in enumerate(outcomes)
    ]


def test_a_canary_is_watched_beside_the_model_in_force_and_asks_for_nothing() -> None:
    answers = judged(stream(3, 1_400) + of_canary(FLIPPED), SLOPE)
    assert requests(answers) == []
    found = drifts(answers)
    assert {d.model for d in found} == {"alpha-2"}
    assert "detected" in {d.level for d in found}
    assert all("canary" in d.detail for d in found)


def test_a_canary_ends_nobodys_watch() -> None:
    answers = judged(FLIPPED + of_canary(stream(3, 1_100)))
    assert drifts(answers) == drifts(judged(FLIPPED))
    assert len(requests(answers)) > 1


def test_a_canary_that_comes_into_force_is_known_already() -> None:
    monitor = DriftMonitor(SLOPE)
    beside = replaced(stream(3, 300), model="alpha-2", canary=True)
    after = shifted(stream(4, 50), 300, model="alpha-2")
    run(monitor, [*beside, *after, watermark(10_000)])
    (state,) = monitor.state()
    assert (state.model, state.outcomes, state.has_reference) == ("alpha-2", 350, True)


def test_every_word_carries_the_budget_and_the_threshold_that_it_gave() -> None:
    settings = msgspec.structs.replace(BOTH, budget=2_000.0)
    answers = run(DriftMonitor(settings, strategies=4), [*FLIPPED, watermark(100_000)])
    found = [d for d in drifts(answers) if d.detector == "slope"]
    assert {d.false_alarm_budget for d in found} == {2_000.0}
    assert {d.threshold for d in found} == {4 * 2_000.0 / settings.ranking_share}


def test_each_detector_that_had_detected_says_when_it_is_over() -> None:
    settings = msgspec.structs.replace(SLOPE, detectors=("slope", "page_hinkley", "intercept"))
    answers = judged(FLIPPED + shifted(stream(2, 50), 1_400, model="alpha-2"), settings)
    levels = [(d.detector, d.level) for d in drifts(answers)]
    over = [name for name, level in levels if level == "recovered"]
    assert over == [n for n in settings.detectors if (n, "detected") in levels]
    assert over[:2] == ["slope", "page_hinkley"]


def test_a_bad_time_that_has_gone_by_is_over_and_no_longer_learned_from() -> None:
    settings = msgspec.structs.replace(SLOPE, refresh_growth=2.0)
    answers = judged(FLIPPED[:1_060] + shifted(stream(6, 2_500), 1_060), settings)
    detected, over = (d for d in drifts(answers) if d.level != "warning")
    assert (detected.level, over.level) == ("detected", "recovered")
    assert detected.model == over.model == "alpha-1"
    assert over.outcomes_seen - detected.outcomes_seen >= model_watch.CALM_OUTCOMES
    assert requests(answers)[-1].ts < over.ts


def test_a_second_change_behind_a_recovery_is_dated_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the window no longer holds the first: that one is over."""
    monkeypatch.setattr(outcome_window, "WINDOW_OUTCOMES_MAX", 600)
    again = shifted(stream(7, 2_400, "FLIP", 2_000), 1_060)
    detected = [d for d in drifts(judged(FLIPPED[:1_060] + again)) if d.level == "detected"]
    assert [d.model for d in detected] == ["alpha-1", "alpha-1"]
    assert abs(detected[1].changepoint_ts // DAY_NS - 3_060) <= 40


def test_a_model_has_not_recovered_while_a_detector_of_its_ranking_stands() -> None:
    settings = msgspec.structs.replace(SLOPE, detectors=("slope", "slope:error"))
    monitor = DriftMonitor(settings)
    run(monitor, [*FLIPPED[:1_150], *shifted(stream(6, 2_500), 1_150)])
    over, learned = set[str](), []
    for day in range(1_000, 3_500):
        over |= {d.detector for d in drifts(monitor.step(watermark(day))) if d.level == "recovered"}
        (state,) = monitor.state()
        learned.append((len(over), state.outcomes_since_change > 0))
    assert (1, True) in learned
    assert (1, False) not in learned
    assert learned[-1] == (2, False)


def test_what_got_used_to_a_model_that_failed_does_not_say_that_it_recovered() -> None:
    settings = msgspec.structs.replace(SLOPE, detectors=("page_hinkley",))
    answers = judged(stream(1, 3_500, "FLIP", 1_000), settings)
    assert "recovered" not in {d.level for d in drifts(answers)}
    assert "detected" in {d.level for d in drifts(answers)}


def test_reviews_go_on_while_all_is_calm() -> None:
    settings = msgspec.structs.replace(SLOPE, review_outcomes=150)
    asked = requests(judged(stream(10, 500), settings))
    assert [(r.action, r.reason) for r in asked] == [("review", "review")] * 3
    # The first outcome that a model spoke on is known on day 4.
    assert [r.ts // DAY_NS for r in asked] == [154, 304, 454]


@pytest.mark.parametrize("silence", [{"model": None}, {"probability": float("nan")}])
def test_a_strategy_that_no_model_speaks_on_asks_for_one(silence: dict[str, object]) -> None:
    settings = msgspec.structs.replace(SLOPE, first_outcomes=200)
    asked = requests(judged(replaced(stream(10, 500), **silence), settings))
    assert [(r.action, r.reason, r.model, r.since_ts) for r in asked] == [
        ("retrain", "no_model", "", 0)
    ] * 3
    assert [r.ts // DAY_NS - 3 for r in asked] == [200, 300, 450]


def test_a_strategy_that_wants_no_model_asks_for_none() -> None:
    settings = msgspec.structs.replace(SLOPE, first_outcomes=200)
    silent = replaced(stream(10, 500), model=None)
    core = DriftMonitor(settings, without_models=("beta", "alpha"))
    assert requests(run(core, [*silent, watermark(600)])) == []
    other = DriftMonitor(settings, without_models=("beta",))
    assert requests(run(other, [*silent, watermark(600)])) != []


def test_strategies_do_not_mind_each_other() -> None:
    other = replaced(stream(5, 1_400), strategy="beta", model="beta-1")
    answers = judged(FLIPPED + other)
    own = [one for one in answers if one.event.strategy == "alpha"]  # type: ignore[union-attr]
    assert own == judged(FLIPPED)


@pytest.mark.parametrize("is_together", [True, False])
def test_trades_that_were_open_together_and_moved_together_are_one_piece_of_evidence(
    is_together: bool,
) -> None:
    """Ten trades with one outcome between them: open on one day, or one after the other."""
    rng = np.random.default_rng(4)
    won = (rng.random(400) < 0.5).repeat(10).astype(int).tolist()
    trades = []
    for i, y in enumerate(won):
        day = 1 + i // 10 if is_together else 1 + i
        exit_ts = (day + 1) * DAY_NS
        trades.append(outcome(day, 0.5, y, signal_id=f"{i:05d}", symbol=f"S{i}", exit_ts=exit_ts))
    settings = msgspec.structs.replace(BOTH, detectors=("intercept",))
    levels = {drift.level for drift in drifts(judged(trades, settings))}
    assert ("detected" in levels) is not is_together


def test_the_state_tells_where_each_watch_stands() -> None:
    monitor = DriftMonitor(BOTH, strategies=2)
    run(monitor, [*FLIPPED[:60], watermark(100_000)])
    (state,) = monitor.state()
    assert (state.strategy, state.model, state.outcomes) == ("alpha", "alpha-1", 60)
    assert (state.has_reference, state.detectors) == (False, ())
    monitor = DriftMonitor(BOTH, strategies=2)
    run(monitor, [*FLIPPED[:1_100], watermark(100_000)])
    (state,) = monitor.state()
    slope, intercept = state.detectors
    assert (slope.detector, slope.channel, slope.has_detected) == ("slope", "ranking", True)
    assert (intercept.detector, intercept.channel) == ("intercept", "calibration")
    assert abs(state.changepoint_ts // DAY_NS - 1_000) <= 40
    assert 60 <= state.outcomes_since_change <= 140
