"""How many outcomes of a sound model pass until a detector alarms falsely: the run length."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.drift.detector import Named, Reference
from trainers.false_alarms.first_alarm import NEVER, FirstAlarm, first_alarm
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.simulated_outcomes import SimulatedOutcomes

BLOCK_MIN, BLOCK_MAX = 512, 8_192
"""Outcomes are drawn in blocks, each twice the one before: most alarms come early."""

Floats = NDArray[np.float64]


class MeanLength(NamedTuple):
    """A mean run length in outcomes, and its Monte-Carlo standard error."""

    outcomes: float
    error: float


class RunLengths:
    """Run lengths of so many streams at rising thresholds, in outcomes.

    `times` float64[k, j], and how long each stream was watched, float64[k]; a threshold that a
    stream did not reach by then has NaN.
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        self._times: list[Floats] = []
        self._watched: list[float] = []

    def __len__(self) -> int:
        return len(self._times)

    @property
    def outcomes(self) -> float:
        """How many outcomes were looked at."""
        return float(sum(self._watched))

    def add(self, times: NDArray[np.int64], watched: int) -> None:
        """Take one stream's alarms, NEVER where there was none in `watched` outcomes."""
        self._times.append(np.where(times == NEVER, np.nan, times.astype(np.float64)))
        self._watched.append(float(watched))

    def means(self) -> tuple[Floats, Floats]:
        """Return the mean run length at each threshold and its standard error, float64[j] each.

        Outcomes watched to an alarm; where no stream alarmed, inf. The error is over streams.
        """
        times = np.array(self._times)
        exposed = np.where(np.isnan(times), np.array(self._watched)[:, None], times)
        alarms = np.isfinite(times).astype(np.float64)
        count, total = len(self), alarms.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = exposed.sum(axis=0) / total
            # Of a ratio of sums: what each stream is off from it.
            off = (exposed - means * alarms) / total
            errors = np.sqrt((off**2).sum(axis=0) * count / max(count - 1, 1))
        never = total == 0.0
        return np.where(never, np.inf, means), np.where(never | (total < 2.0), np.inf, errors)


def streams(
    profile: OutcomeProfile, seeds: Sequence[int], reference_outcomes: int, count: int
) -> Iterator[tuple[SimulatedOutcomes, Reference]]:
    """Yield `count` streams of a sound model, each past its reference."""
    for number in range(count):
        outcomes = SimulatedOutcomes(profile, np.random.default_rng((*seeds, number)))
        rows = outcomes.skip(reference_outcomes)
        yield outcomes, Reference(profile.probability[rows].tolist())


def watch(
    outcomes: SimulatedOutcomes, alarms: Sequence[FirstAlarm], limit: int, *, until_any: bool
) -> int:
    """Feed detectors until all alarmed, or any, or `limit` outcomes passed; return how many did.

    What is fed in a block beyond an alarm is counted, but passed over by those that have alarmed.
    """
    passed, block = 0, BLOCK_MIN
    ended: Callable[[Iterator[bool]], bool] = any if until_any else all
    while passed < limit and not ended(one.is_over for one in alarms):
        drawn = outcomes.draw(min(block, limit - passed))
        passed, block = passed + drawn.rows.size, min(2 * block, BLOCK_MAX)
        for alarm in alarms:
            alarm.feed(drawn)
    return passed


def run_lengths(
    named: Named,
    thresholds: Sequence[float],
    profile: OutcomeProfile,
    seeds: Sequence[int],
    *,
    reference_outcomes: int,
    count: int,
    limit: int,
    on_stream: Callable[[], None] = lambda: None,
    is_enough: Callable[[RunLengths], bool] = lambda _: False,
) -> RunLengths:
    """Return the run lengths of a detector on `count` streams of at most `limit` outcomes."""
    found = RunLengths(thresholds)
    for outcomes, reference in streams(profile, seeds, reference_outcomes, count):
        alarm = first_alarm(named, thresholds, reference, profile.probability)
        passed = watch(outcomes, [alarm], limit, until_any=False)
        found.add(alarm.times, int(alarm.times[-1]) if alarm.is_over else passed)
        on_stream()
        if is_enough(found):
            break
    return found
