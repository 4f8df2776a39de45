"""An instrument: what a point of its price is worth, and what a trade in it costs."""

from typing import Annotated, Literal

import msgspec

from engine.costs import CostSettings

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
AssetClass = Literal["equity", "future", "fx", "crypto"]

ACCOUNT_CURRENCY = "USD"


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tradable; a unit is a share, a contract, a unit of base currency, a coin.

    `tick_size` in price; `point_value`: what a move of 1.0 in price makes per unit, in `currency`,
    that of the quote. `commission_per_side` per unit in `currency`; `bps_per_side` of the price
    beside it; `slippage_ticks` per fill. `lot`: the smallest number of units, and its step.
    `margin`: the share of a position's value that it ties up. `session` as in `streams.session`.

    >>> es = Instrument("ES", "future", tick_size=0.25, point_value=50.0, commission_per_side=2.5)
    >>> es.costs().commission_per_side
    0.05
    """

    symbol: str
    asset_class: AssetClass = "equity"
    tick_size: Positive = 0.01
    point_value: Positive = 1.0
    commission_per_side: NotNegative = 0.0
    bps_per_side: NotNegative = 0.0
    slippage_ticks: NotNegative = 0.0
    session: str = "us_equity"
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3,5}$")] = ACCOUNT_CURRENCY
    lot: Positive = 1.0
    margin: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 1.0

    def costs(self) -> CostSettings:
        """Return the costs of one side in units of price, as the trade rule counts them."""
        return CostSettings(
            bps_per_side=self.bps_per_side,
            commission_per_side=self.commission_per_side / self.point_value,
            slippage_ticks=self.slippage_ticks,
            tick_size=self.tick_size,
        )

    @property
    def is_own_conversion(self) -> bool:
        """Whether its own price converts: the account's currency quoted in another, as USDJPY."""
        return plain_name(self.symbol) == ACCOUNT_CURRENCY + self.currency


def plain_name(symbol: str) -> str:
    """Return a pair without its provider's marks.

    >>> plain_name("usd/jpy"), plain_name("BTC-USD"), plain_name("EURUSD=X")
    ('USDJPY', 'BTCUSD', 'EURUSD')
    """
    return symbol.upper().removesuffix("=X").replace("/", "").replace("-", "")
