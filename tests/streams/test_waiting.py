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


async def test_who_is_told_to_stop_while_ending_tasks_still_sees_them_end():
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            try:
                await asyncio.sleep(0.05)
            finally:
                ended.set()

    child = asyncio.create_task(slow())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end_tasks((child,)))
    await asyncio.sleep(0.01)
    ending.cancel()
    done, _ = await asyncio.wait((ending,), timeout=5)
    assert done == {ending}
    assert ending.cancelled()
    assert ended.is_set()
    assert child.done()
