"""A study divides the budget, chooses for the strategy that needs most, and can be stopped."""

from collections.abc import Callable

import msgspec
import pytest

from engine.drift.drift_budget import watchers
from engine.settings import DriftSettings
from tests.trainers.false_alarms.profiles import overlapping, plain
from trainers.false_alarms.budget_study import (
    STAGES,
    BudgetStudy,
    Progress,
    StudySettings,
    nothing_to_find,
    study_budget,
    target_lengths,
)
from trainers.false_alarms.outcome_profile import OutcomeProfile, profile_of_auc
from trainers.false_alarms.threshold_choice import BY_BUDGET

DRIFT = DriftSettings(budget=400.0)


def study(
    *profiles: OutcomeProfile,
    seed: int = 1,
    tell: Callable[[Progress], None] = lambda _: None,
    drift: DriftSettings = DRIFT,
) -> BudgetStudy:
    settings = StudySettings(drift, max(1, len(profiles)), streams=60, horizon=400, seed=seed)
    named = {f"strategy_{place}": one for place, one in enumerate(profiles)}
    return study_budget(named, settings, tell)


@pytest.mark.parametrize("detectors", [("slope", "intercept"), ("slope",), ("intercept",)])
def test_the_budget_is_divided_as_the_drift_role_divides_it(detectors: tuple[str, ...]):
    drift = DriftSettings(detectors=detectors)
    for strategies in (1, 5):
        ours = target_lengths(drift, strategies)
        assert ours == {one.name: one.threshold for one in watchers(drift, strategies)}


def test_however_many_detectors_there_are_the_parts_are_the_budget():
    detectors = ("slope", "page_hinkley:brier", "ddm", "intercept")
    targets = target_lengths(DriftSettings(detectors=detectors, budget=1_000.0), 3)
    assert sum(1.0 / target for target in targets.values()) == pytest.approx(1.0 / 3_000.0)


def test_all_detectors_together_keep_the_budget_on_fresh_streams():
    for profile in (plain(), overlapping()):
        found = study(profile).promises["strategy_0"]
        assert found.outcomes_to_false_alarm is not None
        assert found.error is not None
        assert found.outcomes_to_false_alarm + 2.5 * found.error >= DRIFT.budget
        assert found.outcomes_to_false_alarm - 2.5 * found.error <= 1.6 * DRIFT.budget


def test_thresholds_are_the_highest_that_any_strategy_needs():
    lower, higher = plain(), overlapping(0.6, 20)
    both = study(lower, higher, tell=stopping("false alarms", 1))
    alone = [study_of_two(one) for one in (lower, higher)]
    for place, choice in enumerate(both.choices):
        assert choice.threshold == max(one.choices[place].threshold for one in alone)
    assert set(both.promises) == {"strategy_0", "strategy_1"}


def study_of_two(profile: OutcomeProfile) -> BudgetStudy:
    settings = StudySettings(DRIFT, 2, streams=60, horizon=400, seed=1)
    return study_budget({"a": profile}, settings, stopping("false alarms", 1))


@pytest.fixture(scope="module")
def whole() -> BudgetStudy:
    return study(plain())


def test_the_same_seed_says_the_same_and_progress_is_told(whole: BudgetStudy):
    told: list[Progress] = []
    assert study(plain(), tell=told.append) == whole
    assert study(plain(), seed=2) != whole
    assert [stage for stage in STAGES if any(one.stage == stage for one in told)] == list(STAGES)
    last = {one.stage: one for one in told}
    assert all(one.done == one.total for one in last.values())


def stopping(stage: str, after: int) -> Callable[[Progress], None]:
    def tell(at: Progress) -> None:
        if at.stage == stage and at.done == after:
            raise KeyboardInterrupt

    return tell


def test_a_stop_keeps_what_there_is(whole: BudgetStudy):
    stopped = study(plain(), tell=stopping("delays", 52))
    assert whole.is_whole
    assert not stopped.is_whole
    assert stopped.choices == whole.choices
    alarms = "outcomes_to_false_alarm"
    assert getattr(stopped.promises["strategy_0"], alarms) == getattr(
        whole.promises["strategy_0"], alarms
    )
    # Ten streams of every law, and an eleventh of the first; some alarmed before the drift.
    assert 5 <= max(one.streams for one in stopped.promises["strategy_0"].delays) <= 11


def test_a_stop_while_choosing_leaves_the_others_at_what_the_budget_gives():
    stopped = study(plain(), tell=stopping("thresholds", 61))
    slope, intercept = stopped.choices
    assert slope.origin != BY_BUDGET
    assert intercept.origin == BY_BUDGET
    assert intercept.threshold == intercept.target
    promise = stopped.promises["strategy_0"]
    assert promise.outcomes_to_false_alarm is None
    assert promise.delays == ()


def test_a_stop_before_there_is_anything_stops():
    with pytest.raises(KeyboardInterrupt):
        study(plain(), tell=stopping("thresholds", 1))


def test_thresholds_of_the_configuration_have_no_say(whole: BudgetStudy):
    drift = msgspec.structs.replace(DRIFT, thresholds={"slope": 3.0})
    assert study(plain(), drift=drift) == whole


def test_where_there_is_no_skill_or_but_one_cluster_there_is_nothing_to_find():
    assert nothing_to_find(plain(0.55)) == ""
    assert "claims no skill" in nothing_to_find(profile_of_auc(0.5, 0.4, 10.0))
    few = overlapping(block=200)
    assert "lie in 10 clusters" in nothing_to_find(few)
