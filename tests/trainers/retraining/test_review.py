"""What stands in the shadow is judged on what has come since, and something may follow from it."""

import itertools
import sys
from collections import Counter
from dataclasses import replace as data_replace

import msgspec
import numpy as np
import pytest

from models.artifact import Artifact
from models.registry import Registry, scope_key
from streams import codec, subjects
from streams.events import Policy
from streams.topology import BUCKET_MODELS
from tests.models.tiny_model import tiny_artifact
from tests.trainers.house import STRATEGY, House, end_of
from tests.trainers.retraining.shadow_stage import (
    BEGUN_TS,
    FLIPPED,
    HISTORY,
    LONGER,
    ask,
    in_force,
    model,
    pointer_of,
)
from trainers.dataset import DAY_NS
from trainers.retraining.job_files import Entrant, Judged, Role
from trainers.retraining.ledger import Ledger
from trainers.retraining.review import chosen
from trainers.retraining.shadows import ScopeRecord, Shadow, Shadows
from trainers.settings import GateSettings, TrainSettings

END = end_of(HISTORY)
SETTINGS = TrainSettings(learners=("logistic",))


def start_of_day(number: int) -> int:
    return int(HISTORY.ts[0]) + number * DAY_NS


async def reviewed(house: House, *times: int, settings: TrainSettings = SETTINGS):
    """Return the decisions of a review at each of `times`."""
    async with house.working(house.worker(settings=settings)):
        for number, ts in enumerate(times):
            await ask(house, f"review-{number}", ts)
            await house.until_idle()
    found = [await Ledger(house.bus).find(f"review-{n}") for n in range(len(times))]
    assert all(decision is not None and decision.is_out for decision in found)
    return [decision for decision in found if decision is not None]


async def in_shadow(house: House, *artifacts: Artifact) -> None:
    """Let challengers stand in the shadow of what is in force."""
    pointer = await pointer_of(house)
    shadows = tuple(Shadow(a.version, a.digest, "r-0") for a in artifacts)
    for artifact in artifacts:
        await Registry(house.bus).put(artifact)
    record = ScopeRecord(shadows=shadows, champion=pointer.current.digest)
    key = scope_key(STRATEGY, None, "shadow")
    await house.bus.key_put(BUCKET_MODELS, key, msgspec.json.encode(record))


async def test_a_better_previous_champion_comes_back_and_resumes_what_was_stopped(house: House):
    good, bad = model(house, 1.0), model(house, -1.0)
    await house.tell(HISTORY)
    await in_force(house, good, bad)
    aside = Policy(STRATEGY, "observe", by="trainer", why="drift:slope")
    await house.bus.publish(subjects.policy(STRATEGY), codec.encode(aside))
    (decision,) = await reviewed(house, END)
    *_, back = await house.deployed()
    assert (back.version, back.digest, back.previous) == (good.version, good.digest, bad.version)
    assert back.effective_ts == END + 10 * DAY_NS
    assert back.verdict["reason"] == decision.reason == "rolled_back"
    assert back.verdict["p_value_vs_champion"] < 0.01
    assert back.verdict["shadow_1_role"] == "previous"
    pointer = await pointer_of(house)
    assert [placing.version for placing in (pointer.current, *pointer.history)] == [
        good.version,
        bad.version,
        good.version,
    ]
    assert await house.policies() == ["observe", "resume"]


async def test_a_worse_previous_champion_stays_in_the_shadow_with_its_figures(house: House):
    await house.tell(HISTORY)
    await in_force(house, model(house, -1.0), model(house, 1.0))
    await reviewed(house, END)
    (kept,) = await house.kept()
    assert kept.verdict["reason"] == "in_shadow"
    assert kept.verdict["shadow_1_reason"] == "not_better_than_null"
    assert kept.verdict["shadow_1_p_value_vs_champion"] > 0.9
    assert kept.verdict["shadow_1_gate_outcomes"] == (HISTORY.ts >= BEGUN_TS).sum()
    assert (await pointer_of(house)).current.version == model(house, 1.0).version


async def test_of_challengers_in_the_shadow_the_best_is_promoted(house: House):
    weak, right = model(house, 0.5), model(house, 1.0)
    await house.tell(HISTORY)
    await in_force(house, model(house, 0.0))
    await in_shadow(house, weak, right, model(house, -1.0))
    (decision,) = await reviewed(house, END)
    assert decision.deployment.digest == right.digest
    assert decision.trials == 3
    pointer = await pointer_of(house)
    assert pointer.current.digest == right.digest
    record = await Shadows(house.bus).of(STRATEGY, None)
    assert right.digest not in {shadow.digest for shadow in record.shadows}
    assert (record.champion, record.tried) == (right.digest, 0)


