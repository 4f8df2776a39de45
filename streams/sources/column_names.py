"""Column names as vendors write them, to ours.

Case, blanks, underscores, angle brackets and a number in front (`1. open`) do not matter.

>>> columns_of(["Date/Time", "Open", "High", "Low", "Close", "Up", "Down"], "ES.csv")
{'stamp': 0, 'open': 1, 'high': 2, 'low': 3, 'close': 4, 'up': 5, 'down': 6}
"""

import re
from collections.abc import Sequence

from streams.errors import DataError
from streams.sources.table import PRICES

# The first alias that stands in a file is taken.
ALIASES = {
    "date": ("date", "dtyyyymmdd", "tradedate"),
    "time": ("time",),
    "stamp": (
        "datetime", "timestamp", "date/time", "opentime", "gmttime", "ts", "tsevent",
        "windowstart", "unix", "t", "indexlevel0",
    ),
    "symbol": ("symbol", "ticker"),
    "open": ("open", "o"),
    "high": ("high", "h", "max"),
    "low": ("low", "l", "min"),
    "close": ("close", "c", "close/last", "last", "settle", "price"),
    "volume": ("tickvol", "tickvolume", "volume", "vol", "vol.", "v"),
    "up": ("up",),
    "down": ("down",),
}  # fmt: skip
# Of a header that is none, a compressed file's say, no more than this is told.
HEADER_CHARS_TOLD_MAX = 200
# Headers such as `Volume BTC`.
_VOLUME_PREFIX = "volume"
_NUMBERED = re.compile(r"^\d+[a-z]?\.\s*")


def plain_name(cell: str) -> str:
    """Return a column's name without what does not matter."""
    name = _NUMBERED.sub("", cell.strip().strip('"').lower())
    return name.strip("<>").replace(" ", "").replace("_", "")


def columns_of(header: Sequence[str], file: str) -> dict[str, int]:
    """Return the position of each of our names in `header`.

    Volume may be missing; where it is, TradeStation's `Up` and `Down` stand for it. Raises
    DataError that names the file for a missing column, or one that is there twice.
    """
    plain = [plain_name(cell) for cell in header]
    found = {}
    for name, aliases in ALIASES.items():
        alias = next((alias for alias in aliases if alias in plain), None)
        if alias is None:
            continue
        if plain.count(alias) > 1:
            raise DataError(
                f"{file} has {plain.count(alias)} columns {header[plain.index(alias)]}: "
                "write one file per symbol, each column once"
            )
        found[name] = plain.index(alias)
    if not {"date", "time", "stamp"} & set(found):
        raise DataError(f"{file} needs a column Date, Time or Datetime, has {_told(header)}")
    for name in PRICES:
        if name not in found:
            raise DataError(f"{file} needs a column {name.title()}, has {_told(header)}")
    if "volume" not in found:
        more = [i for i, name in enumerate(plain) if name.startswith(_VOLUME_PREFIX)]
        if more:
            found["volume"] = more[0]
    if "volume" in found or not {"up", "down"} <= set(found):
        found.pop("up", None)
        found.pop("down", None)
    return found


def without_volume(header: Sequence[str], file: str) -> DataError:
    """Return the error of a file that has no column of volume."""
    return DataError(
        f"{file} needs a column Volume, has {_told(header)}: "
        "data.params.volume=zero reads it with a volume of 0"
    )


def _told(header: Sequence[str]) -> str:
    """Return the header for a message: printable, and no longer than a few lines."""
    text = ", ".join(header)
    shown = "".join(c if c.isprintable() else "?" for c in text[:HEADER_CHARS_TOLD_MAX])
    more = " …" if len(text) > HEADER_CHARS_TOLD_MAX else ""
    return f"{shown.strip()}{more}" or "none"
