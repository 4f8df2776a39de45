"""Markets come back: a champion that drift took out may be right again, or one that is aside."""

import msgspec
from msgspec.structs import replace

from models.artifact import Artifact
from models.registry import Registry, scope_key
from streams import codec, subjects
from streams.events import Policy, Retrain
from streams.topology import BUCKET_MODELS
from tests.trainers.house import STRATEGY, House, end_of
from tests.trainers.retraining.shadow_stage import (
    BEGUN_TS,
    FLIPPED,
    HISTORY,
    ask,
    in_force,
    model,
    pointer_of,
)
from trainers.dataset import DAY_NS
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.shadows import ScopeRecord, Shadow, Shadows
from trainers.settings import TrainSettings

SETTINGS = TrainSettings(learners=("logistic",))
CHANGED_TS = int(FLIPPED.ts[200])
"""From here on every effect of FLIPPED is reversed."""


async def failed(house: House, champion: Artifact, *retired: Artifact, since: int) -> None:
    """A drift of the champion is confirmed, and these were taken out by one before."""
    for artifact in retired:
        await Registry(house.bus).put(artifact)
    record = ScopeRecord(
        champion=champion.digest,
        alarmed=champion.digest,
        changed_ts=since,
        retired=tuple(Shadow(a.version, a.digest, "r-0") for a in retired),
    )
    key = scope_key(STRATEGY, None, "shadow")
    await house.bus.key_put(BUCKET_MODELS, key, msgspec.json.encode(record))
    aside = Policy(STRATEGY, "observe", by="trainer", why="drift:slope")
    await house.bus.publish(subjects.policy(STRATEGY), codec.encode(aside))


async def reviewed(house: House, ts: int) -> Decision:
    async with house.working(house.worker(settings=SETTINGS)):
        await ask(house, "review-0", ts)
        await house.until_idle()
    decision = await Ledger(house.bus).find("review-0")
    assert decision is not None
    assert decision.is_out
    return decision


async def test_a_champion_that_drift_took_out_comes_back_with_its_market(house: House):
    right, wrong, other = model(house, -1.0), model(house, 1.0), model(house, 0.5)
    await house.tell(FLIPPED)
    await in_force(house, other, wrong)
    await failed(house, wrong, right, since=CHANGED_TS)
    decision = await reviewed(house, end_of(FLIPPED))
    assert decision.reason == "came_back"
    assert (await pointer_of(house)).current.digest == right.digest
    assert await house.policies() == ["observe", "resume"]
    # It was judged on what came after the change, not on all of its time.
    (judged,) = [v for k, v in decision.looks.items() if k == right.digest]
    assert judged == int((FLIPPED.ts >= CHANGED_TS).sum())


async def test_without_a_confirmed_drift_nobody_comes_out_of_retirement(house: House):
    right, wrong = model(house, -1.0), model(house, 1.0)
    await house.tell(FLIPPED)
    await in_force(house, wrong)
    await failed(house, model(house, 0.5), right, since=CHANGED_TS)
    decision = await reviewed(house, end_of(FLIPPED))
    assert right.digest not in decision.looks
    assert (await pointer_of(house)).current.digest == wrong.digest


async def test_a_model_that_was_made_to_stand_aside_acts_again_when_it_has_skill(house: House):
    right = model(house, 1.0)
    await house.tell(HISTORY)
    await in_force(house, right)
    await failed(house, right, since=BEGUN_TS)
    decision = await reviewed(house, end_of(HISTORY))
    assert decision.reason == "skill_returned"
    assert not decision.is_promoted
    assert await house.policies() == ["observe", "resume"]
    assert (await house.kept())[-1].digest == right.digest
    assert (await pointer_of(house)).history == ()


async def test_a_model_without_skill_goes_on_standing_aside(house: House):
    wrong = model(house, -1.0)
    await house.tell(HISTORY)
    await in_force(house, wrong)
    await failed(house, wrong, since=BEGUN_TS + DAY_NS)
    decision = await reviewed(house, end_of(HISTORY))
    assert decision.reason == "in_shadow"
    assert await house.policies() == ["observe"]


async def test_one_that_came_back_and_fails_anew_is_made_to_stand_aside_again(house: House):
    right = model(house, 1.0)
    await house.tell(HISTORY)
    await in_force(house, right)
    await failed(house, right, since=BEGUN_TS)
    back_ts = end_of(HISTORY)
    await reviewed(house, back_ts)
    # The monitor, which was not told, takes the new alarm for a part of the drift it knows.
    asked = Retrain("", STRATEGY, None, "refresh:slope", 0, "drift", model=right.version)
    for number, since_ts in enumerate((BEGUN_TS, back_ts + DAY_NS)):
        ts = back_ts + (20 + number) * DAY_NS
        refresh = replace(asked, request_id=f"r-{number}", since_ts=since_ts, ts=ts)
        await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(refresh))
        async with house.working(house.worker(settings=SETTINGS)):
            await house.until_idle()
        expected = ["observe", "resume", "observe"][: 2 + number]
        assert await house.policies() == expected
    record = await Shadows(house.bus).of(STRATEGY, None)
    assert record.failed_since(right.digest) == back_ts + DAY_NS
    assert (await house.kept())[-1].verdict["requested"] == "drift:slope"
