"""What is promised of a model is what the drift watch then does to it, on Layer A."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from engine.drift.drift_budget import watchers
from engine.drift.model_watch import ModelWatch
from engine.settings import DriftSettings
from streams import layer_a
from streams.events import Outcome
from tests.trainers.false_alarms.profiles import DAY_NS, START_TS, spoken
from trainers.false_alarms.budget_study import BudgetStudy, StudySettings, study_budget
from trainers.false_alarms.delays import Delay
from trainers.false_alarms.outcome_profile import profile_of

BAYES_AUC = 0.70
BUDGET = 3_000.0
STREAMS = 24
DRIFT_AT = 1_000


class Trained:
    """A model of 3,000 samples, and its study by what it said of 3,000 others."""

    def __init__(self) -> None:
        law = layer_a.draw(np.random.default_rng(5), 6_000, bayes_auc=BAYES_AUC)
        self._model = LogisticRegression(C=0.02).fit(law.features[:3_000], law.outcome[:3_000])
        said = self.says(law.features[3_000:])
        drift = DriftSettings(budget=BUDGET)
        settings = StudySettings(drift, 1, streams=150, horizon=1_000, seed=0)
        profile = profile_of(spoken(said, law.outcome[3_000:]))
        self.study: BudgetStudy = study_budget({"alpha": profile}, settings)
        thresholds = {one.detector: one.threshold for one in self.study.choices}
        self.drift = DriftSettings(budget=BUDGET, thresholds=thresholds)

    def says(self, features: np.ndarray) -> np.ndarray:
        said: np.ndarray = self._model.predict_proba(features)[:, 1]
        return said

    def alarms(
        self, seed: int, drift: layer_a.Drift, count: int, drift_at: int, until: str = ""
    ) -> dict[str, list[int]]:
        """At which outcomes each detector alarms, as the watch has it; `until` one does."""
        law = layer_a.draw(
            np.random.default_rng((seed, 77)), count, bayes_auc=BAYES_AUC, drift=drift,
            drift_at=drift_at,
        )  # fmt: skip
        watch = ModelWatch(watchers(self.drift, 1), self.drift.reference_outcomes)
        found: dict[str, list[int]] = {name: [] for name in self.drift.detectors}
        said = self.says(law.features).tolist()
        for place, (p, y) in enumerate(zip(said, law.outcome.tolist(), strict=True)):
            for finding in watch.judge(outcome_of(place, y), p):
                if finding.is_alarm:
                    found[finding.detector].append(place + 1 - drift_at)
            if until and found[until]:
                break
        return found


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def outcome_of(place: int, y: int) -> Outcome:
    ts = START_TS + place * DAY_NS
    return Outcome(
        signal_id=f"s-{place}", strategy="alpha", symbol="A", interval="1d", ts=ts, side=1,
        accepted=True, entry_ts=ts, exit_ts=ts + DAY_NS, entry_price=1.0, exit_price=1.0,
        y_return=0.0, r_multiple=0.0, y_pnl_gross=0.0, y_pnl_net=0.0, y_binary=y,
        exit_reason="target", virtual=True, probability=0.5, model="m",
    )  # fmt: skip


def test_a_sound_model_raises_no_more_false_alarms_than_the_budget(trained: Trained):
    count = DRIFT_AT + 500
    alarms = sum(
        len(found)
        for seed in range(STREAMS)
        for found in trained.alarms(seed, "NONE", count, 0).values()
    )
    watched = STREAMS * (count - trained.drift.reference_outcomes)
    expected = watched / BUDGET
    assert alarms <= expected + 2.0 * np.sqrt(expected)
    # And the budget is made use of: detectors that never speak find nothing either.
    assert alarms >= 0.2 * expected


@pytest.mark.parametrize(("drift", "law"), [("FLIP", "reversal"), ("DEAD", "loss")])
def test_drifts_are_found_when_it_was_promised(trained: Trained, drift: layer_a.Drift, law: str):
    promised = promise_of(trained, law)
    first = []
    for seed in range(STREAMS):
        alarms = trained.alarms(seed, drift, DRIFT_AT + 600, DRIFT_AT, "slope")["slope"]
        if alarms and alarms[0] <= 0:
            continue
        first.append(alarms[0] if alarms else np.inf)
    assert len(first) > STREAMS / 2
    ordered = np.sort(first)
    middle, reach = len(first) / 2.0, np.sqrt(len(first))
    low, high = ordered[int(middle - reach)], ordered[int(np.ceil(middle + reach))]
    assert promised.median is not None
    assert promised.median_error is not None
    # Two Monte-Carlo errors on each side.
    assert low - 2.0 * promised.median_error <= promised.median
    assert promised.median <= high + 2.0 * promised.median_error


def promise_of(trained: Trained, law: str) -> Delay:
    delays = trained.study.promises["alpha"].delays
    return next(one for one in delays if (one.law, one.by) == (law, "slope"))
