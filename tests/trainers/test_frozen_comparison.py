"""Two frozen models are judged on what came after both, and on nothing else."""

import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset
from trainers.frozen_comparison import judge_frozen
from trainers.gate import NOT_BETTER_THAN_CHAMPION, PROMOTED, TOO_FEW_OUTCOMES
from trainers.settings import GateSettings

SETTINGS = GateSettings()
SAMPLES = layer_a_dataset(1_600, seed=3)
FIRST, SECOND = int(SAMPLES.ts[400]), int(SAMPLES.ts[700])


class Frozen:
    """Says σ(level + slope · the linear factors); silent where the first column is above `loud`."""

    version = "v"

    def __init__(self, frozen_ts: int, slope: float, loud: float = np.inf):
        self.learned_to_ts = frozen_ts
        self.frozen_ts, self._slope, self._loud = frozen_ts, slope, loud

    def probability(self, x):
        factors = 0.55 * x[:, 0] - 0.45 * x[:, 1] + 0.35 * x[:, 2] - 0.25 * x[:, 3]
        said = 1.0 / (1.0 + np.exp(0.2 - self._slope * factors.astype(np.float64)))
        return np.where(x[:, 0] > self._loud, np.nan, said)


GOOD, BAD = 0.78, -0.78


def test_the_better_of_two_replaces_the_other_and_not_the_other_way_round():
    good, bad = Frozen(FIRST, GOOD), Frozen(SECOND, BAD)
    verdict = judge_frozen(SAMPLES, good, bad, SETTINGS, threshold=0.5)
    assert (verdict.promoted, verdict.reason) == (True, PROMOTED)
    assert not judge_frozen(SAMPLES, bad, good, SETTINGS, threshold=0.5).promoted


def test_two_that_say_the_same_change_nothing():
    verdict = judge_frozen(SAMPLES, Frozen(0, GOOD), Frozen(0, GOOD), SETTINGS, threshold=None)
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_CHAMPION)


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_outcomes_that_either_could_have_learned_from_do_not_judge(order: tuple[int, int]):
    models = (Frozen(order[0], GOOD), Frozen(order[1], BAD))
    verdict = judge_frozen(SAMPLES, *models, SETTINGS, threshold=None)
    assert verdict.figures["gate_outcomes"] == (SAMPLES.ts > SECOND).sum()


def test_only_outcomes_from_the_opening_on_judge():
    opens_ts = int(SAMPLES.ts[1_200])
    models = (Frozen(FIRST, GOOD), Frozen(SECOND, BAD))
    verdict = judge_frozen(SAMPLES, *models, SETTINGS, threshold=None, opens_ts=opens_ts)
    assert verdict.figures["gate_outcomes"] == 400


def test_what_was_closed_before_is_the_null_model_and_later_outcomes_are_not():
    models = (Frozen(FIRST, GOOD), Frozen(SECOND, BAD))
    before = judge_frozen(SAMPLES, *models, SETTINGS, threshold=None)
    other = layer_a_dataset(1_600, seed=3)
    other.y[:600] = 1
    after = judge_frozen(other, *models, SETTINGS, threshold=None)
    names = ("log_loss_gain_vs_null", "gate_log_loss")
    changed = [before.figures[name] != after.figures[name] for name in names]
    assert changed == [True, False]


def test_a_silent_model_is_judged_as_the_null_model():
    mute, good = Frozen(0, GOOD, loud=-np.inf), Frozen(0, GOOD)
    verdict = judge_frozen(SAMPLES, mute, good, SETTINGS, threshold=None)
    assert verdict.figures["log_loss_gain_vs_null"] == 0.0
    assert judge_frozen(SAMPLES, good, mute, SETTINGS, threshold=None).promoted


@pytest.mark.parametrize("last", [1_599, 1_450])
def test_too_little_since_then_decides_nothing(last: int):
    late = Frozen(int(SAMPLES.ts[last]), GOOD)
    verdict = judge_frozen(SAMPLES, late, Frozen(0, BAD), SETTINGS, threshold=None)
    assert verdict.reason == TOO_FEW_OUTCOMES


def test_no_sample_at_all_is_no_accident():
    nothing = SAMPLES.take(np.arange(0))
    verdict = judge_frozen(nothing, Frozen(0, GOOD), Frozen(0, BAD), SETTINGS, threshold=0.5)
    assert verdict.reason == TOO_FEW_OUTCOMES


def test_every_look_has_a_smaller_level():
    models = (Frozen(FIRST, GOOD), Frozen(SECOND, BAD))
    levels = [
        judge_frozen(SAMPLES, *models, SETTINGS, threshold=None, challengers_before=k).figures[
            "alpha"
        ]
        for k in range(3)
    ]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == 3
