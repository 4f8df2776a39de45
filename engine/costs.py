"""What one side of a trade costs."""

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class CostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Costs of one side of a trade, per unit.

    price · bps / 10,000 + commission_per_side + slippage_ticks · tick_size, quote currency.
    """

    bps_per_side: NotNegative = 2.0
    commission_per_side: NotNegative = 0.0
    slippage_ticks: NotNegative = 0.0
    tick_size: Positive = 0.01
