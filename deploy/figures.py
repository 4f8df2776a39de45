"""The figures of a finished run, as plain values: what the report shows and `--json` prints."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from deploy.scenario import Truth
from deploy.tally import Judged, StrategyTally, Tally
from engine.drift.drift_budget import CALIBRATION, RANKING
from streams.events import Deployment, Drift
from trainers.metrics import auc_difference

NO_SKILL = "no skill here: the null model wins, strategy runs in observe"
NO_SKILL_PASSING = "no skill here: the null model wins, signals pass through unchanged"
TOO_LITTLE = "too little data to show skill: the null model stays"
SURE_ERRORS = 2.0
_DAY_NS = 86_400_000_000_000


class Cohort(msgspec.Struct, frozen=True):
    """A set of outcomes: the share with a net gain, and the mean R. None where there is none."""

    outcomes: int
    hit_rate: float | None
    mean_r: float | None


class Area(msgspec.Struct, frozen=True):
    """An AUC and its standard error, clustered by day, over `outcomes` with a probability."""

    outcomes: int
    auc: float | None
    standard_error: float | None


class Decision(msgspec.Struct, frozen=True):
    """What was decided on a model, when (event time), and the gate's figures."""

    decision: str
    version: str
    effective_ts: int
    why: str
    verdict: dict[str, object]


class StrategyFigures(msgspec.Struct, frozen=True):
    """One strategy's line of the report."""

    strategy: str
    signals: int
    accepted: int
    invalid: int
    modes: tuple[str, ...]
    policy: str
    all: Cohort
    accepted_only: Cohort
    area: Area
    drift_detected: int
    quiet_reviews: int
    models: tuple[Decision, ...]
    conclusion: str


class FlipFigures(msgspec.Struct, frozen=True):
    """What became of a planted reversal.

    `alarm_delay_outcomes` counts the outcomes of reversed signals that were known at the alarm,
    None without one. `swap`: the first model that came into force after it, `attempts` how many
    requests before that came to nothing. `before`: signals before the reversal; `after`: reversed
    ones, scored by a model from before the alarm; `recovered`: by a model from after it.
    """

    kind: str
    at_signal: int
    at_ts: int
    bayes_auc: float
    alarm_ts: int | None
    alarm_delay_outcomes: int | None
    false_alarms: int
    before: Area
    after: Area
    recovered: Area
    attempts: int = 0
    swap: Decision | None = None
    swap_delay_outcomes: int | None = None


class RunFigures(msgspec.Struct, frozen=True):
    """A whole run. Latency is from the raw signal's storing to the answer's, microseconds."""

    strategies: tuple[StrategyFigures, ...]
    bars: int
    bars_per_second: float
    signals_timed: int
    latency_us_p50: float | None
    latency_us_p99: float | None
    flip: FlipFigures | None = None


def figures_of(tally: Tally, truth: Truth | None = None) -> RunFigures:
    """Return the figures of everything that `tally` has counted, held against a known `truth`."""
    latencies = tally.latencies_us()
    p50, p99 = np.percentile(latencies, (50, 99)) if latencies.size else (None, None)
    return RunFigures(
        strategies=tuple(_of_strategy(name, s) for name, s in sorted(tally.strategies.items())),
        bars=tally.bars,
        bars_per_second=tally.bars_per_second(),
        signals_timed=int(latencies.size),
        latency_us_p50=None if p50 is None else float(p50),
        latency_us_p99=None if p99 is None else float(p99),
        flip=None if truth is None else flip_of(next(iter(tally.strategies.values())), truth),
    )


def flip_of(tally: StrategyTally, truth: Truth) -> FlipFigures:
    """Return how a strategy's models came through the reversal that `truth` planted."""
    detected = [drift.ts for drift in tally.drifts if _is_alarm(drift, RANKING)]
    alarm_ts = next((ts for ts in detected if ts >= truth.at_ts), None)
    judged = [outcome for outcome in tally.outcomes if not np.isnan(outcome.probability)]
    reversed_ = [outcome for outcome in judged if outcome.ts >= truth.at_ts]
    # A model that was known at the alarm is none that was made for it, kept as it may be after.
    decided = [deployment for _, deployment in tally.deployments]
    since_ts = np.inf if alarm_ts is None else alarm_ts
    known = {one.version for one in decided if one.effective_ts <= since_ts}
    newer = {one.version for one in decided} - known
    answers = [one for one in tally.deployments if one[1].effective_ts > since_ts]
    swaps = [number for number, (kind, _) in enumerate(answers) if kind == "deployed"]
    swap = answers[swaps[0]][1] if swaps else None
    return FlipFigures(
        kind=truth.kind,
        at_signal=truth.at_signal,
        at_ts=truth.at_ts,
        bayes_auc=truth.bayes_auc,
        alarm_ts=alarm_ts,
        alarm_delay_outcomes=None
        if alarm_ts is None
        else sum(outcome.exit_ts <= alarm_ts for outcome in reversed_),
        false_alarms=sum(ts < truth.at_ts for ts in detected),
        before=area_of([outcome for outcome in judged if outcome.ts < truth.at_ts]),
        after=area_of([outcome for outcome in reversed_ if outcome.model not in newer]),
        recovered=area_of([outcome for outcome in reversed_ if outcome.model in newer]),
        attempts=swaps[0] if swaps else len(answers),
        swap=None if swap is None else _decision("deployed", swap),
        swap_delay_outcomes=None
        if swap is None
        else sum(outcome.exit_ts <= swap.effective_ts for outcome in reversed_),
    )


