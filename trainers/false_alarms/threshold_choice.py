"""The threshold at which a detector keeps its share of the false-alarm budget, by simulation.

Streams of a sound model are run until the detector alarms. Chosen is the lowest threshold whose
mean run length is the target or longer, less SAFE_ERRORS Monte-Carlo errors. One path of an
e-detector's statistic tells the run lengths of all thresholds at once; a detector whose threshold
is a parameter of its own is made anew for each. A target that would take too many outcomes is
reached from a shorter one: run lengths grow by a power of an evidence, and exponentially with the
thresholds of the others.
"""

from collections.abc import Callable, Sequence
from math import log
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.detector import Named
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.run_length import RunLengths, run_lengths

SAFE_ERRORS = 1.64
OUTCOMES_MAX = 40_000_000
"""How many outcomes the choices for one e-detector may take: some seconds."""

FED_OUTCOMES_MAX = 1_000_000
"""The same, for one threshold of a detector that is fed outcome by outcome."""

FED_STREAMS_MAX = 64
PILOT_SHARE = 8
PILOT_STREAMS_MIN = 16
LENGTHS_MAX = 4.0
"""How many times its target a stream is watched: no model lives for longer, and one that was born
with the luck never to alarm does not make up for the others."""

WIDENINGS_MAX = 6
STEP = 1.2
STEPS_MAX = 24
HALVINGS = 3
FED_STREAMS_MIN = 8
NO_ALARM_LENGTHS = 5.0

PILOT, CHOICE = 0, 1
SIMULATED, EXTRAPOLATED, BY_BUDGET = "simulated", "extrapolated", "budget"

Floats = NDArray[np.float64]


class Choice(msgspec.Struct, frozen=True):
    """A detector's threshold.

    `target`: the mean number of outcomes to a false alarm that it is to have; `run_length`: what it
    has in the simulation that it was chosen by, with its Monte-Carlo error (None: not simulated, or
    no stream alarmed). `origin`: simulated; extrapolated from shorter run lengths; or budget, where
    nothing was simulated: the threshold without a calibration.
    """

    detector: str
    channel: str
    threshold: float
    target: float
    run_length: float | None
    error: float | None
    origin: str


class Search(NamedTuple):
    """What a choice is made from; `on_stream` is told of each of the `streams`.

    `outcomes_max`: about how many outcomes an e-detector's may take, at most.
    """

    profile: OutcomeProfile
    outcomes_max: int
    seed: int
    reference_outcomes: int
    streams: int
    on_stream: Callable[[], None]


def choose(text: str, named: Named, target: float, search: Search) -> Choice:
    """Return the threshold of a detector that the configuration calls `text`."""
    make = _of_evidence if named.module.HAS_BUDGET else _of_parameter
    threshold, length, error, is_far = make(named, target, search)
    if not named.module.HAS_BUDGET:
        # How many streams its tries take is not known before.
        for _ in range(search.streams):
            search.on_stream()
    return Choice(
        detector=text,
        channel=named.module.CHANNEL,
        threshold=_rounded_up(threshold),
        target=target,
        run_length=length if np.isfinite(length) else None,
        error=error if np.isfinite(error) else None,
        origin=EXTRAPOLATED if is_far else SIMULATED,
    )


class _Found(NamedTuple):
    threshold: float
    run_length: float
    error: float
    is_extrapolated: bool


def _of_evidence(named: Named, target: float, search: Search) -> _Found:
    reach = min(target, search.outcomes_max / (2.0 * search.streams))
    near = _near(named, reach, search)
    for _ in range(WIDENINGS_MAX):
        thresholds = np.geomspace(near / 2.5, near * 1.6, 128)
        lengths = _lengths(named, thresholds.tolist(), search, reach * LENGTHS_MAX)
        means, errors = lengths.means()
        keeps = np.flatnonzero(means - SAFE_ERRORS * errors >= reach)
        if keeps.size:
            break
        near = float(thresholds[-1]) * 1.5
    place = int(keeps[0]) if keeps.size else thresholds.size - 1
    chosen, mean, error = float(thresholds[place]), float(means[place]), float(errors[place])
    if np.isclose(reach, target):
        return _Found(chosen, mean, error, False)
    # Run lengths of a sound bet's evidence are proportional to the threshold, of others slower.
    power = log(means[place] / means[0]) / log(chosen / thresholds[0]) if place else 1.0
    factor = (target / reach) ** (1.0 / min(max(power, 0.1), 1.0))
    return _Found(chosen * factor, mean * target / reach, error * target / reach, True)


