"""Operators that are killed, and several at one moment: each change is made once, or not at all."""

import asyncio

import pytest

from deploy.operations.model_shelf import model_lines
from deploy.operations.operation_log import log_of
from deploy.operations.operations import finish_left, hold, promote
from models.registry import Registry
from streams.errors import ModelError
from tests.deploy.operations.registry_stage import (
    ANN,
    BOB,
    FIRST,
    SHADOWED,
    STRATEGY,
    Died,
    MortalBus,
    audits,
    deployed,
    staged,
)
from trainers.retraining.ledger import Ledger
from trainers.retraining.publishing import Publishing


@pytest.fixture
async def bus(memory_bus):
    return await staged(memory_bus)


async def current(bus) -> str:
    pointer = await Registry(bus).pointer(STRATEGY)
    assert pointer is not None
    return pointer.current.version


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 7))
async def test_a_killed_promotion_is_finished_by_the_next_command_or_never_was(
    bus, dies_at, behind
):
    before = len(await deployed(bus))
    mortal = MortalBus(bus.handle(), dies_at, behind=behind)
    finished = True
    try:
        await promote(mortal, SHADOWED.version, ANN)
    except Died:
        finished = False
    await finish_left(bus)
    new = (await deployed(bus))[before:]
    written = await audits(bus)
    assert len(new) == len(written) == (await current(bus) == SHADOWED.version)
    assert await finish_left(bus) == 0
    assert await audits(bus) == written
    assert finished or new or dies_at == 1
    for one in written:
        assert (one.by, one.why, one.version) == ("ann", "because", SHADOWED.version)


async def test_a_trainer_that_starts_finishes_a_killed_command_and_the_log_knows_who(bus):
    mortal = MortalBus(bus.handle(), 2, behind=True)
    with pytest.raises(Died):
        await promote(mortal, SHADOWED.version, ANN)
    assert await current(bus) == SHADOWED.version
    assert len(await deployed(bus)) == 2
    await Publishing(bus, Ledger(bus)).finish_open()
    assert (await deployed(bus))[-1].version == SHADOWED.version
    last = (await log_of(bus, STRATEGY))[-1]
    assert (last.did, last.who, last.why) == ("promote", "ann", "because")


@pytest.mark.parametrize("order", [(ANN, BOB), (BOB, ANN)])
async def test_of_two_operators_at_one_moment_one_wins_and_the_other_is_told(bus, order):
    first, second = order
    results = await asyncio.gather(
        promote(MortalBus(bus.handle()), SHADOWED.version, first),
        promote(MortalBus(bus.handle()), FIRST.version, second),
        return_exceptions=True,
    )
    lost = [one for one in results if isinstance(one, BaseException)]
    assert len(lost) == 1
    assert isinstance(lost[0], ModelError)
    assert "somebody else changed the model of alpha at the same moment" in str(lost[0])
    new = (await deployed(bus))[2:]
    assert [one.version for one in new] == [await current(bus)]
    assert len(await audits(bus)) == 1


async def test_a_pin_that_another_model_overtakes_holds_nothing_and_is_written_down_as_that(bus):
    meanwhile = MortalBus(bus.handle(), 2, meanwhile=lambda: promote(bus, SHADOWED.version, BOB))
    with pytest.raises(ModelError, match="somebody else changed the model of alpha"):
        await hold(meanwhile, STRATEGY, None, ANN, pinned=True)
    (line,) = await model_lines(bus)
    assert (line.version, line.pinned) == (SHADOWED.version, False)
    told = [(one.action, one.detail.partition(":")[0]) for one in await audits(bus)]
    assert told == [("pin", ""), ("promote", "before"), ("pin", "overtaken")]


async def test_what_was_decided_before_a_pin_is_finished_by_it_and_then_held(bus):
    meanwhile = MortalBus(
        bus.handle(), 2, meanwhile=lambda: hold(bus, STRATEGY, None, ANN, pinned=True)
    )
    done = await promote(meanwhile, SHADOWED.version, BOB)
    (line,) = await model_lines(bus)
    assert (line.version, line.pinned) == (done.version, True)
    assert [one.version for one in (await deployed(bus))[2:]] == [SHADOWED.version]
    assert sorted(one.action for one in await audits(bus)) == ["pin", "promote"]
