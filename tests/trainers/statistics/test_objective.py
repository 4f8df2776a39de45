"""What is maximised is always a number, and never better for being undefined."""

import numpy as np
import pytest

from streams.errors import ConfigError
from tests.trainers.statistics.curves import curve_of, curve_of_returns
from tests.trainers.statistics.test_performance import RETURNS, trades_of
from trainers.statistics.objective import (
    ALIASES,
    BEST,
    OBJECTIVES,
    TRADES_MIN,
    WORST,
    objective,
)
from trainers.statistics.performance import performance_of

TRADES = trades_of(*np.where(np.arange(TRADES_MIN) % 3, 60.0, -100.0))


@pytest.mark.parametrize("name", [*OBJECTIVES, *ALIASES])
def test_an_objective_is_its_figure(name: str):
    figures = performance_of(curve_of_returns(RETURNS), TRADES)
    assert objective(figures, name) == getattr(figures, ALIASES.get(name, name))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_too_few_trades_no_trades_and_ruin_are_worth_the_worst(name: str):
    few = trades_of(*TRADES.pnl_net[1:])
    assert objective(performance_of(curve_of_returns(RETURNS), few), name) == WORST
    assert objective(performance_of(curve_of(100, 100)), name, trades_min=0) == WORST
    assert objective(performance_of(curve_of(100, 900, -1), TRADES), name) == WORST


@pytest.mark.parametrize("name", ["profit_factor", "sortino_ratio", "calmar_ratio"])
def test_a_ratio_without_a_loss_to_divide_by_is_worth_the_best(name: str):
    gains = trades_of(*np.full(TRADES_MIN, 5.0))
    assert objective(performance_of(curve_of(100, 101, 103), gains), name) == BEST


def test_a_ratio_without_a_loss_nor_a_gain_is_worth_the_worst():
    nothing = trades_of(*np.zeros(TRADES_MIN))
    assert objective(performance_of(curve_of(100, 101), nothing), "profit_factor") == WORST


def test_freak_values_stay_within_the_bounds():
    steep = performance_of(curve_of(100, 130, 129.99, 200), TRADES)
    assert steep.calmar_ratio is not None
    assert steep.calmar_ratio > BEST
    assert objective(steep, "calmar") == BEST


def test_an_unknown_objective_is_told_the_nearest():
    with pytest.raises(ConfigError, match="'sharp' is unknown: did you mean sharpe"):
        objective(performance_of(curve_of(1, 2)), "sharp")
