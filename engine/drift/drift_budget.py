"""The false-alarm budget of a run, divided over the detectors of every strategy.

With a budget of B outcomes of a strategy to one false alarm of everything together, S strategies
and D detectors with a budget on a channel that has share s of it, each gets the threshold
B · S · D / s: one false alarm in that many outcomes or fewer. A channel without such a detector
leaves its share to the other. A detector without a budget has a threshold of its own.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.drift.detector import Detector, Named, Reference, parse_detector
from engine.drift.outcome_stream import OutcomeStream, make_stream
from engine.settings import DriftSettings
from streams.errors import ConfigError
from streams.strict import nearest

RANKING = "ranking"
CALIBRATION = "calibration"


class Watcher(NamedTuple):
    """A detector as every model is watched by it; `name` is the configuration's.

    One that `has_budget` holds outcomes against what the model says: its silence says that they
    agree. Others hold them against what was usual, and get used to a model that has failed.
    """

    name: str
    channel: str
    threshold: float
    is_clustered: bool
    has_budget: bool
    begin: Callable[[Reference], tuple[Detector, OutcomeStream]]


def watchers(settings: DriftSettings, strategies: int) -> tuple[Watcher, ...]:
    """Return the detectors of a run of so many strategies, in the order of the settings.

    Raises ConfigError for a detector, a stream or a threshold's name that is not known.
    """
    for text in settings.thresholds:
        if text not in settings.detectors:
            raise ConfigError(
                f"drift.thresholds names {text!r}, which is not among drift.detectors"
                f"{nearest(text, settings.detectors)}"
            )
    named = {text: parse_detector(text) for text in settings.detectors}
    return tuple(
        _watcher(text, one, _threshold(text, one, settings, strategies, list(named.values())))
        for text, one in named.items()
    )


def _watcher(text: str, named: Named, threshold: float) -> Watcher:
    module, stream = named.module, named.stream

    def begin(reference: Reference) -> tuple[Detector, OutcomeStream]:
        return module.make(threshold, reference, stream), make_stream(stream, reference)

    return Watcher(text, module.CHANNEL, threshold, module.CLUSTERED, module.HAS_BUDGET, begin)


def _threshold(
    text: str, named: Named, settings: DriftSettings, strategies: int, all_of: Sequence[Named]
) -> float:
    own = settings.thresholds.get(text) or named.default_threshold
    if own is not None:
        return own
    budgeted = [one.module.CHANNEL for one in all_of if one.module.HAS_BUDGET]
    return mean_length(named.module.CHANNEL, budgeted, settings, strategies)


def mean_length(
    channel: str, channels: Sequence[str], settings: DriftSettings, strategies: int
) -> float:
    """Return how many outcomes a detector of `channel` is to take to a false alarm, on average.

    `channels` are those of all detectors that share the budget.
    """
    share = 1.0
    if len(set(channels)) > 1:
        ranking = settings.ranking_share
        share = ranking if channel == RANKING else 1.0 - ranking
    return settings.budget * max(strategies, 1) * channels.count(channel) / share
