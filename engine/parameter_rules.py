"""What the parameters of strategies have in common, and how those that contradict are refused.

>>> refuse_unless_less("fast_ma", 50, "slow_ma", 20)
Traceback (most recent call last):
    ...
ValueError: given with fast_ma below slow_ma (they were 50 and 20)
"""

from typing import Annotated

import msgspec

TREND_MA_MAX = 250

TrendBars = Annotated[int, msgspec.Meta(ge=0, le=TREND_MA_MAX, extra={"search": (20, 200)})]
"""Bars of the mean that a trade must go with: 0 (no trend filter) or 2 to TREND_MA_MAX."""
StopMultiple = Annotated[float, msgspec.Meta(ge=0.5, le=10.0, extra={"search": (1.5, 4.0)})]
"""Distance of the hard stop from the signal's close, in ATR(14)."""
HoldBars = Annotated[int, msgspec.Meta(ge=0, le=1000)]
"""Bars a position is held at most; 0: for as long as it takes."""


def refuse_one_bar_trend(trend_ma: int) -> None:
    """Raise ValueError for a mean of one bar, which no close stands above."""
    if trend_ma == 1:
        raise ValueError(f"trend_ma 0 (no trend filter) or 2 to {TREND_MA_MAX}")


def refuse_no_side(*, longs: bool, shorts: bool) -> None:
    """Raise ValueError where neither side is traded."""
    if not (longs or shorts):
        raise ValueError("given with longs or shorts (or both) true: it would never signal")


def refuse_unless_less(low_name: str, low: float, high_name: str, high: float) -> None:
    """Raise ValueError unless `low` is below `high`."""
    if not low < high:
        raise ValueError(f"given with {low_name} below {high_name} (they were {low} and {high})")
