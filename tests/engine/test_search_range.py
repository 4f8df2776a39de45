"""Where parameters are worth searching is read from their types."""

from typing import Annotated, Literal

import msgspec

from engine.search_range import SearchRange, search_ranges
from engine.strategy import load_strategy


def test_the_ranges_of_breakout_are_those_of_the_original_design():
    assert load_strategy("breakout").search_space() == {
        "hard_stop_atr_mult": SearchRange("hard_stop_atr_mult", "float", 1.5, 4.0),
        "exit_ma": SearchRange("exit_ma", "choice", 0, 0, (20, 50)),
        "fast_clearance": SearchRange("fast_clearance", "float", 0.0, 0.02),
        "slow_clearance": SearchRange("slow_clearance", "float", 0.005, 0.025),
        "trend_ma": SearchRange("trend_ma", "choice", 0, 0, (20, 50, 100)),
    }


def test_what_says_nothing_is_not_searched():
    class Params(msgspec.Struct):
        period: Annotated[int, msgspec.Meta(ge=2, extra={"search": (5, 40)})] = 20
        width: Annotated[float, msgspec.Meta(gt=0.0, extra={"unit": "ATR"})] = 2.0
        max_hold_bars: int = 0
        shorts: bool = False
        family: Literal["b", "a"] = "a"

    found = search_ranges(Params)
    assert list(found) == ["period", "family"]
    assert found["period"] == SearchRange("period", "int", 5, 40)
    assert isinstance(found["period"].low, int)
    assert found["family"].choices == ("a", "b")