def _near(named: Named, reach: float, search: Search) -> float:
    """About the threshold whose run length is `reach`."""
    streams = max(PILOT_STREAMS_MIN, search.streams // PILOT_SHARE)
    thresholds = np.geomspace(reach / 50.0, reach * 4.0, 64)
    for _ in range(WIDENINGS_MAX):
        pilot = run_lengths(
            named,
            thresholds.tolist(),
            search.profile,
            (search.seed, PILOT),
            reference_outcomes=search.reference_outcomes,
            count=streams,
            limit=int(reach * LENGTHS_MAX),
        )
        means, _ = pilot.means()
        beyond = np.flatnonzero(means >= reach)
        if beyond.size:
            return float(thresholds[beyond[0]])
        thresholds = thresholds * (thresholds[-1] / thresholds[0])
    return float(thresholds[-1])


def _lengths(named: Named, thresholds: Sequence[float], search: Search, limit: float) -> RunLengths:
    return run_lengths(
        named,
        thresholds,
        search.profile,
        (search.seed, CHOICE),
        reference_outcomes=search.reference_outcomes,
        count=search.streams,
        limit=int(limit),
        on_stream=search.on_stream,
    )


def _of_parameter(named: Named, target: float, search: Search) -> _Found:
    tries = _Tries(named, target, search)
    start = named.default_threshold
    assert start is not None  # that of a detector without a budget
    low = high = start
    if tries.keeps(start):
        for _ in range(STEPS_MAX):
            low = high / STEP
            if not tries.keeps(low):
                break
            high = low
    else:
        for _ in range(STEPS_MAX):
            high = low * STEP
            if tries.keeps(high):
                break
            low = high
    for _ in range(HALVINGS if low < high else 0):
        middle = (low + high) / 2.0
        low, high = (low, middle) if tries.keeps(middle) else (middle, high)
    return tries.at(high)


class _Tries:
    """The run lengths of a detector at one threshold after the other, on the same streams."""

    def __init__(self, named: Named, target: float, search: Search) -> None:
        self._named = named
        self._target = target
        self._search = search
        self._count = min(FED_STREAMS_MAX, search.streams)
        self._reach = min(target, FED_OUTCOMES_MAX / (2.0 * self._count))
        self._made: dict[float, tuple[float, float]] = {}

    def keeps(self, threshold: float) -> bool:
        """Whether its false alarms are as rare as they are to be, on the safe side."""
        mean, error = self._length(threshold)
        return mean - (SAFE_ERRORS * error if np.isfinite(error) else 0.0) >= self._reach

    def at(self, threshold: float) -> _Found:
        """Return the threshold that keeps the target, given that this one keeps what was tried."""
        mean, error = self._length(threshold)
        if np.isclose(self._reach, self._target):
            return _Found(threshold, mean, error, False)
        self._length(threshold / STEP**2)
        known = [(t, *made) for t, made in self._made.items() if np.isfinite(made).all()]
        # Never slower than in proportion: what is tried differs by little more than chance.
        slope = 1.0 / threshold
        if len(known) > 1:
            tried, means, errors = np.array(known).T
            slope = max(slope, float(np.polyfit(tried, np.log(means), 1, w=means / errors)[0]))
        far = threshold + log(self._target / self._reach) / slope
        return _Found(far, float("inf"), float("inf"), True)

    def _length(self, threshold: float) -> tuple[float, float]:
        if threshold not in self._made:
            found = run_lengths(
                self._named,
                [threshold],
                self._search.profile,
                (self._search.seed, CHOICE),
                reference_outcomes=self._search.reference_outcomes,
                count=self._count,
                limit=int(2.0 * self._reach),
                is_enough=self._is_decided,
            )
            means, errors = found.means()
            self._made[threshold] = float(means[0]), float(errors[0])
        return self._made[threshold]

    def _is_decided(self, lengths: RunLengths) -> bool:
        if len(lengths) < FED_STREAMS_MIN:
            return False
        means, errors = lengths.means()
        if not np.isfinite(means[0]):
            return lengths.outcomes >= NO_ALARM_LENGTHS * self._reach
        return bool(abs(means[0] - self._reach) > 2.0 * SAFE_ERRORS * errors[0])


def _rounded_up(threshold: float) -> float:
    """Three digits, on the safe side: more would pretend to a precision that is not there."""
    digits = 2 - int(np.floor(np.log10(threshold)))
    scaled = np.ceil(round(threshold * 10.0**digits, 6)) / 10.0**digits
    return float(f"{scaled:.12g}")
