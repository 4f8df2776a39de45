"""The thresholds by which a run keeps its false-alarm budget, and what they promise.

One set of thresholds for all strategies: for each detector the highest that any of them needs.
Thresholds are chosen on one set of streams and reported on others.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from engine.drift.detector import parse_detector
from engine.drift.drift_budget import mean_length, watchers
from engine.settings import DriftSettings
from trainers.false_alarms.delays import LAWS, Delay, DelayStudy, Watched
from trainers.false_alarms.first_alarm import NEVER, first_alarm
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.run_length import MeanLength, RunLengths, streams, watch
from trainers.false_alarms.threshold_choice import (
    BY_BUDGET,
    FED_OUTCOMES_MAX,
    LENGTHS_MAX,
    OUTCOMES_MAX,
    Choice,
    Search,
    choose,
)

REPORT = 2
REPORT_STREAMS_MIN = 10
FED_DELAY_STREAMS_MAX = 60
SKILL_MIN = 0.005
"""How far an AUC must be above one half for there to be anything to lose."""

CLUSTERS_MIN = 20
"""Fewer clusters of concurrent trades say nothing of how they move together."""

STAGES = ("thresholds", "false alarms", "delays")


class Progress(NamedTuple):
    """How far a study is: streams of one of STAGES."""

    stage: str
    done: int
    total: int


class StudySettings(NamedTuple):
    """What is studied: `strategies` are watched, each stream for `horizon` outcomes of drift."""

    drift: DriftSettings
    strategies: int
    streams: int
    horizon: int
    seed: int


class Promise(msgspec.Struct, frozen=True):
    """What the thresholds promise one strategy.

    `outcomes_to_false_alarm`: of a model that is sound, to the first false alarm of any detector of
    this strategy, with its Monte-Carlo error; None where none alarmed falsely, or it was not
    simulated. `false_alarm_streams`: on how many streams.
    """

    outcomes_to_false_alarm: float | None
    error: float | None
    false_alarm_streams: int
    delays: tuple[Delay, ...]


class BudgetStudy(msgspec.Struct, frozen=True):
    """`is_whole`: it was not stopped before its end."""

    choices: tuple[Choice, ...]
    promises: dict[str, Promise]
    is_whole: bool


def target_lengths(drift: DriftSettings, strategies: int) -> dict[str, float]:
    """Return the mean number of outcomes to a false alarm that each detector is to have.

    Together on all strategies they alarm falsely once in `drift.budget` outcomes of a strategy. A
    channel without a detector leaves its share to the other.
    """
    channels = {text: parse_detector(text).module.CHANNEL for text in drift.detectors}
    every = list(channels.values())
    return {
        text: mean_length(channel, every, drift, strategies) for text, channel in channels.items()
    }


def study_budget(
    profiles: Mapping[str, OutcomeProfile],
    settings: StudySettings,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> BudgetStudy:
    """Choose the thresholds for strategies of these profiles, and look what they promise.

    A KeyboardInterrupt ends it with what there is, unless no threshold has been chosen yet.
    """
    work = _Work(profiles, settings, on_progress)
    is_whole = True
    try:
        work.choose()
        work.measure_false_alarms()
        work.measure_delays()
    except KeyboardInterrupt:
        if not work.has_chosen:
            raise
        is_whole = False
    return BudgetStudy(work.choices(), work.promises(), is_whole)


class _Work:
    """What has been found so far."""

    def __init__(
        self,
        profiles: Mapping[str, OutcomeProfile],
        settings: StudySettings,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._profiles = dict(profiles)
        self._settings = settings
        self._tell = on_progress
        drift = settings.drift
        self._named = {text: parse_detector(text) for text in drift.detectors}
        self._targets = target_lengths(drift, settings.strategies)
        uncalibrated = msgspec.structs.replace(drift, thresholds={})
        self._by_budget = {one.name: one for one in watchers(uncalibrated, settings.strategies)}
        self._choices: dict[str, list[Choice]] = {text: [] for text in drift.detectors}
        self._lengths: dict[str, RunLengths] = {}
        self._studies: dict[str, DelayStudy] = {}

    @property
    def has_chosen(self) -> bool:
        return any(self._choices.values())

    def choose(self) -> None:
        settings = self._settings
        tick = self._ticker(STAGES[0], len(self._profiles) * len(self._named) * settings.streams)
        for profile in self._profiles.values():
            search = Search(
                profile=profile,
                outcomes_max=OUTCOMES_MAX // len(self._profiles),
                seed=settings.seed,
                reference_outcomes=settings.drift.reference_outcomes,
                streams=settings.streams,
                on_stream=tick,
            )
            for text, named in self._named.items():
                self._choices[text].append(choose(text, named, self._targets[text], search))

    def choices(self) -> tuple[Choice, ...]:
        """The chosen thresholds: the highest of all strategies, else that by the budget alone."""
        return tuple(
            max(found, key=lambda one: one.threshold) if found else self._uncalibrated(text)
            for text, found in self._choices.items()
        )

    def measure_false_alarms(self) -> None:
        settings, chosen = self._settings, self._chosen()
        expected = settings.drift.budget * settings.strategies
        most = FED_OUTCOMES_MAX if self._has_fed else OUTCOMES_MAX
        count = max(REPORT_STREAMS_MIN, min(settings.streams, int(most / expected)))
        limit = int(min(LENGTHS_MAX * expected, max(most / count, settings.horizon)))
        tick = self._ticker(STAGES[1], len(self._profiles) * count)
        for name, profile in self._profiles.items():
            lengths = self._lengths[name] = RunLengths([0.0])
            seeds = (settings.seed, REPORT)
            reference_outcomes = settings.drift.reference_outcomes
            for outcomes, reference in streams(profile, seeds, reference_outcomes, count):
                alarms = [
                    first_alarm(one.named, [one.threshold], reference, profile.probability)
                    for one in chosen.values()
                ]
                passed = watch(outcomes, alarms, limit, until_any=True)
                times = [int(one.times[0]) for one in alarms if one.times[0] != NEVER]
                first = min(times, default=NEVER)
                lengths.add(np.array([first]), first or passed)
                tick()

    def measure_delays(self) -> None:
        settings, chosen = self._settings, self._chosen()
        count = min(settings.streams, FED_DELAY_STREAMS_MAX) if self._has_fed else settings.streams
        tick = self._ticker(STAGES[2], len(self._profiles) * count * len(LAWS))
        for name, profile in self._profiles.items():
            self._studies[name] = DelayStudy(
                profile,
                chosen,
                seed=settings.seed,
                reference_outcomes=settings.drift.reference_outcomes,
                horizon=settings.horizon,
            )
            self._studies[name].run(count, tick)

    def promises(self) -> dict[str, Promise]:
        found = {}
        for name in self._profiles:
            lengths = self._lengths.get(name)
            length = _mean(lengths) if lengths is not None and len(lengths) else None
            study = self._studies.get(name)
            found[name] = Promise(
                outcomes_to_false_alarm=None if length is None else length.outcomes,
                error=None if length is None else length.error,
                false_alarm_streams=0 if lengths is None else len(lengths),
                delays=() if study is None else tuple(study.delays()),
            )
        return found

    @property
    def _has_fed(self) -> bool:
        return not all(one.module.HAS_BUDGET for one in self._named.values())

    def _chosen(self) -> dict[str, Watched]:
        return {
            one.detector: Watched(self._named[one.detector], one.threshold)
            for one in self.choices()
        }

    def _uncalibrated(self, text: str) -> Choice:
        watcher = self._by_budget[text]
        return Choice(
            text, watcher.channel, watcher.threshold, self._targets[text], None, None, BY_BUDGET
        )

    def _ticker(self, stage: str, total: int) -> Callable[[], None]:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            self._tell(Progress(stage, done, max(total, done)))

        return tick


def _mean(lengths: RunLengths) -> MeanLength | None:
    means, errors = lengths.means()
    if not np.isfinite(means[0]):
        return None
    return MeanLength(float(means[0]), float(errors[0]))


def nothing_to_find(profile: OutcomeProfile) -> str:
    """Return in words why there is nothing to simulate; empty where there is something."""
    if profile.promised_auc < 0.5 + SKILL_MIN:
        return (
            f"the model's probabilities promise an AUC of {profile.promised_auc:.3f}: it claims no "
            "skill, so no loss of it can be found"
        )
    clusters = profile.overlap.clusters
    if clusters and clusters < CLUSTERS_MIN:
        return (
            f"all {len(profile)} outcomes lie in {clusters} clusters of trades that were open "
            f"together, fewer than {CLUSTERS_MIN}: how far they move together cannot be told"
        )
    return ""
