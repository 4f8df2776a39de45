"""What every threshold would have accepted, and what it would have earned."""

import msgspec

POINTS = 51


class ThresholdCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `POINTS` thresholds, ascending: probabilities that were told, at equal shares.

    `share` accepted; `mean_r` and `hit_rate` of the accepted; `utility_gain_r`, net R per signal
    of taking the accepted less taking all, and `utility_gain_error`, clustered by day, None
    where all is of one day. A threshold that is chosen here has been fitted to these outcomes.
    """

    threshold: tuple[float, ...]
    share: tuple[float, ...]
    mean_r: tuple[float, ...]
    hit_rate: tuple[float, ...]
    utility_gain_r: tuple[float, ...]
    utility_gain_error: tuple[float | None, ...]
