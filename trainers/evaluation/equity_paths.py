"""Cumulative R as trades are left: all of them, the accepted, and as many drawn at random."""

import msgspec

POINTS_MAX = 400
RANDOM_DRAWS = 200


class EquityPaths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cumulative net R, of one unit of risk per trade, at `exit_ts` (UTC ns, ascending).

    `random_*` are the mean and the 5 and 95 % points of `draws` seeded draws of as many signals
    as were accepted. `share_of_random_below`: the share of the draws that end below `accepted`,
    those that end level counting half; None where every signal or none is accepted, for then
    they all are the same.
    """

    exit_ts: tuple[int, ...]
    everything: tuple[float, ...]
    accepted: tuple[float, ...]
    random_mean: tuple[float, ...]
    random_low: tuple[float, ...]
    random_high: tuple[float, ...]
    draws: int
    share_of_random_below: float | None
