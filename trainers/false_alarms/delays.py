"""How many outcomes pass between a drift and its alarm, over simulated streams."""

from collections.abc import Callable, Mapping
from math import ceil, floor, hypot, sqrt
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.detector import Named, Reference
from trainers.false_alarms.drift_law import DRIFTS, NONE
from trainers.false_alarms.first_alarm import NEVER, first_alarm
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.run_length import watch
from trainers.false_alarms.simulated_outcomes import SimulatedOutcomes

SOUND_OUTCOMES = 1_000
"""The model is sound for so many outcomes, its reference among them, before the drift."""

LAWS = (NONE, *DRIFTS)
DELAYS = 3
LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9
CLEAR_ERRORS = 2.0

Floats = NDArray[np.float64]


class Delay(msgspec.Struct, frozen=True):
    """What it takes to find a drift, by one detector or by all of a channel (`by`).

    `found`: the share of the streams in which it alarmed within the horizon, and its Monte-Carlo
    error. Delays in outcomes: the median with its error, and the range that holds the middle 80 %;
    None where that lies beyond the horizon. Streams with an alarm before the drift are left out.
    `is_beyond_chance`: half of them alarm clearly sooner than streams without a drift do, or
    clearly more of them within the horizon.
    """

    law: str
    by: str
    streams: int
    found: float
    found_error: float
    median: float | None
    median_error: float | None
    low: float | None
    high: float | None
    is_beyond_chance: bool = False


class Watched(NamedTuple):
    """A detector at the threshold that it is to have."""

    named: Named
    threshold: float


class DelayStudy:
    """Watches streams that drift, one after the other; what it has can be asked for at any time."""

    def __init__(
        self,
        profile: OutcomeProfile,
        detectors: Mapping[str, Watched],
        *,
        seed: int,
        reference_outcomes: int,
        horizon: int,
    ) -> None:
        self._profile = profile
        self._detectors = dict(detectors)
        self._seed = seed
        self._reference_outcomes = reference_outcomes
        self._sound = max(SOUND_OUTCOMES, reference_outcomes)
        self._horizon = horizon
        # By law: of each stream, when each detector first alarmed, counted from the drift.
        self._times: dict[str, list[list[float]]] = {law: [] for law in LAWS}

    def run(self, streams: int, on_stream: Callable[[], None]) -> None:
        """Watch `streams` of every law, the same ones but for the drift."""
        for number in range(streams):
            for law in LAWS:
                self._times[law].append(self._watch(law, number))
                on_stream()

    def delays(self) -> list[Delay]:
        """Return what was found so far, by law and detector, and by the channels of several."""
        groups: dict[str, list[int]] = {name: [i] for i, name in enumerate(self._detectors)}
        for place, watched in enumerate(self._detectors.values()):
            groups.setdefault(watched.named.module.CHANNEL, []).append(place)
        found = []
        by_chance: dict[str, Delay] = {}
        for law in LAWS:
            times = np.array(self._times[law]).reshape(-1, len(self._detectors))
            for name, places in groups.items():
                # Of one stream the earliest alarm, before the drift or after it.
                one = _delay(law, name, times[:, places].min(axis=1), self._horizon)
                if law == NONE:
                    by_chance[name] = one
                is_clear = _is_sooner(one, by_chance[name]) or _is_oftener(one, by_chance[name])
                found.append(msgspec.structs.replace(one, is_beyond_chance=is_clear))
        return found

    def _watch(self, law: str, number: int) -> list[float]:
        rng = np.random.default_rng((self._seed, DELAYS, number))
        outcomes = SimulatedOutcomes(self._profile, rng, law, self._sound)
        rows = outcomes.skip(self._reference_outcomes)
        reference = Reference(self._profile.probability[rows].tolist())
        alarms = [
            first_alarm(one.named, [one.threshold], reference, self._profile.probability)
            for one in self._detectors.values()
        ]
        before = self._sound - self._reference_outcomes
        watch(outcomes, alarms, before + self._horizon, until_any=False)
        times = [int(alarm.times[0]) for alarm in alarms]
        return [np.inf if time == NEVER else float(time - before) for time in times]


def _delay(law: str, by: str, times: Floats, horizon: int) -> Delay:
    counted = np.sort(times[times > 0.0])
    within = counted <= horizon
    count = counted.size
    share = float(within.mean()) if count else 0.0
    error = sqrt(share * (1.0 - share) / count) if count else 0.0
    median = _quantile(counted, MIDDLE, horizon)
    return Delay(
        law=law,
        by=by,
        streams=count,
        found=share,
        found_error=error,
        median=median,
        median_error=None if median is None else _median_error(counted, horizon),
        low=_quantile(counted, LOW, horizon),
        high=_quantile(counted, HIGH, horizon),
    )


def _is_sooner(delay: Delay, by_chance: Delay) -> bool:
    if delay.median is None or by_chance.median is None:
        return delay.median is not None
    error = hypot(delay.median_error or 0.0, by_chance.median_error or 0.0)
    return by_chance.median - delay.median > CLEAR_ERRORS * error


def _is_oftener(delay: Delay, by_chance: Delay) -> bool:
    error = hypot(delay.found_error, by_chance.found_error)
    return delay.found - by_chance.found > CLEAR_ERRORS * error


def _quantile(ordered: Floats, share: float, horizon: int) -> float | None:
    """The delay in which that share of the streams was found."""
    if ordered.size == 0:
        return None
    value = float(ordered[max(ceil(share * ordered.size) - 1, 0)])
    return value if value <= horizon else None


def _median_error(ordered: Floats, horizon: int) -> float:
    """Half the width between the order statistics one standard error to each side."""
    count = ordered.size
    middle, reach = 0.5 * count, 0.5 * sqrt(count)
    low = ordered[max(floor(middle - reach), 0)]
    high = ordered[min(ceil(middle + reach), count - 1)]
    return float(min(high, horizon) - min(low, horizon)) / 2.0
