"""Trades that are open together share a market: by day, what persists would look like skill."""

import numpy as np
import pytest

from tests.trainers.samples import dataset_of
from trainers.dataset import DAY_NS, Dataset
from trainers.gate import Window, judge
from trainers.settings import GateSettings

DAYS, A_DAY, HELD = 300, 2, 10
ROUNDS = 100


def held_for(days: float, count: int = 40) -> Dataset:
    data = dataset_of(np.zeros((count, 1)), np.zeros(count, dtype=np.int8), names=("f",))
    columns = {name: getattr(data, name) for name in data.__dataclass_fields__}
    return Dataset(**columns | {"exit_ts": data.ts + int(days * DAY_NS)})


@pytest.mark.parametrize(("held", "together"), [(0.0, 1), (0.3, 1), (1.0, 1), (1.5, 2), (5.0, 5)])
def test_as_many_days_are_one_cluster_as_trades_are_held(held: float, together: int):
    data = held_for(held)
    assert np.array_equal(data.stretches, data.days // together)


def test_no_trades_have_no_clusters():
    assert held_for(5.0).take(np.zeros(40, dtype=bool)).stretches.size == 0


def junk(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes of what the market does while they are held, and a feature that only persists."""
    rng = np.random.default_rng(seed)
    market = np.convolve(rng.standard_normal(DAYS + HELD), np.ones(HELD), "valid")[:DAYS]
    feature = np.zeros(DAYS)
    for day in range(1, DAYS):
        feature[day] = 0.9 * feature[day - 1] + rng.standard_normal()
    days = np.repeat(np.arange(DAYS), A_DAY)
    moved = market[days] / HELD**0.5 + rng.standard_normal(days.size)
    said = 1.0 / (1.0 + np.exp(-0.1 * feature[days]))
    return days, (moved > 0.0).astype(np.int8), said


def test_what_persists_and_knows_nothing_passes_no_more_often_than_it_may():
    passed = dict.fromkeys((1, HELD), 0)
    for seed in range(ROUNDS):
        days, y, said = junk(seed)
        null = np.full(y.size, y.mean())
        for together in passed:
            window = Window(y, np.where(y == 1, 1.0, -1.0), days // together)
            p = judge(window, said, null, None, GateSettings()).figures["p_value_vs_null"]
            passed[together] += p < 0.05
    assert passed[HELD] / ROUNDS <= 0.1 < passed[1] / ROUNDS