def test_what_is_shown_to_be_better_goes_before_the_model_in_force_itself():
    def judged(role: Role) -> Judged:
        return Judged(Entrant("v", role, role), "passed", "", {"log_loss_gain_vs_champion": 0.1})

    order: tuple[Role, ...] = ("challenger", "canary", "in_force", "retired", "previous")
    passed = [judged(role) for role in order]
    found = []
    while (best := chosen(passed)) is not None:
        found.append(best.entrant.role)
        passed.remove(best)
    assert found == list(reversed(order))


async def test_a_review_with_nothing_in_the_shadow_is_one_short_word(house: House):
    await house.tell(HISTORY)
    await in_force(house, model(house, 1.0))
    await reviewed(house, END)
    (kept,) = await house.kept()
    assert kept.verdict == {
        "reason": "nothing_in_shadow",
        "requested": "review",
        "shadows": 0.0,
    }
    assert (kept.version, kept.digest) == (model(house, 1.0).version, "")


async def test_models_are_looked_at_again_only_when_outcomes_have_grown(house: House):
    await house.tell(HISTORY)
    await in_force(house, model(house, 1.0))
    await in_shadow(house, model(house, -1.0))
    decisions = await reviewed(house, *(start_of_day(n) for n in (15, 25, 30, 40, 55, 60)))
    seen = [d.looks.get(model(house, -1.0).digest, 0) for d in decisions]
    assert [number > 0 for number in seen] == [False, True, False, True, False, True]
    looks = [number for number in seen if number]
    assert all(later >= 1.5 * earlier for earlier, later in itertools.pairwise(looks))
    assert (await Shadows(house.bus).of(STRATEGY, None)).tried == 3
    assert decisions[0].deployment.verdict["shadow_1_reason"] == "too_few_outcomes"
    decisions = decisions[:-1]
    assert decisions[-1].deployment.verdict["shadow_1_reason"] == "no_new_outcomes"


async def test_a_challenger_goes_out_as_a_canary_first_and_is_promoted_when_it_holds(
    house: House,
):
    settings = TrainSettings(learners=("logistic",), canary_share=0.2)
    dull = model(house, 0.0)
    await house.tell(LONGER)
    await in_force(house, dull)
    async with house.working(house.worker(settings=settings)):
        await ask(house, "r-1", start_of_day(90), "retrain", "manual", by="ann")
        await house.until_idle()
    *_, canary = await house.deployed()
    assert canary.share == 0.2
    pointer = await pointer_of(house)
    assert pointer.current.version == dull.version
    assert pointer.canary is not None
    assert (pointer.canary.digest, pointer.share) == (canary.digest, 0.2)
    early, late = await reviewed(house, start_of_day(105), end_of(LONGER), settings=settings)
    assert early.reason == "in_shadow"
    assert late.reason == "canary_held"
    *_, whole = await house.deployed()
    assert (whole.digest, whole.share, whole.previous) == (canary.digest, 1.0, dull.version)
    pointer = await pointer_of(house)
    assert (pointer.current.digest, pointer.canary) == (canary.digest, None)


async def test_a_canary_that_is_worse_than_the_champion_ends(house: House):
    right, reversed_ = model(house, 1.0), model(house, -1.0)
    await house.tell(HISTORY)
    await in_force(house, right)
    await in_force(house, reversed_, share=0.1)
    (decision,) = await reviewed(house, END)
    assert decision.reason == "canary_failed"
    *_, end = await house.deployed()
    assert (end.version, end.share) == (reversed_.version, 0.0)
    pointer = await pointer_of(house)
    assert (pointer.current.digest, pointer.canary) == (right.digest, None)
    assert await house.policies() == []


async def test_challengers_wait_while_a_canary_answers(house: House):
    await house.tell(HISTORY)
    await in_force(house, model(house, 0.0))
    await in_shadow(house, model(house, 1.0))
    await in_force(house, model(house, 0.6), share=0.1)
    (decision,) = await reviewed(house, start_of_day(20))
    assert decision.deployment.verdict["shadow_1_role"] == "canary"
    assert decision.deployment.verdict["shadows"] == 1.0


async def test_after_a_flip_the_model_of_before_does_not_come_back_for_nothing(house: House):
    await house.tell(FLIPPED)
    await in_force(house, model(house, 1.0), model(house, -1.0))
    (decision,) = await reviewed(house, END)
    assert decision.reason == "in_shadow"


