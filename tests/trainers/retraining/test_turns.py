"""Of many trainers one at a time works on a strategy, and nobody's death keeps it from others."""

import asyncio
from collections.abc import Iterator

import pytest

from engine.settings import StrategySettings
from streams import codec, subjects
from streams.events import Retrain
from streams.topology import BUCKET_LEASES, RETRAIN
from tests.trainers.house import PATIENCE_S, SKILLED, STRATEGY, House, end_of, run_job_here
from trainers.dataset import DAY_NS
from trainers.retraining import turns
from trainers.retraining.attempts import REMEMBERED_MAX, Attempts
from trainers.retraining.ledger import Ledger
from trainers.retraining.turns import Turns
from trainers.retraining.worker import ATTEMPTS_MAX

LEASE_S = 0.2
OTHER = "other"
BOTH = tuple(StrategySettings(name, kind="external") for name in (STRATEGY, OTHER))


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests that jobs were begun for."""
    begun: list[str] = []

    async def run(folder, **options):
        begun.append(folder.name)
        return await run_job_here(folder, **options)

    monkeypatch.setattr("trainers.retraining.training_jobs.run_in_process", run)
    return begun


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_LEASE_S", LEASE_S)


async def ask(house: House, number: int, *, strategy: str = STRATEGY, hours: int = 0) -> None:
    ts = end_of(SKILLED) + hours * DAY_NS // 24
    await house.come_to(ts)
    request = Retrain(f"r-{number}", strategy, None, "refresh:slope", 0, "drift", ts)
    await house.bus.publish(subjects.retrain(strategy), codec.encode(request))


async def until_decided(house: House, request_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await Ledger(house.bus).find(request_id)) is None or not found.is_out:
            await asyncio.sleep(0.01)


async def test_two_trainers_train_once_for_two_requests_of_one_moment(house: House, jobs):
    await house.tell(SKILLED)
    for number in range(2):
        await ask(house, number, hours=number)
    async with house.working(house.worker(0), house.worker(1)):
        await house.until_idle()
    assert len(jobs) == 1
    assert [d.request_id for d in await house.deployed()] == ["r-0"]
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["cooldown"]


async def test_while_another_works_on_a_strategy_the_next_one_is_answered(house: House):
    held = await Turns(house.bus).take(STRATEGY)
    assert held is not None
    for number in range(2):
        await ask(house, number, hours=number)
    await ask(house, 2, strategy=OTHER)
    async with house.working(house.worker(strategies=BOTH)):
        await until_decided(house, "r-2")
        assert await Ledger(house.bus).find("r-0") is None
        await held.release()
        await house.until_idle()
    decided = [kept.request_id for kept in await house.kept()]
    assert decided == ["r-2", "r-0", "r-1"], "those of one strategy in their order"


@pytest.mark.usefixtures("short_leases")
async def test_a_killed_trainer_s_strategy_is_taken_over(house: House):
    killed = await Turns(house.bus).take(STRATEGY)
    assert killed is not None
    await ask(house, 0)
    async with house.working(house.worker()):
        await house.until_idle()
    assert not killed.is_fresh
    assert len(await house.kept()) == 1


@pytest.mark.usefixtures("short_leases")
async def test_what_was_found_in_a_turn_that_was_lost_is_not_decided(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    worker = house.worker()
    decide, tries = worker._decider.decide, []

    async def stalled(*arguments):
        tries.append(await Ledger(house.bus).find("r-0"))
        if len(tries) == 1:
            await house.bus.key_put(BUCKET_LEASES, f"trainer.{STRATEGY}", b"another")
            await asyncio.sleep(2 * LEASE_S)
        return await decide(*arguments)

    monkeypatch.setattr(worker._decider, "decide", stalled)
    await ask(house, 0)
    async with house.working(worker):
        await house.until_idle()
    # On a slow machine the next turn may be lost as well.
    assert len(tries) > 1
    assert not any(tries)
    assert len(await house.kept()) == 1


async def test_dying_with_requests_that_only_waited_for_their_turn_is_no_attempt_at_them(
    house: House,
):
    """Somebody was killed again and again, before it was this strategy's turn."""
    for number in range(2):
        await ask(house, number, hours=number)
    for _ in range(2 * ATTEMPTS_MAX):
        queue = await house.bus.work_queue(RETRAIN, "trainers")
        held = [await queue.next(1.0) for _ in range(2)]
        for work in held:
            assert work is not None
            await work.retry(0.0)
    async with house.working(house.worker()):
        await house.until_idle()
    decided = [(kept.request_id, kept.verdict["reason"]) for kept in await house.kept()]
    assert [name for name, _ in decided] == ["r-0", "r-1"]
    assert not any("gave_up" in str(reason) for _, reason in decided)


async def test_attempts_are_counted_by_request_and_those_stopped_in_order_are_not(house: House):
    own = Attempts(house.bus)
    assert [await own.begin(STRATEGY, "r-1") for _ in range(3)] == [1, 2, 3]
    await own.withdraw(STRATEGY, "r-1")
    assert await Attempts(house.bus).begin(STRATEGY, "r-1") == 3
    assert await own.begin(OTHER, "r-1") == 1
    for number in range(REMEMBERED_MAX + 5):
        assert await own.begin(STRATEGY, f"n-{number}") == 1
    entry = await house.bus.key_get(BUCKET_LEASES, f"attempts.{STRATEGY}")
    assert entry is not None
    assert entry.value.count(b":") == REMEMBERED_MAX
    await house.bus.key_put(BUCKET_LEASES, f"attempts.{STRATEGY}", b"\xff{")
    assert await own.begin(STRATEGY, "r-1") == 1


async def test_no_two_trainers_have_one_name(house: House):
    first, second = Turns(house.bus), Turns(house.bus.handle())
    assert await first.take(STRATEGY) is not None
    assert await second.take(STRATEGY) is None
    assert await first.take(STRATEGY) is not None
    assert await second.take(OTHER) is not None


async def test_who_is_stopped_at_any_moment_gives_the_turn_back(house: House):
    own = Turns(house.bus)
    for waits in range(4):

        async def work() -> None:
            lease = await own.take(STRATEGY)
            assert lease is not None
            async with own.kept(lease):
                await asyncio.sleep(0)

        task = asyncio.create_task(work())
        for _ in range(waits):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert await Turns(house.bus).take(STRATEGY) is not None, waits
        await house.bus.key_put(BUCKET_LEASES, f"trainer.{STRATEGY}", b"")


async def test_who_stops_gives_back_what_it_only_held(house: House):
    assert await Turns(house.bus).take(STRATEGY) is not None
    await ask(house, 0)
    await ask(house, 1, strategy=OTHER)
    async with house.working(house.worker(strategies=BOTH)):
        await until_decided(house, "r-1")
    work = await (await house.bus.work_queue(RETRAIN, "trainers")).next(1.0)
    assert work is not None
    assert work.deliveries == 2
