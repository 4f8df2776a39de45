"""When the trainer stands aside, when it comes back, and whose word it never touches."""

import pytest

from streams.events import Policy, Retrain
from trainers.retraining.policy_rule import has_a_say, leaves_no_model, policy_after


def standing(action: str, by: str = "trainer") -> Policy:
    return Policy("alpha", action, by=by, why="")


def asked(reason: str, action: str = "retrain", model: str = "", symbol: str | None = None):
    return Retrain("r", "alpha", symbol, reason, 0, "drift", 1, action, model)


def after(promoted: bool, *, alone: bool = False, policy: Policy | None = None):
    return policy_after(is_promoted=promoted, is_without_a_model=alone, standing=policy)


def test_without_a_model_worth_following_signals_go_through():
    assert after(False, alone=True) == "observe"


def test_a_request_that_finds_nothing_better_leaves_a_sound_champion_alone():
    assert after(False) is None


@pytest.mark.parametrize(
    ("request_", "champion"),
    [
        (asked("drift:slope", model="v1"), "v1"),
        (asked("drift:slope"), "v1"),
        (asked("initial"), None),
        (asked("manual"), None),
    ],
)
def test_a_dying_champion_or_none_leaves_no_model(request_: Retrain, champion: str | None):
    assert leaves_no_model(request_, champion)


@pytest.mark.parametrize(
    ("request_", "champion"),
    [
        (asked("drift:slope", model="v0"), "v1"),
        (asked("manual"), "v1"),
        (asked("refresh:slope", model="v1"), "v1"),
        (asked("refresh:slope"), None),
        (asked("no_model"), None),
        (asked("review", "review"), "v1"),
        (asked("review", "review"), None),
        (asked("calibration:intercept", "recalibrate", "v1"), "v1"),
    ],
)
def test_only_an_alarm_on_the_model_in_force_condemns_it(request_: Retrain, champion: str | None):
    assert not leaves_no_model(request_, champion)


def test_a_model_of_one_symbol_and_a_new_calibration_have_no_say():
    assert has_a_say(asked("review", "review"))
    assert not has_a_say(asked("drift:slope", symbol="A"))
    assert not has_a_say(asked("calibration:intercept", "recalibrate"))


def test_a_promotion_resumes_what_the_trainer_had_stopped():
    assert after(True, alone=True, policy=standing("observe")) == "resume"
    assert after(True, policy=standing("pass_through")) == "resume"


@pytest.mark.parametrize("policy", [None, standing("resume"), standing("resume", by="ops")])
def test_a_promotion_with_nothing_stopped_orders_nothing(policy):
    assert after(True, policy=policy) is None


def test_standing_aside_is_ordered_once():
    assert after(False, alone=True, policy=standing("observe")) is None
    assert after(False, alone=True, policy=standing("resume")) == "observe"


@pytest.mark.parametrize("action", ["block", "pass_through", "observe"])
@pytest.mark.parametrize("promoted", [True, False])
def test_an_operators_word_is_never_touched(action: str, promoted: bool):
    assert after(promoted, alone=True, policy=standing(action, by="ops")) is None