async def test_a_shadow_that_no_scorer_would_load_is_told_and_stops_nobody(house: House):
    stranger = tiny_artifact(("x00",), (1.0,), 0.0, strategy=STRATEGY)
    await house.tell(HISTORY)
    await in_force(house, model(house, 0.0))
    await in_shadow(house, stranger, model(house, 1.0))
    assert await Registry(house.bus).get(stranger.digest) is not None
    (decision,) = await reviewed(house, END)
    assert decision.deployment.digest == model(house, 1.0).digest
    assert decision.deployment.verdict["shadow_2_reason"].startswith("refused: ")


@pytest.mark.parametrize("is_alarm", [False, True])
async def test_what_was_tried_beside_a_champion_counts_until_a_drift_is_confirmed(
    house: House, is_alarm: bool
):
    champion = model(house, 1.0)
    settings = TrainSettings(learners=("logistic",), gate=GateSettings(alpha=0.001))
    await house.tell(HISTORY)
    await in_force(house, champion)
    reason = "drift:slope" if is_alarm else "refresh:slope"
    async with house.working(house.worker(settings=settings)):
        for number, (day, why) in enumerate(((50, "refresh:slope"), (60, reason))):
            await ask(house, f"r-{number}", start_of_day(day), "retrain", why, champion.version)
        await house.until_idle()
    first, second = await house.kept()
    assert first.verdict["challengers_before"] == 0
    assert second.verdict["challengers_before"] == (0 if is_alarm else 1)
    record = await Shadows(house.bus).of(STRATEGY, None)
    assert record.tried == (1 if is_alarm else 2)
    assert {shadow.digest for shadow in record.shadows} == {first.digest, second.digest}
    assert await house.policies() == (["observe"] if is_alarm else [])


async def test_a_review_of_a_strategy_is_one_of_its_symbols_own_models_too(house: House):
    dull, right, wrong = model(house, 0.0), model(house, 1.0), model(house, -1.0)
    await house.tell(data_replace(HISTORY, symbols=np.full(len(HISTORY), "BRK.B")))
    await in_force(house, dull)
    await in_shadow(house, wrong)
    registry = Registry(house.bus)
    await registry.put(right)
    for symbol, shadow in (("BRK.B", right), ("QUIET", right), ("BARE", None)):
        await registry.point(
            STRATEGY, symbol, dull.version, dull.digest, effective_ts=BEGUN_TS, expected=0
        )
        shadows = (Shadow(shadow.version, shadow.digest, "r-0"),) if shadow else ()
        record = ScopeRecord(shadows=shadows, champion=dull.digest)
        key = scope_key(STRATEGY, symbol, "shadow")
        await house.bus.key_put(BUCKET_MODELS, key, msgspec.json.encode(record))
    aside = Policy(STRATEGY, "observe", by="trainer", why="drift:slope")
    await house.bus.publish(subjects.policy(STRATEGY), codec.encode(aside))
    await reviewed(house, END)
    # Asked again, as after a death before the end, it is the same reviews.
    await reviewed(house, END)
    decisions = await Ledger(house.bus).decisions()
    told = {d.request_id: (d.deployment.symbol, d.reason) for d in decisions if d.request}
    assert told == {
        "review-0": (None, "in_shadow"),
        "review-0.BRK%2EB": ("BRK.B", "better"),
        "review-0.QUIET": ("QUIET", "in_shadow"),
    }
    assert all(decision.is_out for decision in decisions)
    assert (await pointer_of(house, "BRK.B")).current.digest == right.digest
    assert (await pointer_of(house)).current.digest == dull.digest
    events = [*await house.deployed(), *await house.kept()]
    assert Counter(e.request_id for e in events if e.request_id in told) == Counter(list(told))
    # What the trainer ordered is about the strategy's model.
    assert await house.policies() == ["observe"]


async def test_no_job_is_started_where_no_look_is_due(house: House):
    await house.tell(HISTORY)
    await in_force(house, model(house, 0.0))
    await in_shadow(house, model(house, 1.0))
    async with house.working(
        house.worker(job_command=(sys.executable, "-c", "raise SystemExit(1)"))
    ):
        await ask(house, "r-1", start_of_day(15))
        await house.until_idle()
        await ask(house, "r-2", END)
        await house.until_idle()
    early, late = await house.kept()
    assert early.verdict["shadow_1_reason"] == "too_few_outcomes"
    assert early.verdict["reason"] == "in_shadow"
    assert str(late.verdict["reason"]).startswith("job_failed: ")
