"""Where bars come from, as configuration: what every bar source is given."""

import datetime
from typing import Annotated, Any, Literal

import msgspec


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where bars come from.

    `path` is one file, `dir` a folder with one file per symbol, named after it. `symbols` keeps
    only those (empty: all). `session` says when a daily bar is known. `timezone` is that of
    stamps with a time of day and without a zone, `stamp` whether they mark a bar's start or its
    close. Bars that close after `start` 00:00 UTC and not after the end of day `end` are kept.
    `params` are the source's own. `validation` says what becomes of bars that cannot be used:
    strict refuses the first, drop leaves them out, repair mends what needs no price to be made up
    and leaves out the rest (see `streams/sources/faults.py`).
    """

    kind: str = "sample"
    path: str = ""
    dir: str = ""
    symbols: tuple[str, ...] = ()
    interval: Annotated[str, msgspec.Meta(pattern="^([1-9][0-9]{0,3}[mh]|1d)$")] = "1d"
    session: str = "us_equity"
    timezone: str = "UTC"
    stamp: Literal["start", "close"] = "start"
    start: datetime.date | None = None
    end: datetime.date | None = None
    params: dict[str, Any] = {}
    validation: Literal["strict", "repair", "drop"] = "strict"
