"""Which requests are refused without a look at a sample, and which are not."""

import pytest

from models.registry import Placing, Pointer
from streams.events import Retrain
from tests.models.tiny_model import tiny_artifact
from trainers.dataset import DAY_NS
from trainers.retraining.incumbent import Incumbent
from trainers.retraining.refusals import AHEAD_DAYS_MAX, is_ahead, refusal_of
from trainers.retraining.shadows import Answer, ScopeRecord
from trainers.settings import TrainSettings

ARTIFACT = tiny_artifact(("x",), (1.0,), 0.0)
VERSION = ARTIFACT.version
NOW_TS = 1_000 * DAY_NS
IN_FORCE = Incumbent(
    Pointer("alpha", None, Placing(VERSION, ARTIFACT.digest, NOW_TS - DAY_NS)),
    VERSION,
    ARTIFACT,
    NOW_TS - DAY_NS,
)
SETTINGS = TrainSettings(delay_days=10.0, cooldown_days=5.0)


def asked(
    reason: str = "refresh:slope",
    action: str = "retrain",
    *,
    ts: int = NOW_TS,
    model: str = VERSION,
    by: str = "drift",
    symbol: str | None = None,
) -> Retrain:
    return Retrain("r", "alpha", symbol, reason, 0, by, ts, action, model)


def answered(days_ago: float, action: str = "retrain", reason: str = "refresh:slope"):
    ts = NOW_TS - int(days_ago * DAY_NS)
    return ScopeRecord(answers=(Answer("r-0", action, reason, ts),))


def refusal(
    request: Retrain,
    record: ScopeRecord | None = None,
    waiting: tuple[Retrain, ...] = (),
    incumbent: Incumbent = IN_FORCE,
) -> str:
    return refusal_of(request, request.ts, incumbent, record or ScopeRecord(), waiting, SETTINGS)


def test_a_request_of_its_time_is_worked_on():
    for action in ("retrain", "recalibrate", "review"):
        assert refusal(asked(action=action), answered(30)) == ""


def test_nothing_moves_a_pinned_model():
    assert refusal(
        asked(by="ann", reason="manual"), None, (), IN_FORCE._replace(is_pinned=True)
    ) == ("pinned")


@pytest.mark.parametrize("reason", ["drift:slope", "calibration:intercept"])
def test_an_alarm_about_a_model_that_was_replaced_is_superseded(reason: str):
    assert refusal(asked(reason, model="alpha-before")) == "superseded"
    assert refusal(asked(reason, ts=NOW_TS - 2 * DAY_NS)) == "superseded"
    assert refusal(asked(reason)) == ""


def test_a_refresh_goes_on_when_the_model_that_drifted_was_replaced():
    assert refusal(asked("refresh:slope", model="alpha-before")) == ""


def test_a_first_model_is_not_asked_for_where_there_is_one_by_now():
    request = asked("no_model", model="")
    assert refusal(request) == "superseded"
    assert refusal(request, None, (), Incumbent()) == ""


def test_without_a_model_there_is_nothing_to_recalibrate():
    request = asked("calibration:intercept", "recalibrate", model="")
    assert refusal(request, None, (), Incumbent()) == "no_champion"


def test_what_was_answered_for_a_time_as_late_is_coalesced():
    assert refusal(asked(), answered(0)) == "coalesced"
    assert refusal(asked(), answered(-1)) == "coalesced"
    assert refusal(asked("review", "review"), answered(0)) == ""


def test_only_an_alarm_stands_for_an_alarm():
    alarm = asked("drift:slope", "retrain")
    assert refusal(alarm, answered(-1, reason="refresh:slope")) == "cooldown"
    assert refusal(alarm, answered(-1, reason="drift:adwin")) == "coalesced"
    later = NOW_TS + 11 * DAY_NS
    assert refusal(alarm, None, (asked("refresh:slope", ts=later),)) == ""
    assert refusal(alarm, None, (asked("drift:slope", ts=later),)) == "coalesced"


def test_a_request_gives_way_to_one_that_was_asked_before_its_model_would_be_in_force():
    assert refusal(asked(), None, (asked(ts=NOW_TS + 11 * DAY_NS),)) == "coalesced"
    # In a replay no request can wait that is further ahead: what is refused never depends on speed.
    assert refusal(asked(), None, (asked(ts=NOW_TS + 10 * DAY_NS),)) == ""


@pytest.mark.parametrize(
    "other",
    [
        asked("review", "review", ts=NOW_TS + 11 * DAY_NS),
        asked(ts=NOW_TS + 11 * DAY_NS, symbol="A"),
        asked(ts=NOW_TS + 11 * DAY_NS, model="alpha-other"),
    ],
)
def test_a_request_gives_way_to_its_like_only(other: Retrain):
    assert refusal(asked(), None, (other,)) == ""


def test_a_wall_clock_may_run_before_what_is_known_but_not_for_ever():
    far = NOW_TS + int(AHEAD_DAYS_MAX * DAY_NS)
    assert not is_ahead(asked(ts=far), NOW_TS)
    assert is_ahead(asked(ts=far + 1), NOW_TS)
    # A request without a time of its own may still be about a change that is to come.
    about = Retrain("r", "alpha", None, "drift:slope", far + 1, "drift")
    assert is_ahead(about, NOW_TS)
    assert not is_ahead(about, NOW_TS + 1)


def test_a_scope_cools_down_in_event_time():
    assert refusal(asked(), answered(4.9)) == "cooldown"
    assert refusal(asked(), answered(5.0)) == ""
    assert refusal(asked("calibration:intercept", "recalibrate"), answered(4.9)) == "cooldown"
    # A new line is no answer to a loss of skill, and a review costs little.
    assert refusal(asked(), answered(1.0, "recalibrate")) == ""
    assert refusal(asked("review", "review"), answered(1.0, "review")) == ""


@pytest.mark.parametrize("reason", ["manual", "forced", "initial"])
def test_a_person_is_not_kept_waiting(reason: str):
    waiting = (asked(ts=NOW_TS + 11 * DAY_NS),)
    assert refusal(asked(reason, by="ann"), answered(0), waiting) == ""
    assert refusal(asked(reason, by="drift"), answered(0), waiting) == "coalesced"
    assert refusal(asked("schedule", by="cron"), answered(1.0)) == "cooldown"
