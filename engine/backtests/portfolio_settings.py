"""How much capital there is, and how it is given to signals."""

from typing import Annotated

import msgspec


class PortfolioSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shared capital, in the account's currency.

    A position loses `risk_per_trade` of the equity at its stop; at most `max_positions` are held
    or about to be entered at once, one per symbol with `one_per_symbol`. What they tie up, their
    value times each instrument's margin, is at most `max_leverage` times the equity.
    """

    initial_capital: Annotated[float, msgspec.Meta(gt=0.0, le=1e15)] = 100_000.0
    risk_per_trade: Annotated[
        float, msgspec.Meta(gt=0.0, le=0.2, extra={"search": (0.005, 0.015)})
    ] = 0.01
    max_positions: Annotated[int, msgspec.Meta(ge=1, le=10_000, extra={"search": (4, 12)})] = 8
    max_leverage: Annotated[float, msgspec.Meta(gt=0.0, le=100.0)] = 1.0
    one_per_symbol: bool = True
