"""The drift role's own shell over a broker, until all that stands there has been judged.

The process that holds the role's lock speaks and keeps its snapshot. Where that is a live drift
role, this one judges a copy in silence, and waits until the role has said what there is to say.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from deploy.config import RunSettings
from deploy.file_lock import FileLock
from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from deploy.state import StateDir
from deploy.wiring.drift import drift_monitor, lock_of, shell_of
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.watch_state import WatchState
from engine.roles.drift import ROLE
from engine.shells.outlet import Outlet
from engine.shells.snapshot import SnapshotFile
from streams import subjects, topology
from streams.bus import Bus
from streams.errors import BusError
from streams.events import Progress
from streams.intake import event_of
from streams.watermark import Watermark
from trainers.retraining.together import run_together

POLL_S = 0.02
LOOK_BACK_MESSAGES = 20_000
READ_TIMEOUT_S = 0.2
ROLE_PATIENCE_S = 120.0
"""How long a live drift role may stand still while it is waited for."""


class Checked(msgspec.Struct, frozen=True):
    """Where every watch stands, when all up to `judged_ts` of event time has been judged.

    `has_role`: a live drift role said it, not this process.
    """

    watches: tuple[WatchState, ...]
    judged_ts: int
    has_role: bool


async def check_drift(bus: Bus, settings: RunSettings, state: StateDir) -> Checked:
    """Judge what stands in the streams now; see that it has been said, once.

    `state` is that of the run's drift role, if it has one. Raises BusError when the bus fails, or
    when a live drift role stands still.
    """
    lock = lock_of(state)
    while True:
        if lock.take():
            try:
                core = await _judged(bus, settings, state)
            finally:
                lock.release()
            return Checked(core.state(), core.progress_ts, has_role=False)
        core = await _judged_in_silence(bus, settings, state)
        if await _has_role_said(bus, core.progress_ts, lock):
            return Checked(core.state(), core.progress_ts, has_role=True)


class _Silence:
    """Takes everything and publishes nothing."""

    is_settled = True

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take one message."""


async def _judged_in_silence(bus: Bus, settings: RunSettings, state: StateDir) -> DriftMonitor:
    with TemporaryDirectory(prefix="assay-learn-") as folder:
        return await _judged(bus, settings, state, copied_to=Path(folder), outlet=_Silence())


async def _judged(
    bus: Bus,
    settings: RunSettings,
    state: StateDir,
    *,
    copied_to: Path | None = None,
    outlet: Outlet | None = None,
) -> DriftMonitor:
    """Return the core of the role when it has seen what stands in its streams now."""
    stop = asyncio.Event()
    context = RoleContext(settings, state, bus, 0, 1, lambda: None, outlet)
    core, snapshots = drift_monitor(settings), snapshot_file(context, ROLE)
    if copied_to is not None:
        snapshots = _copy(snapshots, copied_to)
    shell = shell_of(context, core, snapshots)
    read = (topology.SCORED, topology.OUTCOMES) if core.watches_scores else (topology.OUTCOMES,)
    ends = {stream: await bus.last_seq(stream) for stream in read}

    async def until_all_is_seen() -> None:
        # A shell tells nobody where it is.
        while any(shell.positions.get(name, 0) < seq for name, seq in ends.items()):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        stop.set()
        # What it has begun it ends by itself.
        await asyncio.Event().wait()

    await run_together(shell.run(stop), until_all_is_seen())
    return core


def _copy(snapshots: SnapshotFile, folder: Path) -> SnapshotFile:
    """Return the same snapshot as one that nobody else writes to."""
    copy = SnapshotFile(folder / snapshots.path.name, snapshots.basis)
    # A role that has not been saved yet is followed from the streams' beginning.
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(snapshots.path, copy.path)
    return copy


async def _has_role_said(bus: Bus, ts: int, lock: FileLock) -> bool:
    """Wait until the live drift role vouches for `ts`; False where it lives no more."""
    start = max(1, await bus.last_seq(topology.DRIFT) - LOOK_BACK_MESSAGES + 1)
    subscription = await bus.read(topology.DRIFT, start, (subjects.progress(ROLE, 0),))
    loop = asyncio.get_running_loop()
    vouched, moved_at = Watermark(), loop.time()
    try:
        while vouched.event_ts < ts:
            for message in await subscription.next_batch(READ_TIMEOUT_S):
                event = event_of(message)
                if isinstance(event, Progress):
                    vouched.note(event)
                    moved_at = loop.time()
            if lock.take():
                lock.release()
                return False
            if loop.time() - moved_at > ROLE_PATIENCE_S:
                raise BusError(
                    f"the drift role (process {lock.owner()}) has not moved for "
                    f"{ROLE_PATIENCE_S:.0f} s: look at its log, or end it"
                )
    finally:
        await subscription.close()
    return True
