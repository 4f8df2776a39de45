"""Where the statistics of drift come from, without asking the drift role.

Its last snapshot, where that is on this machine and of this configuration: exactly what it knew,
half a minute ago at most while something moves. Else the same core is led over the outcomes that
the monitor reads: the same words for every model whose first outcome is among them.
"""

from deploy.config import RunSettings
from deploy.monitor.picture import DetectorLine
from deploy.snapshots import basis_of
from deploy.state import StateDir
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.watch_state import DetectorState, WatchState
from engine.roles.drift import ROLE
from engine.shells.snapshot import Origin, SnapshotFile
from streams import topology
from streams.bus import Bus
from streams.events import Event

STREAMS = (topology.SCORED, topology.OUTCOMES, topology.DRIFT)
WITHOUT_SCORES = STREAMS[1:]
SNAPSHOT_OF_ONE = "drift-0-of-1.snapshot"

Watches = dict[tuple[str, str], WatchState]


def check_detectors(settings: RunSettings) -> None:
    """Raise ConfigError for detectors that there are not."""
    DriftMonitor(settings.drift)


class DriftSource:
    """Tells where every watch stands."""

    def __init__(
        self, settings: RunSettings, state: StateDir, incarnations: dict[str, str]
    ) -> None:
        self._settings = settings
        basis = basis_of(ROLE, settings, state)
        self._file = SnapshotFile(state.snapshots / SNAPSHOT_OF_ONE, basis)
        self._incarnations = incarnations
        self._replayed = self._fresh()
        self._read_ns = 0
        self._found: Watches | None = None
        self.is_cut = False

    @classmethod
    async def of(cls, settings: RunSettings, state: StateDir, bus: Bus) -> "DriftSource":
        """Return the source for the streams of `bus`."""
        return cls(settings, state, {name: await bus.incarnation(name) for name in STREAMS})

    @property
    def in_words(self) -> str:
        """Where the statistics come from: as short as one line of a narrow window."""
        if self._found is not None:
            return "the role's snapshot"
        return "the last outcomes" if self.is_cut else "all outcomes"

    def step(self, event: Event) -> None:
        """Take an event of OUTCOMES: not needed any more once there is a snapshot."""
        if self._found is None:
            self._replayed.step(event)

    def watches(self) -> Watches:
        """Return the watch over each model, by strategy and version."""
        self._look()
        if self._found is not None:
            return self._found
        return _by_model(self._replayed.state())

    def _fresh(self) -> DriftMonitor:
        watched = [one for one in self._settings.strategies if one.ml.enabled]
        return DriftMonitor(self._settings.drift, len(watched))

    def _look(self) -> None:
        """Read the snapshot where there is a new one that can be gone on from."""
        try:
            written_ns = self._file.path.stat().st_mtime_ns
        except OSError:
            return
        if written_ns == self._read_ns:
            return
        self._read_ns = written_ns
        for streams in (STREAMS, WITHOUT_SCORES):
            incarnations = {name: self._incarnations[name] for name in streams}
            snapshot = self._file.read(Origin(ROLE, 0, 1, self._file.basis, incarnations))
            if snapshot is not None:
                core = self._fresh()
                core.load(snapshot.saved)
                self._found = _by_model(core.state())
                return


def detector_lines(watch: WatchState | None) -> tuple[DetectorLine, ...]:
    """Return the detectors of a watch: what has alarmed, then by how near each is to it."""
    lines = [_line(one) for one in watch.detectors] if watch is not None else []
    return tuple(sorted(lines, key=lambda one: (one.level != "detected", -(one.share or 0.0))))


def _line(state: DetectorState) -> DetectorLine:
    level = "detected" if state.has_detected else "warning" if state.is_warning else ""
    share = max(0.0, state.statistic / state.threshold) if state.threshold > 0.0 else None
    return DetectorLine(
        state.detector, state.channel, state.statistic, state.threshold, share, level
    )


def _by_model(states: tuple[WatchState, ...]) -> Watches:
    return {(one.strategy, one.model): one for one in states}
