"""A task that swallows a cancellation is asked until it has ended."""

import asyncio

from streams import waiting
from streams.waiting import end_tasks


async def test_a_task_that_swallows_its_cancellation_ends_all_the_same(monkeypatch):
    monkeypatch.setattr(waiting, "ASK_AGAIN_S", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def failing() -> None:
        raise ValueError("its own affair")

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end_tasks(tasks)
    assert swallowed == 3
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ValueError)


async def test_ending_nothing_is_nothing():
    await end_tasks(())
