"""When a role's snapshot is taken, and what of its streams it counts in.

A snapshot is taken between two events, when all that was said up to there is stored. Meanwhile
the role stands still, its connection does not: what is left to do when the bytes are out of the
core's hands, the checksum and the disk, is done while the role goes on.
"""

import asyncio
import logging
from typing import Protocol, runtime_checkable

from engine.saved import Saved
from engine.shells.already_out import AlreadyOut
from engine.shells.outlet import Outlet
from engine.shells.snapshot import Origin, Snapshot, SnapshotFile
from streams.bus import Bus
from streams.errors import BusError

SNAPSHOT_EVERY_S = 30.0
SNAPSHOT_SHARE_MAX = 0.005
"""For at most this share of its time a role stands still to be saved: too little to be seen in the
99th percentile of its answers."""

OUT_IDS_SAVED_MAX = 1_000_000

log = logging.getLogger("assay.snapshot")


@runtime_checkable
class SavableCore(Protocol):
    """A core that can be saved, and another of its kind go on from it."""

    def save(self) -> Saved:
        """Return all that it knows."""
        ...

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        ...


class SnapshotKeeper:
    """Takes the snapshots of one shard of a role into `file`, and finds the last one.

    `reads` are the streams of its feeds, `writes` those it writes to.
    """

    def __init__(
        self,
        bus: Bus,
        file: SnapshotFile,
        outlet: Outlet | None,
        reads: tuple[str, ...],
        writes: tuple[str, ...],
    ) -> None:
        self._bus = bus
        self._file = file
        self._outlet = outlet
        self._reads = reads
        self._writes = writes
        self._origin = Origin("", 0, 0, file.basis, {})
        self._next_at = 0.0
        self._saved_at: tuple[int, ...] = ()
        self._settling: asyncio.Task[None] | None = None
        self._mark: tuple[dict[str, int], tuple[int, ...]] | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next snapshot, and the last one is done with."""
        is_settling = self._settling is not None and not self._settling.done()
        return not is_settling and _now() >= self._next_at

    async def find(self, role: str, shard: int, shards: int) -> Snapshot | None:
        """Return the snapshot to go on from, or None where there is none of use."""
        streams = sorted({*self._reads, *self._writes})
        incarnations = {stream: await self._bus.incarnation(stream) for stream in streams}
        self._origin = Origin(role, shard, shards, self._file.basis, incarnations)
        await asyncio.to_thread(self._file.clear)
        found = await asyncio.to_thread(self._file.read, self._origin)
        if found is not None and await self._is_ahead(found):
            self._file.refused += 1
            log.warning("snapshot %s is ahead of its streams: replaying", self._file.path)
            return None
        if found is not None:
            self._saved_at = found.positions
        self._next_at = _now() + SNAPSHOT_EVERY_S
        return found

    async def save(
        self, core: SavableCore, positions: tuple[int, ...], out: AlreadyOut, progress_ts: int
    ) -> None:
        """Take a snapshot, unless nothing has moved or something said is not stored yet.

        Raises BusError when something that was said could not be stored.
        """
        is_settled = self._outlet is None or self._outlet.is_settled
        if not is_settled or positions == self._saved_at:
            return
        await self.close()
        began = _now()
        self._next_at = began + SNAPSHOT_EVERY_S
        if len(out.ids) > OUT_IDS_SAVED_MAX:
            return
        await self._bus.flush()
        try:
            await self._note_written(positions, out)
        except BusError as error:
            self._note_failure(error)
            return

        def write() -> None:
            self._file.write(
                Snapshot(
                    self._origin,
                    positions,
                    out.written,
                    sorted(out.ids),
                    progress_ts,
                    core.save(),
                )
            )

        try:
            await asyncio.to_thread(write)
        except (OSError, ValueError) as error:
            self._note_failure(error)
            return
        self._saved_at = positions
        self._settling = asyncio.create_task(self._settle())
        now = _now()
        self._next_at = now + max(SNAPSHOT_EVERY_S, (now - began) / SNAPSHOT_SHARE_MAX)

    async def close(self) -> None:
        """Return when the last snapshot is on the disk."""
        if self._settling is not None:
            await asyncio.wait((self._settling,))

    def discard(self) -> None:
        """Remove a snapshot that cannot be gone on from."""
        self._file.discard()

    async def _settle(self) -> None:
        try:
            await asyncio.to_thread(self._file.settle)
        except OSError as error:
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        self._file.failed += 1
        log.warning("no snapshot was taken: %s", error)

    async def _is_ahead(self, found: Snapshot) -> bool:
        """Whether a stream was put back to before the snapshot."""
        if len(found.positions) != len(self._reads):
            return True
        known = [*zip(self._reads, found.positions, strict=True), *found.written.items()]
        return any([await self._bus.last_seq(stream) < seq for stream, seq in known])

    async def _note_written(self, positions: tuple[int, ...], out: AlreadyOut) -> None:
        """Note up to where the streams that are written hold only what the core knows of.

        Alone, that is all of them. One of two may be behind the other, which writes what it has
        not said yet: then it is what they held at some time before, once it has taken all that
        could be answered at that time.
        """
        if self._outlet is None:
            out.written = await self._ends(self._writes)
            return
        if self._mark is None:
            written = await self._ends(self._writes)
            self._mark = written, tuple((await self._ends(self._reads)).values())
        written, answered = self._mark
        if all(at >= end for at, end in zip(positions, answered, strict=True)):
            out.written, self._mark = written, None

    async def _ends(self, streams: tuple[str, ...]) -> dict[str, int]:
        return {stream: await self._bus.last_seq(stream) for stream in streams}


def _now() -> float:
    return asyncio.get_running_loop().time()
