"""When a strategy asks for what, outcome by outcome."""

import msgspec
import pytest

from engine.drift.relearning import Alarm, Relearning, Wanted
from engine.settings import DriftSettings

SETTINGS = DriftSettings(
    cooldown_outcomes=10,
    refresh_growth=2.0,
    settled_outcomes=200,
    first_outcomes=0,
    review_outcomes=0,
)
FIRST = msgspec.structs.replace(SETTINGS, first_outcomes=20)
REVIEWING = msgspec.structs.replace(SETTINGS, refresh_growth=0.0, review_outcomes=20)


def alarm(at: int = 0, model: str = "m1", detector: str = "slope") -> Alarm:
    return Alarm(model, detector, at)


def run(
    relearning: Relearning,
    ranking: dict[int, Alarm] | None = None,
    calibration: dict[int, Alarm] | None = None,
    *,
    upto: int,
    start: int = 1,
    still_ranks: bool = True,
    has_model: bool = True,
) -> dict[int, Wanted]:
    """What is asked for at which outcome; outcome n is of the signal of time n."""
    asked = {}
    for n in range(start, upto + 1):
        relearning.count(n, has_model=has_model)
        heard = (ranking or {}).get(n), (calibration or {}).get(n)
        wanted = relearning.ask(*heard, still_ranks=still_ranks)
        if wanted is not None:
            asked[n] = wanted
    return asked


def reasons(asked: dict[int, Wanted]) -> dict[int, str]:
    return {n: wanted.reason for n, wanted in asked.items()}


def test_an_alarm_asks_for_a_retrain_since_the_changepoint() -> None:
    asked = run(Relearning(SETTINGS), {50: alarm(at=41)}, upto=50)
    assert asked == {50: Wanted("retrain", "drift:slope", 41, "m1")}


def test_it_is_asked_again_whenever_the_outcomes_since_have_doubled() -> None:
    asked = run(Relearning(SETTINGS), {50: alarm(at=31)}, upto=400)
    # 20 outcomes at the alarm, 40 at outcome 70, 80 at 110, 160 at 190; settled at 200.
    assert reasons(asked) == {
        50: "drift:slope",
        70: "refresh:slope",
        110: "refresh:slope",
        190: "refresh:slope",
    }
    assert {wanted.since_ts for wanted in asked.values()} == {31}


def test_while_it_is_learned_anew_another_alarm_on_the_same_model_asks_for_nothing_more() -> None:
    again = {n: alarm(at=31) for n in (50, 62, 75, 88)}
    asked = run(Relearning(SETTINGS), again, upto=100)
    assert reasons(asked) == {50: "drift:slope", 70: "refresh:slope"}
    without_growth = msgspec.structs.replace(SETTINGS, refresh_growth=0.0)
    asked = run(Relearning(without_growth), again, upto=100)
    assert set(reasons(asked)) == {50, 62, 75, 88}


def test_a_strategy_without_a_model_asks_for_one_and_again_as_its_outcomes_grow() -> None:
    asked = run(Relearning(FIRST), upto=80, has_model=False)
    assert asked[20] == Wanted("retrain", "no_model", 0, "")
    assert list(asked) == [20, 30, 45, 68]
    assert not run(Relearning(SETTINGS), upto=400, has_model=False)


def test_whose_model_spoke_asks_only_when_it_has_been_silent_for_as_long_again() -> None:
    relearning = Relearning(FIRST)
    assert list(run(relearning, upto=35, has_model=False)) == [20, 30]
    assert not run(relearning, start=36, upto=36)
    assert list(run(relearning, start=37, upto=90, has_model=False)) == [56, 66, 81]


def test_while_a_change_is_learned_anew_silence_asks_for_nothing_more() -> None:
    relearning = Relearning(msgspec.structs.replace(FIRST, settled_outcomes=60))
    run(relearning, {50: alarm(at=31)}, upto=50)
    asked = run(relearning, start=51, upto=130, has_model=False)
    assert reasons(asked) == {70: "refresh:slope", 91: "no_model", 112: "no_model"}


def test_reviews_begin_where_a_first_model_was_asked_for() -> None:
    relearning = Relearning(msgspec.structs.replace(FIRST, review_outcomes=15))
    asked = run(relearning, upto=60, has_model=False)
    assert reasons(asked) == {
        20: "no_model",
        30: "no_model",
        35: "review",
        45: "no_model",
        50: "review",
    }


def test_signals_from_before_the_change_are_not_learned_from() -> None:
    relearning = Relearning(SETTINGS)
    run(relearning, {50: alarm(at=31)}, upto=50)
    for _ in range(100):
        relearning.count(30, has_model=True)
        assert relearning.ask(None, None, still_ranks=True) is None
    assert relearning.outcomes_since_change == 20


def test_outcomes_on_which_no_model_spoke_are_learned_from() -> None:
    relearning = Relearning(SETTINGS)
    run(relearning, {50: alarm(at=31)}, upto=50)
    for n in range(51, 71):
        relearning.count(n, has_model=False)
    assert relearning.ask(None, None, still_ranks=True) is not None


def test_growth_waits_for_the_cooldown() -> None:
    asked = run(Relearning(SETTINGS), {50: alarm(at=49)}, upto=75)
    # 2 outcomes at the alarm: 4 are there at once, the cooldown of 10 is not over.
    assert reasons(asked) == {50: "drift:slope", 60: "refresh:slope", 72: "refresh:slope"}


