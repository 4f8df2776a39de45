"""A person's decision goes through the ledger: carried out once, by whoever finishes it."""

import asyncio

import pytest
from msgspec.structs import replace

from models.registry import Registry
from streams import codec, subjects
from streams.errors import BusError, ModelError
from streams.events import Policy
from streams.memory_bus import MemoryBus
from tests.models.tiny_model import tiny_artifact
from tests.trainers.house import STRATEGY, House
from trainers.learner import NULL
from trainers.retraining.ledger import Ledger
from trainers.retraining.operations import Operation, carry_out_operation, digest_of_version
from trainers.retraining.publishing import Publishing

ONE, TWO, THREE = (
    tiny_artifact(("x",), (weight,), 0.0, strategy=STRATEGY) for weight in (1.0, 2.0, 3.0)
)


def operation(number: int, action: str = "promote", **changes) -> Operation:
    given = Operation(
        operation_id=f"op-{number}",
        action=action,
        strategy=STRATEGY,
        by="ann",
        why="because",
        effective_ts=number,
    )
    return replace(given, **changes)


@pytest.fixture
async def bus():
    bus = MemoryBus()
    for artifact in (ONE, TWO, THREE):
        await Registry(bus).put(artifact)
    for number, artifact in enumerate((ONE, TWO), 1):
        await carry_out_operation(bus, operation(number, version=artifact.digest))
    return bus


async def pointer_of(bus):
    pointer = await Registry(bus).pointer(STRATEGY)
    assert pointer is not None
    return pointer


async def test_a_promotion_names_who_and_why(bus: MemoryBus):
    decision = await carry_out_operation(bus, operation(3, version=THREE.digest))
    event = decision.deployment
    assert (event.version, event.previous, event.by, event.why) == (
        THREE.version,
        TWO.version,
        "ann",
        "because",
    )
    assert decision.is_out
    assert (await pointer_of(bus)).current.digest == THREE.digest


async def test_to_roll_back_is_to_put_the_model_of_before_in_force(bus: MemoryBus):
    decision = await carry_out_operation(bus, operation(3, "rollback"))
    assert decision.deployment.digest == ONE.digest
    again = await carry_out_operation(bus, operation(4, "rollback"))
    assert again.deployment.digest == TWO.digest


async def test_an_expired_model_leaves_the_null_model_in_force(bus: MemoryBus):
    decision = await carry_out_operation(bus, operation(3, "expire"))
    assert (decision.deployment.version, decision.deployment.digest) == (NULL, "")
    back = await carry_out_operation(bus, operation(4, "rollback"))
    assert back.deployment.digest == TWO.digest


async def test_a_canary_stands_beside_the_model_in_force_until_it_is_ended(bus: MemoryBus):
    await carry_out_operation(bus, operation(3, version=ONE.version, share=0.25))
    pointer = await pointer_of(bus)
    assert pointer.current.digest == TWO.digest
    assert pointer.canary is not None
    assert (pointer.canary.digest, pointer.share) == (ONE.digest, 0.25)
    decision = await carry_out_operation(bus, operation(4, version=ONE.version, share=0.0))
    assert decision.deployment.share == 0.0
    assert (await pointer_of(bus)).canary is None


async def test_asked_twice_it_is_done_once(bus: MemoryBus):
    first = await carry_out_operation(bus, operation(3, "rollback"))
    second = await carry_out_operation(bus, operation(3, "rollback"))
    assert second == first
    pointer = await pointer_of(bus)
    assert [p.request_id for p in (pointer.current, *pointer.history)] == ["op-3", "op-2", "op-1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "nothing"}, "no model is called 'nothing'"),
        ({"version": ""}, "several models are called ''"),
        ({"version": TWO.version}, "is in force already"),
        ({"version": "0" * 64}, "the object store has no model"),
        ({"version": ONE.version, "share": 1.5}, r"share must be in \[0, 1\], was 1.5"),
        ({"action": "rollback", "symbol": "A"}, "no model was in force"),
        ({"version": ONE.digest, "share": 0.1, "symbol": "A"}, "a canary needs a model in force"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_leaves_no_decision(
    bus: MemoryBus, changes: dict[str, object], message: str
):
    with pytest.raises(ModelError, match=message):
        await carry_out_operation(bus, operation(3, **changes))
    assert await Ledger(bus).find("op-3") is None


async def test_a_pinned_model_is_not_moved_by_anybody(bus: MemoryBus):
    held = await pointer_of(bus)
    current = held.current
    await Registry(bus).point(
        STRATEGY,
        None,
        current.version,
        current.digest,
        effective_ts=current.effective_ts,
        expected=held.revision,
        request_id=current.request_id,
        pinned=True,
    )
    with pytest.raises(ModelError, match="is pinned; unpin it first"):
        await carry_out_operation(bus, operation(3, "rollback"))
    assert (await pointer_of(bus)).history == held.history


@pytest.mark.parametrize(("by", "expected"), [("trainer", True), ("ops", False)])
async def test_a_promotion_lifts_what_the_trainer_ordered_and_nobody_else(
    bus: MemoryBus, by: str, expected: bool
):
    aside = Policy(STRATEGY, "observe", by=by, why="")
    await bus.publish(subjects.policy(STRATEGY), codec.encode(aside))
    decision = await carry_out_operation(bus, operation(3, "rollback"))
    assert (decision.policy is not None) == expected


async def test_what_a_person_decided_and_nobody_finished_the_next_trainer_does(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    for artifact in (ONE, TWO):
        await Registry(house.bus).put(artifact)
    await carry_out_operation(house.bus, operation(1, version=ONE.digest))

    async def die(*arguments, **options):
        raise BusError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Publishing, "_publish", die)
        with pytest.raises(BusError):
            await carry_out_operation(house.bus, operation(2, version=TWO.digest))
    assert len(await house.deployed()) == 1
    async with house.working(house.worker()), asyncio.timeout(30):
        while (found := await Ledger(house.bus).find("op-2")) is None or not found.is_out:
            await asyncio.sleep(0.01)
    assert [event.version for event in await house.deployed()] == [ONE.version, TWO.version]
    assert [d.request_id for d in await Ledger(house.bus).decisions()] == ["op-1", "op-2"]


async def test_a_version_is_found_by_its_beginning(bus: MemoryBus):
    for name in (ONE.version, ONE.digest[:8]):
        assert await digest_of_version(bus, STRATEGY, None, name) == ONE.digest
