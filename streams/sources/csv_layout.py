"""Where things stand in a CSV file: its separator, its header, its columns."""

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from streams.errors import DataError
from streams.sources.column_names import columns_of, plain_name

DELIMITERS = "\t;,"
# Lines above the header: an address, a name, a currency.
PREAMBLE_LINES_MAX = 5
HEAD_BYTES = 65_536

_VALUES = ("open", "high", "low", "close", "volume")
_STAMPED = ("stamp", *_VALUES)
_DATE_AND_TIME = ("date", "time", *_VALUES)
# By the number of columns. Binance's klines have twelve; a thirteenth would be another vendor's.
WITHOUT_HEADER = {6: _STAMPED, 7: _DATE_AND_TIME, 8: _DATE_AND_TIME, 12: _STAMPED}
# A first cell that says the time as well leaves the second to the open.
_WHOLE_STAMP = re.compile(r"^(\d{9,19}|.*\d{2}:\d{2}.*|\d{8} \d{4,6})$")


class Layout(NamedTuple):
    """How a file is read: `columns` maps our names to positions, `header` are theirs.

    `width` is how many fields its first row has.
    """

    delimiter: str
    header_lines: int
    columns: dict[str, int]
    header: tuple[str, ...]
    width: int


def text_of(file: Path) -> bytes:
    """Return the file as UTF-8, its lines ending in a line feed."""
    content = file.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", errors="replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    # Excel on a Mac ends lines with a carriage return alone.
    return content if b"\n" in content else content.replace(b"\r", b"\n")


def layout_of(content: bytes, file: str) -> Layout:
    """Return the layout of `content`. Raises DataError for one that is not known."""
    head = content[:HEAD_BYTES].decode(errors="replace")
    lines = [*head.splitlines()[: PREAMBLE_LINES_MAX + 3], "", "", ""]
    skipped = next((i for i, line in enumerate(lines) if _looks_whole(line)), 0)
    if skipped > PREAMBLE_LINES_MAX:
        skipped = 0
    lines = lines[skipped:]
    delimiter = max(DELIMITERS, key=lines[0].count)
    cells = [[cell.strip().strip('"') for cell in line.split(delimiter)] for line in lines[:3]]
    first = cells[0]
    if first[0][:1].isdigit():
        names = _names_without_header(first, skipped, file)
        return Layout(
            delimiter, skipped, {name: i for i, name in enumerate(names)}, tuple(names), len(first)
        )
    if first[0] == "Price" and cells[2][0].lower() in ("date", "datetime"):
        # yfinance writes field, ticker and index names on three lines.
        first = [cells[2][0], *first[1:]]
        return Layout(delimiter, skipped + 3, columns_of(first, file), tuple(first), len(first))
    return Layout(delimiter, skipped + 1, columns_of(first, file), tuple(first), len(first))


def _looks_whole(line: str) -> bool:
    """Whether a line is a header or a bar: at least a stamp and four prices."""
    delimiter = max(DELIMITERS, key=line.count)
    cells = line.split(delimiter)
    is_header = {"high", "low"} <= {plain_name(cell) for cell in cells}
    is_terse = {"h", "l"} <= {plain_name(cell) for cell in cells}
    return is_header or is_terse or (len(cells) > 4 and line.strip('" ')[:1].isdigit())


def _names_without_header(first: list[str], skipped: int, file: str) -> tuple[str, ...]:
    names = WITHOUT_HEADER.get(len(first))
    if names is None:
        raise DataError(
            f"{file} row {skipped + 1}: a file without a header has "
            f"{', '.join(map(str, WITHOUT_HEADER))} columns ({', '.join(_DATE_AND_TIME)}), "
            f"this one has {len(first)}"
        )
    return _STAMPED if _WHOLE_STAMP.match(first[0]) else names
