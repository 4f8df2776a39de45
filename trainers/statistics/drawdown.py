"""The deepest fall of an equity curve from a peak."""

import msgspec
import numpy as np

from trainers.statistics.equity_curve import DAY_NS, EquityCurve


class Drawdown(msgspec.Struct, frozen=True):
    """The maximum drawdown, the first of several that are equally deep.

    `depth` in [0, 1], the share of the peak that was lost. `peak_ts`, the last instant at the
    peak; `trough_ts`; `recovery_ts`, the first instant back at the peak, None where there is
    none yet; UTC nanoseconds, all None for a curve that never falls. `duration_days`: from the
    peak to the recovery, or to the end of the curve.
    """

    depth: float
    peak_ts: int | None = None
    trough_ts: int | None = None
    recovery_ts: int | None = None
    duration_days: float = 0.0


def maximum_drawdown(curve: EquityCurve) -> Drawdown:
    """Return the deepest drawdown of `curve`; a ruined curve's is 1."""
    values = curve.values
    peaks = np.maximum.accumulate(values)
    depths = 1.0 - values / peaks
    trough = int(depths.argmax())
    if depths[trough] <= 0.0:
        return Drawdown(0.0)
    peak = int(np.flatnonzero(values[:trough] == peaks[trough])[-1])
    back = np.flatnonzero(values[trough:] >= peaks[trough])
    recovery = trough + int(back[0]) if back.size else None
    end = len(curve) - 1 if recovery is None else recovery
    return Drawdown(
        depth=float(depths[trough]),
        peak_ts=int(curve.ts[peak]),
        trough_ts=int(curve.ts[trough]),
        recovery_ts=None if recovery is None else int(curve.ts[recovery]),
        duration_days=float(curve.ts[end] - curve.ts[peak]) / DAY_NS,
    )
