"""When a session closes, and what local time it is there.

    us_equity   16:00 New York        fx       17:00 New York
    futures     17:00 New York        crypto   the next 00:00 UTC

A daily bar is labelled with its session's date and known at that session's close. Early closes
are not modelled: a half day's bar is taken as known at the regular close, never before.
"""

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from streams.interval import DAY_NS, MINUTE_NS
from streams.strict import nearest

SECOND_NS = 1_000_000_000
HOUR_NS = 60 * MINUTE_NS

# No zone in use here changes its offset twice within this long.
_PROBE_S = 28 * 86_400
_END_S = (2**63 - 1) // SECOND_NS

Ints = NDArray[np.int64]

EQUITY = "us_equity"
_SESSIONS = {
    EQUITY: ("America/New_York", 16),
    "futures": ("America/New_York", 17),
    "fx": ("America/New_York", 17),
    "crypto": ("UTC", 24),
}


class Session:
    """A market's zone and its regular close, `close_ns` after local midnight."""

    def __init__(self, name: str, zone: str, close_ns: int) -> None:
        self.name = name
        self.zone = zone
        self.close_ns = close_ns
        self.is_around_the_clock = name != EQUITY
        starts, self._offsets = _offset_table(zone)
        self._starts_ns = [start * SECOND_NS for start in starts]
        self._starts_array = np.array(self._starts_ns, dtype=np.int64)
        self._offsets_array = np.array(self._offsets, dtype=np.float64)

    def utc_offset_seconds(self, ts_ns: int) -> float:
        """Return local time minus UTC at an instant, in seconds: -18000.0 in a New York winter.

        `ts_ns` is UTC nanoseconds since 1970; before that, the offset of 1970 is returned.
        """
        return self._offsets[max(bisect_right(self._starts_ns, ts_ns) - 1, 0)]

    def utc_offsets(self, ts_ns: Ints) -> NDArray[np.float64]:
        """Return `utc_offset_seconds` of int64 instants, float64 of the same shape."""
        found = np.searchsorted(self._starts_array, ts_ns, side="right") - 1
        offsets: NDArray[np.float64] = self._offsets_array[np.maximum(found, 0)]
        return offsets

    def daily_close_ns(self, date_ns: Ints) -> Ints:
        """Return the close instants (int64 UTC ns) of session dates.

        `date_ns` holds the dates as int64 ns of their 00:00 UTC. Raises DataError for a label
        that is not at 00:00.
        """
        dates = np.asarray(date_ns, dtype=np.int64)
        astray = dates[dates % DAY_NS != 0]
        if astray.size:
            was = np.datetime64(int(astray[0]), "ns")
            raise DataError(f"a session date must be stamped 00:00 UTC, was {was}")
        local = dates + self.close_ns
        # The first guess is hours off; offsets change at night, closes are by day.
        closes = local
        for _ in range(2):
            closes = local - (self.utc_offsets(closes) * SECOND_NS).astype(np.int64)
        return closes

    def session_date_ns(self, ts_ns: Ints, *, is_close: bool) -> Ints:
        """Return the session dates (int64 ns of their 00:00 UTC) in which instants lie.

        An instant at the very end of a session belongs to it when it `is_close` of a bar, and to
        the next session when it is a bar's start. Where trading goes on around the clock the next
        session begins at the close; for equities, at local midnight.
        """
        ts = np.asarray(ts_ns, dtype=np.int64)
        local = ts + (self.utc_offsets(ts) * SECOND_NS).astype(np.int64)
        until_midnight = DAY_NS - self.close_ns if self.is_around_the_clock else 0
        dates: Ints = (local + until_midnight - int(is_close)) // DAY_NS * DAY_NS
        return dates


def session_names() -> tuple[str, ...]:
    """Return the names of all sessions, sorted."""
    return tuple(sorted(_SESSIONS))


@lru_cache(maxsize=len(_SESSIONS))
def session(name: str) -> Session:
    """Return a session by its name. Raises ConfigError that names the nearest known one."""
    if name not in _SESSIONS:
        raise ConfigError(f"session {name!r} is not known{nearest(name, _SESSIONS)}")
    zone, close_hour = _SESSIONS[name]
    return Session(name, zone, close_hour * HOUR_NS)


@lru_cache(maxsize=len(_SESSIONS))
def _offset_table(zone: str) -> tuple[list[int], list[float]]:
    """Return when (UTC seconds) each offset of a zone begins, from 1970 on, and the offsets."""
    info = ZoneInfo(zone)
    starts, offsets = [0], [_offset_at(info, 0)]
    for probe in range(_PROBE_S, _END_S, _PROBE_S):
        offset = _offset_at(info, probe)
        if offset != offsets[-1]:
            before, after = probe - _PROBE_S, probe
            while after - before > 1:
                middle = (before + after) // 2
                if _offset_at(info, middle) == offset:
                    after = middle
                else:
                    before = middle
            starts.append(after)
            offsets.append(offset)
    return starts, offsets


def _offset_at(info: ZoneInfo, second: int) -> float:
    offset = datetime.fromtimestamp(second, UTC).astimezone(info).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0
