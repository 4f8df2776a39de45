"""When the trainer stands aside, when it comes back, and whose word it never touches."""

import pytest

from streams.events import Policy
from trainers.policy_rule import policy_after


def standing(action: str, by: str = "trainer") -> Policy:
    return Policy("alpha", action, by=by, why="")


def after(promoted: bool, *, drift: bool = False, champion: bool = True, policy=None):
    return policy_after(
        is_promoted=promoted, is_after_drift=drift, has_champion=champion, standing=policy
    )


def test_a_confirmed_drift_without_a_better_model_stands_aside():
    assert after(False, drift=True) == "observe"


def test_a_first_model_that_is_no_better_than_the_null_stands_aside():
    assert after(False, champion=False) == "observe"


def test_a_scheduled_retrain_that_finds_nothing_better_leaves_the_champion_alone():
    assert after(False) is None


def test_a_promotion_resumes_what_the_trainer_had_stopped():
    assert after(True, drift=True, policy=standing("observe")) == "resume"
    assert after(True, policy=standing("pass_through")) == "resume"


@pytest.mark.parametrize("policy", [None, standing("resume"), standing("resume", by="ops")])
def test_a_promotion_with_nothing_stopped_orders_nothing(policy):
    assert after(True, policy=policy) is None


def test_standing_aside_is_ordered_once():
    assert after(False, drift=True, policy=standing("observe")) is None
    assert after(False, drift=True, policy=standing("resume")) == "observe"


@pytest.mark.parametrize("action", ["block", "pass_through", "observe"])
@pytest.mark.parametrize("promoted", [True, False])
def test_an_operators_word_is_never_touched(action: str, promoted: bool):
    assert after(promoted, drift=True, policy=standing(action, by="ops")) is None