def _is_alarm(drift: Drift, *channels: str) -> bool:
    return drift.level == "detected" and drift.channel in channels


def cohort_of(outcomes: Sequence[Judged]) -> Cohort:
    """Return hit rate and mean R of `outcomes`."""
    if not outcomes:
        return Cohort(0, None, None)
    return Cohort(
        outcomes=len(outcomes),
        hit_rate=float(np.mean([outcome.y for outcome in outcomes])),
        mean_r=float(np.mean([outcome.r_multiple for outcome in outcomes])),
    )


def area_of(outcomes: Sequence[Judged]) -> Area:
    """Return the AUC of the probabilities that were given, clustered by the day of the signal."""
    judged = [outcome for outcome in outcomes if not np.isnan(outcome.probability)]
    y: NDArray[np.int8] = np.array([outcome.y for outcome in judged], dtype=np.int8)
    if not judged or y.min() == y.max():
        return Area(len(judged), None, None)
    probability = np.array([outcome.probability for outcome in judged])
    days = np.array([outcome.ts for outcome in judged], dtype=np.int64) // _DAY_NS
    over_half = auc_difference(y, probability, np.zeros(len(judged)), days)
    error = over_half.error
    return Area(len(judged), 0.5 + over_half.value, error if np.isfinite(error) else None)


def _of_strategy(name: str, tally: StrategyTally) -> StrategyFigures:
    area = area_of(tally.outcomes)
    return StrategyFigures(
        strategy=name,
        signals=tally.signals,
        accepted=tally.accepted,
        invalid=tally.invalid,
        modes=tuple(sorted(tally.modes)),
        policy=tally.policy,
        all=cohort_of(tally.outcomes),
        accepted_only=cohort_of([outcome for outcome in tally.outcomes if outcome.accepted]),
        area=area,
        drift_detected=sum(_is_alarm(drift, RANKING, CALIBRATION) for drift in tally.drifts),
        quiet_reviews=tally.quiet_reviews,
        models=tuple(_decision(kind, deployment) for kind, deployment in tally.deployments),
        conclusion=_conclusion(tally, area),
    )


def _decision(kind: str, deployment: Deployment) -> Decision:
    verdict = deployment.verdict
    return Decision(
        decision=kind,
        version=deployment.version,
        effective_ts=deployment.effective_ts,
        why=str(verdict.get("why", verdict.get("reason", ""))),
        verdict=verdict,
    )


def _conclusion(tally: StrategyTally, area: Area) -> str:
    """Say in one sentence what the models were worth."""
    is_deployed = any(kind == "deployed" for kind, _ in tally.deployments)
    # A model of ml.model_path speaks without a deployment.
    if not (is_deployed or area.outcomes):
        return _without_model(tally)
    if tally.policy == "observe":
        return "the model in force lost its skill: strategy runs in observe"
    if area.auc is None or area.standard_error is None:
        return "a model scored, and there are too few outcomes to judge it"
    if area.standard_error == 0.0:
        return "no skill shown in this run: the model gave every signal the same probability"
    distance = (area.auc - 0.5) / area.standard_error
    if distance >= SURE_ERRORS:
        return f"the probabilities rank outcomes: AUC is {distance:.1f} SE above 0.5"
    if distance <= -SURE_ERRORS:
        return f"the probabilities mislead: AUC is {-distance:.1f} SE below 0.5"
    return f"no skill shown in this run: AUC is within {abs(distance):.1f} SE of 0.5"


def _without_model(tally: StrategyTally) -> str:
    if not tally.deployments:
        return "no model was trained: signals pass through unchanged"
    last = _decision(*tally.deployments[-1])
    is_judged = last.why == "not_better_than_null"
    if tally.policy == "observe":
        return NO_SKILL if is_judged else f"{TOO_LITTLE}, strategy runs in observe"
    return NO_SKILL_PASSING if is_judged else f"{TOO_LITTLE}, signals pass through unchanged"
