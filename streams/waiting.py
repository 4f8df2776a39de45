"""Waiting for an event with a limit.

`asyncio.wait_for` on Python 3.11 can swallow the cancellation of its caller when the wait ends
at that very moment: a task that was told to stop would run on for ever. `asyncio.timeout`
does not.
"""

import asyncio


async def wait_until_set(event: asyncio.Event, timeout_s: float) -> bool:
    """Return True once `event` is set, or False after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
