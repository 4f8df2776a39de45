"""Bar intervals: `1m`, `15m`, `1h`, `4h`, `1d`.

>>> interval_ns("15m")
900000000000
>>> is_daily("1d")
True
"""

import re

from streams.errors import ConfigError

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS
DAILY = "1d"

_UNITS_NS = {"m": MINUTE_NS, "h": 60 * MINUTE_NS}
_INTRADAY = re.compile(r"([1-9]\d{0,3})([mh])")


def interval_ns(interval: str) -> int:
    """Return the length of `interval` in nanoseconds; an unknown one raises ConfigError."""
    if interval == DAILY:
        return DAY_NS
    found = _INTRADAY.fullmatch(interval)
    length = int(found.group(1)) * _UNITS_NS[found.group(2)] if found else 0
    if not 0 < length < DAY_NS:
        raise ConfigError(
            f"interval must be {DAILY}, or minutes or hours below a day such as 15m or 4h, "
            f"was {interval!r}"
        )
    return length


def is_daily(interval: str) -> bool:
    """Return whether a bar's stamp is a session date, not an instant."""
    return interval == DAILY
