"""Fills a Tally from the streams of a running broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.tally import STREAMS_WATCHED, Tally
from streams import subjects
from streams.bus import Bus, Subscription
from streams.waiting import end_tasks

WAIT_S = 0.25


@asynccontextmanager
async def watching(bus: Bus, tally: Tally) -> AsyncIterator[None]:
    """Fill `tally` while the block runs; what is in the streams already is counted too."""
    subscriptions = [await bus.read(stream) for stream in STREAMS_WATCHED]
    # A work queue cannot be read beside its worker: requests are overheard as they pass.
    subscriptions.append(await bus.subscribe_plain(subjects.RETRAIN))
    tasks = [asyncio.create_task(_fill(tally, subscription)) for subscription in subscriptions]
    try:
        yield
    finally:
        await end_tasks(tasks)
        for subscription in subscriptions:
            await subscription.close()


async def _fill(tally: Tally, subscription: Subscription) -> None:
    while True:
        for message in await subscription.next_batch(WAIT_S):
            tally.step(message)
