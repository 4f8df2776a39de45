"""Coroutines that stand or fall together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from streams.waiting import end_tasks


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Run `works` until one of them ends, then cancel the rest; raises what that one raised.

    Unlike a task group it raises the error itself, so that callers see a BusError as one.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(tasks)
    for task in done:
        task.result()