def test_no_growth_asks_never_again() -> None:
    settings = msgspec.structs.replace(SETTINGS, refresh_growth=0.0)
    assert len(run(Relearning(settings), {50: alarm(at=31)}, upto=300)) == 1


def test_of_detectors_that_alarm_together_one_asks() -> None:
    heard = {50: alarm(at=41), 53: alarm(at=40, detector="page_hinkley")}
    settings = msgspec.structs.replace(SETTINGS, refresh_growth=0.0)
    assert reasons(run(Relearning(settings), heard, upto=100)) == {50: "drift:slope"}


def test_a_model_that_alarms_on_is_asked_for_again_behind_the_cooldown() -> None:
    settings = msgspec.structs.replace(SETTINGS, refresh_growth=0.0)
    heard = {50: alarm(at=41), 59: alarm(at=41), 60: alarm(at=42), 65: alarm(at=42)}
    asked = run(Relearning(settings), heard, upto=100)
    assert {n: wanted.since_ts for n, wanted in asked.items()} == {50: 41, 60: 42}


def test_an_alarm_on_a_newer_model_within_the_cooldown_is_not_lost() -> None:
    heard = {50: alarm(at=41), 55: alarm(at=52, model="m2")}
    asked = run(Relearning(SETTINGS), heard, upto=60)
    assert asked[60] == Wanted("retrain", "drift:slope", 52, "m2")
    assert sorted(asked) == [50, 60]


def test_a_request_that_waits_for_a_model_that_is_gone_is_not_made() -> None:
    relearning = Relearning(msgspec.structs.replace(SETTINGS, refresh_growth=0.0))
    run(relearning, {50: alarm(at=41), 55: alarm(at=52, model="m2")}, upto=55)
    relearning.replaced("m2")
    assert run(relearning, start=56, upto=80) == {}


def test_a_request_that_waits_for_a_model_that_ranks_again_is_not_made() -> None:
    relearning = Relearning(msgspec.structs.replace(SETTINGS, refresh_growth=0.0))
    run(relearning, {50: alarm(at=41), 55: alarm(at=52, model="m2")}, upto=55)
    relearning.recovered("m2")
    assert run(relearning, start=56, upto=80) == {}


def test_a_second_change_of_the_same_model_is_learned_from_its_own_size() -> None:
    asked = run(Relearning(SETTINGS), {50: alarm(at=1), 120: alarm(at=111)}, upto=150)
    # 100 outcomes at the second request. Of the new change none then, 10 at outcome 120: the next
    # is not at 200.
    assert {n: wanted.since_ts for n, wanted in asked.items()} == {
        50: 1,
        100: 1,
        120: 111,
        130: 111,
        150: 111,
    }


def test_a_calibration_that_is_off_is_mended_with_a_cooldown_of_its_own() -> None:
    heard = {n: alarm(at=45, detector="intercept") for n in (50, 55, 60)}
    asked = run(Relearning(SETTINGS), calibration=heard, upto=100)
    mending = Wanted("recalibrate", "calibration:intercept", 45, "m1")
    assert asked == {50: mending, 60: mending}


def test_nothing_is_recalibrated_while_a_drift_stands() -> None:
    heard = {50: alarm(at=45, detector="intercept")}
    assert run(Relearning(SETTINGS), calibration=heard, upto=60, still_ranks=False) == {}


def test_nothing_is_recalibrated_while_a_retrain_may_be_under_way() -> None:
    settings = msgspec.structs.replace(SETTINGS, refresh_growth=0.0)
    off = {n: alarm(at=45, detector="intercept") for n in (50, 59, 60)}
    asked = run(Relearning(settings), {50: alarm(at=41)}, off, upto=100)
    assert reasons(asked) == {50: "drift:slope", 60: "calibration:intercept"}


def test_a_recalibration_puts_no_retrain_off() -> None:
    off = {50: alarm(at=45, detector="intercept")}
    asked = run(Relearning(SETTINGS), {51: alarm(at=41)}, off, upto=51)
    assert [wanted.action for wanted in asked.values()] == ["recalibrate", "retrain"]


def test_what_is_in_the_shadow_is_reviewed_every_so_many_outcomes() -> None:
    asked = run(Relearning(REVIEWING), upto=70)
    assert asked == {n: Wanted("review", "review", 0, "") for n in (21, 41, 61)}


def test_a_review_waits_for_another_request_and_puts_the_next_not_off() -> None:
    asked = run(Relearning(REVIEWING), {21: alarm(at=11)}, upto=50)
    assert reasons(asked) == {21: "drift:slope", 22: "review", 41: "review"}


def test_without_a_model_there_is_nothing_to_review_yet() -> None:
    relearning = Relearning(REVIEWING)
    for n in range(100):
        relearning.count(n, has_model=False)
        assert relearning.ask(None, None, still_ranks=True) is None
    assert sorted(run(relearning, start=101, upto=130)) == [121]


@pytest.mark.parametrize("at", range(40, 80, 3))
def test_one_that_was_saved_asks_for_the_same(at: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, review_outcomes=30)
    heard = {50: alarm(at=41), 55: alarm(at=52, model="m2")}
    off = {n: alarm(at=45, detector="intercept") for n in (49, 75)}
    whole, first, second = Relearning(settings), Relearning(settings), Relearning(settings)
    expected = run(whole, heard, off, upto=150)
    found = run(first, heard, off, upto=at)
    second.load(first.save())
    assert found | run(second, heard, off, start=at + 1, upto=150) == expected
    assert len({wanted.reason for wanted in expected.values()}) == 4
