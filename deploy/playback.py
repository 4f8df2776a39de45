"""History through the stream of a run that is up."""

import heapq
import time
from collections.abc import Iterator, Sequence
from uuid import uuid4

import msgspec
import numpy as np
from rich.console import Console

from deploy.config import DataSettings, RunSettings
from deploy.connection import connect
from deploy.live_view import LiveView
from deploy.role_runtime import cancel_on_signals
from deploy.tally import Tally
from deploy.watch import watching
from engine.replays.replay import ReplayCounts, ReplayDriver
from engine.replays.replay_batch import Instant
from streams.block import Block
from streams.errors import DataError
from streams.events import Bar, Signal
from streams.source import comes_with_signals, market_blocks, market_instants
from streams.validation import AHEAD_MAX_NS

DAY_NS = 86_400_000_000_000


class Played(msgspec.Struct, frozen=True):
    """What a replay has published, and in how many seconds."""

    instants: int
    bars: int
    seconds: float


async def play(
    url: str,
    settings: RunSettings,
    sources: Sequence[DataSettings],
    roles: tuple[str, ...],
    console: Console,
) -> Played:
    """Publish the bars of `sources` in time order, paced by `roles`, which run at `url`."""
    cancel_on_signals()
    started_s = time.monotonic()
    delay_ns = int(settings.train.delay_days * DAY_NS) if "trainer" in roles else None
    history, instants = _history(sources, delay_ns)
    check_past(history, time.time_ns())
    bus = await connect(url, "assay-replay")
    try:
        tally = Tally(tuple(strategy.name for strategy in settings.strategies))
        async with watching(bus, tally):
            with LiveView(tally, instants, console) as view:

                def on_instant(counts: ReplayCounts) -> None:
                    view.update(counts.instants)

                driver = ReplayDriver(
                    bus,
                    roles=roles,
                    run_id=uuid4().hex,
                    delay_ns=delay_ns,
                    on_instant=on_instant,
                )
                counts = await driver.drive(history)
    finally:
        await bus.close()
    return Played(counts.instants, counts.bars, time.monotonic() - started_s)


def check_past(history: Sequence[Instant | Block], now_ns: int) -> None:
    """Raise DataError for history that lies ahead: its bars would be refused, and waited for."""
    if not history:
        return
    last = history[-1]
    last_ts = last.last_ts if isinstance(last, Block) else last[0].ts
    if last_ts > now_ns + AHEAD_MAX_NS:
        told = np.datetime64(last_ts, "ns")
        raise DataError(f"the history ends at {told}, more than a day from now: is it a forecast?")


def _history(
    sources: Sequence[DataSettings], delay_ns: int | None
) -> tuple[Sequence[Instant | Block], int]:
    """Return what several sources hold, and how many instants that is.

    Blocks, whatever symbols and intervals there are, unless one of them comes with signals: those
    stand behind the bars of their instant, so all of it is told by instants.
    """
    if any(comes_with_signals(source.source_settings()) for source in sources):
        instants = list(_instants(sources))
        return instants, len(instants)
    blocks = list(market_blocks([source.source_settings() for source in sources], delay_ns))
    return blocks, sum(block.instants for block in blocks)


def _instants(sources: Sequence[DataSettings]) -> Iterator[list[Bar | Signal]]:
    """Yield the instants of several sources as one history."""
    frames = [market_instants(source.source_settings()) for source in sources]
    current: list[Bar | Signal] = []
    for frame in heapq.merge(*frames, key=lambda events: events[0].ts):
        if current and frame[0].ts != current[0].ts:
            yield current
            current = []
        current = current + frame
    if current:
        yield current
