"""What can be told of a shell at a moment, beside what its meter has counted."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.shells.meter import Meter
from engine.shells.reading import Reading, counter, gauge
from engine.shells.snapshot import SnapshotFile
from streams.bus import Bus
from streams.errors import BusError

BUS_ANSWER_S = 2.0
_NS = 1e9


class Place(NamedTuple):
    """How far a feed has been taken; `is_whole` where it is all of its stream."""

    stream: str
    seq: int
    is_whole: bool


def progress_readings(meter: Meter, progress_ts: int) -> Iterator[Reading]:
    """Yield how far a core is, and how far that is behind what it has been given."""
    yield gauge(
        "progress_event_time_seconds",
        "Event time up to which everything has been said; 0 before any.",
        progress_ts / _NS,
    )
    newest_ts = meter.newest_ts()
    if newest_ts and progress_ts:
        yield gauge(
            "lag_event_time_seconds",
            "Event time from the progress to the newest message taken.",
            max(0, newest_ts - progress_ts) / _NS,
        )


async def place_readings(bus: Bus, places: Sequence[Place]) -> list[Reading]:
    """Return how far the feeds are, and by how much that is behind where the bus answers.

    Of a feed that is a part of its stream nobody knows how much of the rest is its own.
    """
    meaning = "Sequence of the last message taken of a stream."
    found = [gauge("taken_sequence", meaning, at.seq, stream=at.stream) for at in places]
    try:
        async with asyncio.timeout(BUS_ANSWER_S):
            for place in places:
                if place.is_whole:
                    behind = max(0, await bus.last_seq(place.stream) - place.seq)
                    meaning = "Messages that a stream holds behind the last one taken."
                    found.append(gauge("lag_messages", meaning, behind, stream=place.stream))
    except (BusError, TimeoutError):
        # Whether the bus is there is told by itself.
        return found
    return found


def snapshot_readings(file: SnapshotFile, now_ns: int) -> Iterator[Reading]:
    """Yield the age and size of the last snapshot, and how many were of no use or not taken."""
    meaning = "Snapshots found that could not be gone on from."
    yield counter("snapshot_refusals", meaning, file.refused)
    yield counter("snapshot_failures", "Snapshots that could not be taken.", file.failed)
    try:
        found = file.path.stat()
    except OSError:
        return
    age_s = max(0.0, (now_ns - found.st_mtime_ns) / _NS)
    yield gauge("snapshot_age_seconds", "Since the last snapshot was taken.", age_s)
    yield gauge("snapshot_bytes", "Size of the last snapshot.", found.st_size)
