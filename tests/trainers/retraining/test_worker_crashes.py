"""A trainer may die between any two steps: the request is answered once, and published."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.registry import Registry, scope_key
from streams import subjects, topology
from streams.bus import HEADER_ID
from streams.events import Deployment
from streams.memory_bus import MemoryBus
from streams.topology import BUCKET_LEDGER, BUCKET_MODELS
from tests.trainers.house import PATIENCE_S, SKILLED, STRATEGY, House, end_of
from tests.trainers.retraining.shadow_stage import in_force, model, pointer_of
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.publishing import Publishing
from trainers.retraining.training_jobs import TrainingJobs

NEVER_TRAINS = (sys.executable, "-c", "raise SystemExit(1)")


class Died(Exception):
    pass


def dying(step: Callable[..., Awaitable[Any]], when: str) -> Callable[..., Awaitable[Any]]:
    async def die(*arguments: Any, **options: Any) -> None:
        if when == "behind":
            await step(*arguments, **options)
        raise Died

    return die


@pytest.mark.parametrize(
    ("owner", "step", "when"),
    [
        (TrainingJobs, "run", "before"),
        (TrainingJobs, "run", "behind"),
        (Registry, "put", "behind"),
        (Ledger, "decide", "before"),
        (Ledger, "decide", "behind"),
        (Registry, "point", "behind"),
        (Publishing, "_publish", "behind"),
        (Ledger, "amend", "behind"),
    ],
)
async def test_the_next_trainer_finishes_what_the_dead_one_began(
    house: House, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, when: str
):
    await house.tell(SKILLED)
    await house.ask("r-1", end_of(SKILLED))
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying(getattr(owner, step), when))
        with pytest.raises(Died):
            await house.worker().run(asyncio.Event())
    decided = await Ledger(house.bus).find("r-1")
    options = {} if decided is None else {"job_command": NEVER_TRAINS}
    async with house.working(house.worker(**options)):
        await house.ask("r-1", end_of(SKILLED))
        async with asyncio.timeout(PATIENCE_S):
            while (found := await Ledger(house.bus).find("r-1")) is None or not found.is_out:
                await asyncio.sleep(0.02)
    (deployment,) = await house.deployed()
    assert await house.kept() == []
    pointer = await Registry(house.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.current.digest == deployment.digest
    assert pointer.history == ()
    assert list((house.folder / "jobs").rglob("*.*")) == []


async def test_a_promotion_that_was_never_told_is_not_told_behind_what_a_person_put_there_since(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    await house.tell(SKILLED)
    await house.ask("r-1", end_of(SKILLED))
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point", dying(Registry.point, "behind"))
        with pytest.raises(Died):
            await house.worker().run(asyncio.Event())
    persons = model(house, 1.0)
    await in_force(house, persons)
    # Who starts finishes what was left; the request itself is still held by the one that died.
    async with house.working(house.worker(job_command=NEVER_TRAINS)), asyncio.timeout(PATIENCE_S):
        while not await house.kept():
            await asyncio.sleep(0.05)
    assert [event.version for event in await house.deployed()] == [persons.version]
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["overtaken"]
    assert (await pointer_of(house)).current.version == persons.version


async def test_what_another_trainer_decided_and_told_meanwhile_is_not_told_again(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """A lease ran out: the other one died behind its event, long ago to the server's memory."""
    await house.tell(SKILLED)
    worker = house.worker()
    decide = worker._decider.decide

    async def beaten(*arguments):
        decision = await decide(*arguments)
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "amend", dying(Ledger.amend, "before"))
            ledger = Ledger(house.bus)
            other = Publishing(house.bus, ledger)
            with pytest.raises(Died):
                await other.carry_out((await ledger.decide(decision)).decision, is_fresh=True)
        return decision

    monkeypatch.setattr(worker._decider, "decide", beaten)
    publish = MemoryBus.publish

    async def forgetful(bus, subject, payload, *, msg_id=None, headers=None):
        if msg_id is not None:
            headers = (headers or {}) | {HEADER_ID: msg_id}
        return await publish(bus, subject, payload, headers=headers)

    monkeypatch.setattr(MemoryBus, "publish", forgetful)
    async with house.working(worker):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.deployed()) == 1


async def test_an_unreadable_key_stops_the_requests_about_it_and_no_others(house: House):
    await house.tell(SKILLED)
    await house.bus.key_put(BUCKET_LEDGER, subjects.token("r-1"), b"rubbish")
    open_still = Decision("r-2", Deployment("other", None, "v", "", 1, None, {}), False)
    await Ledger(house.bus).decide(open_still)
    await house.bus.key_put(BUCKET_MODELS, scope_key("other", None, "shadow"), b"rubbish")
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED))
        await house.ask("r-3", end_of(SKILLED))
        await house.until_idle()
    assert [event.request_id for event in await house.deployed()] == ["r-3"]
    assert await house.bus.last_seq(topology.DLQ) == 1
    left = await Ledger(house.bus).find("r-2")
    assert left is not None
    assert not left.is_out
    await house.bus.key_put(BUCKET_MODELS, scope_key("other", None, "shadow"), b"{}", expected=None)
    assert await Publishing(house.bus, Ledger(house.bus)).finish_open() == 1
