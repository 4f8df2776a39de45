"""What a model's probabilities were worth counts what has matured, once, in the order of exits."""

import numpy as np
import pytest
from msgspec.structs import replace

from deploy.monitor import judged_outcomes
from deploy.monitor.judged_outcomes import NOTHING, JudgedOutcomes
from streams.events import Outcome, Progress
from tests.deploy.monitor.storied_run import DAY_NS, outcome, outcomes
from trainers.evaluation.figure import auc_figure


def vouched(ts: int) -> Progress:
    return Progress("labeller", 0, ts, 1)


def judged(events: list[Outcome], maturity_days: float = 0.0) -> JudgedOutcomes:
    found = JudgedOutcomes(maturity_days)
    for event in events:
        found.step(event)
    found.step(vouched(max(event.exit_ts for event in events) + int(maturity_days * DAY_NS)))
    return found


def test_the_figures_are_those_of_the_outcomes_with_errors_by_day():
    events = outcomes("alpha", 500, "m", skill=1.0, seed=5)
    scores = judged(events).scores("alpha", "m")
    y = np.array([event.y_binary for event in events], dtype=np.int8)
    p = np.array([event.probability for event in events])
    days = np.array([event.ts // DAY_NS for event in events])
    assert scores.outcomes == 500
    assert scores.auc == auc_figure(y, p, days)
    assert scores.auc.low is not None
    assert scores.auc.low > 0.5
    assert scores.expected == pytest.approx(p.mean())
    assert scores.miss.value == pytest.approx((y - p).mean())
    assert scores.ece is not None
    assert scores.ece_perfect_95 is not None
    # The probabilities mean what they say.
    assert scores.ece < scores.ece_perfect_95


def test_a_model_whose_ranking_is_reversed_is_seen():
    scores = judged(outcomes("alpha", 500, "m", skill=-1.0, seed=5)).scores("alpha", "m")
    assert scores.auc.high is not None
    assert scores.auc.high < 0.5
    assert scores.ece > scores.ece_perfect_95  # type: ignore[operator]


def test_one_outcome_is_told_as_one_without_an_interval():
    scores = judged([outcome("alpha", 0, 1, 0.6, "m")]).scores("alpha", "m")
    assert (scores.outcomes, scores.auc.value, scores.observed.value) == (1, None, 1.0)
    assert scores.miss.error is None


def test_nothing_is_judged_before_the_labeller_vouches_for_it_and_it_has_matured():
    events = outcomes("alpha", 40, "m", skill=1.0, seed=1)
    found = JudgedOutcomes(maturity_days=5.0)
    for event in events:
        found.step(event)
    assert found.scores("alpha", "m") == NOTHING
    # An outcome of day n exits on day n + 3 and is judged on day n + 5: four a day.
    found.step(vouched(events[0].ts + 7 * DAY_NS))
    assert found.scores("alpha", "m").outcomes == 9
    assert found.since("alpha", 0) == 9
    assert found.since("alpha", events[0].ts + 6 * DAY_NS) == 4


def test_real_trades_and_what_no_model_spoke_on_are_not_scored():
    told = outcome("alpha", 0, 1, 0.6, "m")
    events = [
        told,
        replace(told, signal_id="real", virtual=False),
        outcome("alpha", 1, 1, None, None),
        outcome("alpha", 2, 1, float("nan"), "m"),
    ]
    found = judged(events)
    assert found.scores("alpha", "m").outcomes == 1
    assert found.since("alpha", 0) == 3


def test_a_canary_is_scored_by_itself_and_is_not_the_model_that_speaks():
    canary = [
        replace(one, canary=True) for one in outcomes("alpha", 30, "canary", skill=1.0, seed=2)
    ]
    model = [replace(one, signal_id=f"m-{one.signal_id}") for one in canary]
    model = [replace(one, canary=False, model="m") for one in model]
    found = judged([*model, *canary])
    assert found.newest_model("alpha") == "m"
    assert found.newest_model("nobody") == ""
    assert found.scores("alpha", "canary").outcomes == 30


def test_memory_is_bounded_and_the_newest_are_kept(monkeypatch):
    monkeypatch.setattr(judged_outcomes, "MODELS_KEPT_MAX", 3)
    monkeypatch.setattr(judged_outcomes, "STRATEGIES_KEPT_MAX", 4)
    events = [outcome(f"s{n}", n, 1, 0.5, "m") for n in range(10)]
    found = judged(events)
    assert found.strategies == {"s6", "s7", "s8", "s9"}
    assert [found.scores(f"s{n}", "m").outcomes for n in range(10)] == [0] * 7 + [1] * 3
