"""Waiting with a limit, and ending tasks that may not hear that they were told to.

`asyncio.wait_for` on Python 3.11 can swallow the cancellation of its caller when the wait ends
at that very moment, and nats-py swallows one while it flushes: a task that was told to stop
would run on for ever. `asyncio.timeout` does not; and whoever ends a task asks until it has ended.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

ASK_AGAIN_S = 2.0
"""Longer than a task's own orderly end takes: asking again cuts that short."""


async def end_tasks(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel `tasks`, again and again, until every one has ended; raises nothing of theirs.

    Cancelled itself meanwhile, it asks them at once, and leaves when they have ended.
    """
    every = list(tasks)
    left = {task for task in every if not task.done()}
    was_cancelled = False
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=ASK_AGAIN_S)
        except asyncio.CancelledError:
            was_cancelled = True
        left = {task for task in left if not task.done()}
    for task in every:
        if not task.cancelled():
            task.exception()
    if was_cancelled:
        raise asyncio.CancelledError


async def wait_until_set(event: asyncio.Event, timeout_s: float) -> bool:
    """Return True once `event` is set, or False after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
