"""What is to be told of a drift monitor: read of its state at a scrape, counted by nobody."""

from collections.abc import Iterator

from engine.drift.drift_monitor import DriftMonitor
from engine.drift.watch_state import WatchState
from engine.shells.reading import Reading, gauge

WATCHES_TOLD_MAX = 1_000


def drift_readings(core: DriftMonitor) -> list[Reading]:
    """Return where every detector stands on every model that is watched."""
    return [
        reading for watch in core.state()[-WATCHES_TOLD_MAX:] for reading in _watch_readings(watch)
    ]


def _watch_readings(watch: WatchState) -> Iterator[Reading]:
    scope = {"strategy": watch.strategy, "model": watch.model}
    yield gauge("drift_outcomes", "Outcomes judged of a model.", watch.outcomes, **scope)
    for one in watch.detectors:
        labels = scope | {"detector": one.detector, "channel": one.channel}
        meaning = "A detector's statistic: it alarms at its threshold."
        yield gauge("drift_statistic", meaning, one.statistic, **labels)
        yield gauge("drift_threshold", "A detector's threshold.", one.threshold, **labels)
        meaning = "0 quiet, 1 warning, 2 detected once for this model."
        state = 2 if one.has_detected else int(one.is_warning)
        yield gauge("drift_state", meaning, state, **labels)
