"""The default detectors on the outcomes of trained models: a slice of `bench_drift.py`, seeded."""

import functools
from statistics import median

import pytest

from engine.drift.drift_budget import watchers
from engine.drift.model_watch import ModelWatch
from engine.settings import DriftSettings
from streams.events import Outcome
from streams.layer_a import Drift
from tests.benchmarks.drift_streams import OutcomeRun, alarms_of, delay, drawn, trained
from trainers.challenger import Challenger

DEFAULT = DriftSettings()
DRIFT_AT = 600
MODELS, STREAMS = 2, 5


@functools.lru_cache
def models() -> tuple[Challenger, ...]:
    return tuple(trained(720_000 + seed) for seed in range(MODELS))


def delays(drift: Drift, outcomes_after: int) -> list[float]:
    found = []
    for number, model in enumerate(models()):
        for stream in range(STREAMS):
            run = drawn(
                model,
                730_000 + 100 * number + stream,
                DRIFT_AT + outcomes_after,
                drift=drift,
                drift_at=DRIFT_AT,
            )
            found.append(
                delay(alarms_of(run, DEFAULT, until_first_from=DRIFT_AT)["slope"], DRIFT_AT)
            )
    return found


def test_false_alarms_stay_near_the_budget():
    runs = [drawn(model, 740_000 + seed, 10_000) for seed, model in enumerate(models())]
    count = sum(len(found) for run in runs for found in alarms_of(run, DEFAULT).values())
    # 20,000 outcomes: the budget allows 2 on average.
    assert count <= 4


@pytest.mark.parametrize(("drift", "most"), [("FLIP", 200), ("DEAD", 650)])
def test_a_loss_of_skill_is_found_in_time(drift: Drift, most: int):
    assert median(delays(drift, 1_500)) <= most


def test_a_move_of_the_inputs_is_no_drift_of_the_ranking():
    assert sum(found <= 1_000 for found in delays("COV", 1_000)) <= 2


def test_overlapping_trades_that_move_together_raise_few_alarms():
    runs = [
        drawn(model, 750_000 + seed, 10_000, block=10, correlation=0.3)
        for seed, model in enumerate(models())
    ]
    count = sum(len(found) for run in runs for found in alarms_of(run, DEFAULT).values())
    # The target allows 4 on average.
    assert count <= 7


def watched(run: OutcomeRun, settings: DriftSettings) -> dict[str, list[int]]:
    """What the watch over a model says of the same outcomes."""
    watch = ModelWatch(watchers(settings, strategies=1), settings.reference_outcomes)
    found: dict[str, list[int]] = {name: [] for name in settings.detectors}
    for i in range(len(run)):
        outcome = Outcome(
            signal_id=f"s{i}",
            strategy="alpha",
            symbol="AAA",
            interval="1d",
            ts=run.ts[i],
            side=1,
            accepted=True,
            entry_ts=run.ts[i],
            exit_ts=run.exit_ts[i],
            entry_price=100.0,
            exit_price=101.0,
            y_return=0.01,
            r_multiple=1.0,
            y_pnl_gross=1.0,
            y_pnl_net=1.0,
            y_binary=run.outcome[i],
            exit_reason="signal",
            virtual=True,
            probability=run.probability[i],
            model="alpha-1",
        )
        for finding in watch.judge(outcome, run.probability[i]):
            if finding.is_alarm:
                found[finding.detector].append(run.number[i])
    return found


@pytest.mark.parametrize(
    ("drift", "block", "finder"), [("PRIOR", 1, "intercept"), ("FLIP", 10, "slope")]
)
def test_these_streams_go_through_the_detectors_as_the_watch_drives_them(
    drift: Drift, block: int, finder: str
):
    texts = ("slope", "intercept", "slope:error", "page_hinkley:brier", "ddm")
    settings = DriftSettings(detectors=texts, budget=200.0)
    run = drawn(
        models()[0], 760_000, 2_500, drift=drift, drift_at=1_000, block=block, correlation=0.3
    )
    alarms = alarms_of(run, settings)
    assert alarms == watched(run, settings)
    assert alarms[finder]
