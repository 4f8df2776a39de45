"""`assay data`: are these bars fit to be used."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.config import DataSettings, load_run
from deploy.options import JsonOption, SetOption
from deploy.output import Output
from streams.strict import decode_strict

NOT_GOOD = 1

app = typer.Typer(help="Bars of your own.", no_args_is_help=True, rich_markup_mode=None)

DirOption = Annotated[
    str | None, typer.Option("--dir", help="A folder, one file per symbol.", metavar="DIR")
]
PathOption = Annotated[str | None, typer.Option("--path", help="One file.", metavar="FILE")]
SourceOption = Annotated[
    str | None, typer.Option(help="csv, parquet, folder, …; as the place tells.", metavar="NAME")
]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", help="Only this one; may be repeated.")
]
IntervalOption = Annotated[str | None, typer.Option(help="1d, 1h, 15m …", metavar="LENGTH")]
SessionOption = Annotated[
    str | None, typer.Option(help="us_equity, futures, fx or crypto.", metavar="NAME")
]
ZoneOption = Annotated[
    str | None, typer.Option("--timezone", help="Of stamps without one.", metavar="ZONE")
]
StampOption = Annotated[
    str | None, typer.Option(help="Whether stamps are a bar's start or close.", metavar="WHICH")
]
ValidationOption = Annotated[
    str | None, typer.Option(help="strict, repair or drop.", metavar="HOW")
]
DateOrderOption = Annotated[
    str | None, typer.Option("--date-order", help="Of 01/02/2020: mdy or dmy.", metavar="ORDER")
]
VolumeOption = Annotated[
    str | None, typer.Option(help="zero: bars without a volume have 0.", metavar="HOW")
]
RunFileOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Check the bars of a run file.", metavar="FILE"),
]


@app.callback()
def _group() -> None:
    """Look at bars before a command does."""


@app.command()
def check(
    config: RunFileOption = None,
    assignments: SetOption = None,
    source: SourceOption = None,
    directory: DirOption = None,
    path: PathOption = None,
    symbols: SymbolOption = None,
    interval: IntervalOption = None,
    session: SessionOption = None,
    timezone: ZoneOption = None,
    stamp: StampOption = None,
    validation: ValidationOption = None,
    date_order: DateOrderOption = None,
    volume: VolumeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check bars and tell of every fault and finding; exit code 1 when strict would refuse them.

    Faults make a bar unusable: values that are missing or impossible, a high below the low, a
    stamp that cannot be read, repeats, bars out of order. Findings may be true: gaps, outliers,
    identical bars in a row, no volume. Options win over the run file.

    Example: assay data check --dir bars --symbol ES --session futures
    """
    output = Output(as_json=as_json)
    given = {
        "source": source,
        "dir": directory,
        "path": path,
        "symbols": symbols,
        "interval": interval,
        "session": session,
        "timezone": timezone,
        "stamp": stamp,
        "validation": validation,
    }
    params = {"date_order": date_order, "volume": volume}
    data = _settings(config, assignments, _known(given), _known(params))
    from deploy.research.bar_report import bar_report
    from streams.source import check_bars

    settings = data.source_settings()
    report = check_bars(settings)
    place = settings.path or settings.dir or f"source {settings.kind}"
    output.show(bar_report(report, f"{settings.interval} bars of {place}"))
    output.document(report.as_document())
    if not report.is_clean:
        raise typer.Exit(NOT_GOOD)


def _known(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def _settings(
    config: Path | None,
    assignments: list[str] | None,
    given: dict[str, Any],
    params: dict[str, Any],
) -> DataSettings:
    """Return the run file's data section, or none, under what the options say."""
    import msgspec

    start = load_run(config, assignments or ()).data if config else DataSettings()
    tree = msgspec.to_builtins(start)
    if {"dir", "path"} & set(given):
        # Another place: neither the other kind of place nor its source go with it.
        tree |= {"dir": "", "path": "", "source": ""}
    tree |= given
    tree["params"] = {**start.params, **params}
    return decode_strict(tree, DataSettings, "assay data check")
