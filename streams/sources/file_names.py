"""What the name of a file of bars says: the symbol, and perhaps the interval behind it.

>>> symbol_and_length("ES_1h")
('ES', 3600000000000)
>>> symbol_and_length("BRK.B")
('BRK.B', None)
"""

import re

from streams.interval import DAY_NS, MINUTE_NS

_SPLIT = re.compile(r"^(?P<symbol>.+?)(?:, |[_\-. ])(?P<interval>[A-Za-z0-9]+)$")
_WORDS_NS = {
    "daily": DAY_NS,
    "day": DAY_NS,
    "eod": DAY_NS,
    "hourly": 60 * MINUTE_NS,
    "weekly": 7 * DAY_NS,
    "monthly": 30 * DAY_NS,
    "mn1": 30 * DAY_NS,
    "mn": 30 * DAY_NS,
}
_UNITS_NS = {"m": MINUTE_NS, "h": 60 * MINUTE_NS, "d": DAY_NS, "w": 7 * DAY_NS}
_NUMBER_FIRST = re.compile(r"^(\d{1,4})(m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)$")
_LETTER_FIRST = re.compile(r"^([mhdw])(\d{1,4})$")


def symbol_and_length(stem: str) -> tuple[str, int | None]:
    """Return the symbol in a file's stem and the length in ns of the bars that it names."""
    found = _SPLIT.match(stem)
    length = _length_ns(found["interval"].lower()) if found else None
    return (found["symbol"], length) if found and length else (stem, None)


def _length_ns(word: str) -> int | None:
    if word in _WORDS_NS:
        return _WORDS_NS[word]
    found = _NUMBER_FIRST.match(word)
    if found:
        return int(found[1]) * _UNITS_NS[found[2][0]]
    found = _LETTER_FIRST.match(word)
    return int(found[2]) * _UNITS_NS[found[1]] if found else None
