"""A trainer may die between any two steps: the request is answered once, and published."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.registry import Registry
from tests.trainers.house import PATIENCE_S, SKILLED, STRATEGY, House, end_of
from trainers.ledger import Ledger
from trainers.publishing import Publishing
from trainers.training_jobs import TrainingJobs

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
