"""Which parameters a sweep tries: lists, points and seeded draws, without what contradicts."""

import pytest

from engine.search_range import SearchRange
from engine.strategy import load_strategy, strategy_names
from streams.errors import ConfigError
from trainers.sweeps.param_grid import decoded, grid_sets, random_sets

BREAKOUT = load_strategy("breakout")
CROSS = load_strategy("moving_average_cross")
NOTHING: dict = {"fixed": {}, "lists": {}}


def test_a_grid_is_every_combination_with_all_else_at_its_default():
    found = grid_sets(
        BREAKOUT, fixed={"exit_ma": 50}, lists={"trend_ma": [20, 100], "fast_clearance": [0, 0.01]}
    )
    tried = [(one["trend_ma"], one["fast_clearance"]) for one in found.sets]
    assert sorted(tried) == [(20, 0.0), (20, 0.01), (100, 0.0), (100, 0.01)]
    defaults = decoded(BREAKOUT, {"exit_ma": 50})
    for one in found.sets:
        assert one | {"trend_ma": 50, "fast_clearance": 0.0} == defaults
    assert found.refused == 0


def test_without_lists_there_is_one_set_of_defaults():
    assert grid_sets(BREAKOUT, **NOTHING).sets == (decoded(BREAKOUT, {}),)


def test_points_cut_the_declared_ranges_and_take_both_ends():
    space = BREAKOUT.search_space()
    found = grid_sets(BREAKOUT, fixed={"trend_ma": 50}, lists={"fast_clearance": [0.0]}, points=3)
    stop = space["hard_stop_atr_mult"]
    assert sorted({one["hard_stop_atr_mult"] for one in found.sets}) == [
        stop.low,
        (stop.low + stop.high) / 2,
        stop.high,
    ]
    assert {one["exit_ma"] for one in found.sets} == set(space["exit_ma"].choices)
    assert len(found.sets) == 3 * 2 * 3
    assert {one["trend_ma"] for one in found.sets} == {50}


def test_what_contradicts_itself_is_left_out_and_counted():
    fields = CROSS.params_type.__struct_fields__
    fast, slow = (name for name in fields if name in ("fast_ma", "slow_ma"))
    found = grid_sets(CROSS, fixed={}, lists={fast: [10, 60], slow: [50, 100]})
    assert [(one[fast], one[slow]) for one in found.sets] == [(10, 50), (10, 100), (60, 100)]
    assert found.refused == 1


def test_a_value_that_nothing_goes_with_is_an_error():
    with pytest.raises(ConfigError, match=r"hard_stop_atr_mult must be float <= 10\.0, was 99"):
        grid_sets(BREAKOUT, fixed={}, lists={"hard_stop_atr_mult": [2.0, 99]})
    with pytest.raises(ConfigError, match="was 99"):
        grid_sets(BREAKOUT, fixed={"hard_stop_atr_mult": 99}, lists={})
    with pytest.raises(ConfigError, match="exit_ma"):
        grid_sets(BREAKOUT, fixed={}, lists={"exit_ma": [[20], 50]})


@pytest.mark.parametrize("name", strategy_names())
def test_draws_are_different_allowed_and_the_same_for_a_seed(name):
    strategy = load_strategy(name)
    one, same, other = (
        random_sets(strategy, **NOTHING, draws=12, seed=seed).sets for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert len({tuple(found.items()) for found in one}) == len(one) == 12
    space = strategy.search_space()
    for found in one:
        assert found == decoded(strategy, found)
        assert all(is_within(space[key], found[key]) for key in space)
    # More draws go on from the same ones.
    assert random_sets(strategy, **NOTHING, draws=15, seed=1).sets[:12] == one


def is_within(one: SearchRange, value: object) -> bool:
    return value in one.choices if one.kind == "choice" else one.low <= value <= one.high


def test_a_small_space_gives_what_it_has():
    lists = {"exit_ma": [20, 50], "trend_ma": [20]}
    fixed = dict.fromkeys(("fast_clearance", "slow_clearance"), 0.01)
    fixed |= {"hard_stop_atr_mult": 2.0}
    found = random_sets(BREAKOUT, fixed=fixed, lists=lists, draws=9, seed=0)
    assert sorted(one["exit_ma"] for one in found.sets) == [20, 50]


@pytest.mark.parametrize(
    ("fixed", "lists", "told"),
    [
        ({}, {"exit_am": [20]}, "no parameter exit_am: did you mean exit_ma"),
        ({"exit_ma": 20}, {"exit_ma": [20]}, "given as fixed and as a list"),
        ({}, {"exit_ma": []}, "needs values, had none"),
        ({}, {"fast_clearance": [0.0] * 1000, "slow_clearance": [0.01] * 1000}, "1000000 combi"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(fixed, lists, told):
    with pytest.raises(ConfigError, match=told):
        grid_sets(BREAKOUT, fixed=fixed, lists=lists)


def test_points_draws_and_seeds_have_bounds():
    with pytest.raises(ConfigError, match="grid points must be 0 to"):
        grid_sets(BREAKOUT, **NOTHING, points=-1)
    with pytest.raises(ConfigError, match="random draws must be 1 to"):
        random_sets(BREAKOUT, **NOTHING, draws=0, seed=1)
    with pytest.raises(ConfigError, match="seed must be 0 or above"):
        random_sets(BREAKOUT, **NOTHING, draws=1, seed=-1)
