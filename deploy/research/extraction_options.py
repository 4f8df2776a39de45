"""The options of commands that extract: which strategies, on which bars."""

from pathlib import Path
from typing import Annotated, Any

import typer

StrategyOption = Annotated[str | None, typer.Option(help="A built-in strategy.", metavar="NAME")]
SymbolOption = Annotated[
    list[str] | None, typer.Option(help="Only this one; may be repeated.", metavar="NAME")
]
ParamsOption = Annotated[
    str | None, typer.Option(help="Parameters: JSON, a Python dict, or @FILE.", metavar="TEXT")
]
RunFileOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Run file (YAML).", metavar="FILE")
]
StartOption = Annotated[str | None, typer.Option(help="First day of bars.", metavar="DATE")]
EndOption = Annotated[str | None, typer.Option(help="Last day of bars.", metavar="DATE")]
SourceOption = Annotated[str | None, typer.Option(help="A bar source.", metavar="NAME")]
DirOption = Annotated[
    str | None, typer.Option("--dir", help="A folder, one file per symbol.", metavar="DIR")
]
PathOption = Annotated[str | None, typer.Option(help="One file of bars.", metavar="FILE")]
IntervalOption = Annotated[str | None, typer.Option(help="1d, 1h, 15m …", metavar="LENGTH")]
SessionOption = Annotated[
    str | None, typer.Option(help="us_equity, futures, fx or crypto.", metavar="NAME")
]
ZoneOption = Annotated[str | None, typer.Option(help="Of stamps without one.", metavar="ZONE")]
StampOption = Annotated[
    str | None, typer.Option(help="Whether stamps are a bar's start or close.", metavar="WHICH")
]
ValidationOption = Annotated[
    str | None, typer.Option(help="Of faulty bars: strict, repair or drop.", metavar="HOW")
]
DateOrderOption = Annotated[
    str | None, typer.Option(help="Of 01/02/2020: mdy or dmy.", metavar="ORDER")
]
VolumeOption = Annotated[
    str | None, typer.Option(help="zero: bars without a volume have 0.", metavar="HOW")
]
OverlapOption = Annotated[
    bool | None,
    typer.Option("--overlapping/--one-at-a-time", help="Whether signals come in open trades."),
]


def given(**values: Any) -> dict[str, Any]:
    """Return the options that were given.

    >>> given(start="2020-01-01", end=None)
    {'start': '2020-01-01'}
    """
    return {name: value for name, value in values.items() if value is not None}


def data_keys(
    symbols: list[str] | None, date_order: str | None, volume: str | None, **keys: str | None
) -> dict[str, Any]:
    """Return what the options say of bars, as keys of DataSettings.

    >>> data_keys(["IBM", "IBM"], None, "zero", end=None)
    {'symbols': ['IBM'], 'params': {'volume': 'zero'}}
    """
    names = list(dict.fromkeys(symbols or ())) or None
    params = given(date_order=date_order, volume=volume) or None
    return given(symbols=names, params=params, **keys)
