"""`assay sweep`: strategies × parameters × symbols into the research store."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.options import JsonOption, LedgerOption, SetOption, ledger_at
from deploy.output import Output

DbOption = Annotated[
    str, typer.Option("--db", help="Research store: a SQLite file or PostgreSQL URL.", metavar="DB")
]
_Names = list[str] | None


def sweep(
    db: DbOption,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Sweep file (YAML).", metavar="FILE")
    ] = None,
    strategy: Annotated[
        _Names, typer.Option(help="A strategy, or all; may be repeated.", metavar="NAME")
    ] = None,
    symbol: Annotated[
        _Names, typer.Option(help="A symbol; may be repeated. Default: all.", metavar="NAME")
    ] = None,
    grid: Annotated[
        int | None, typer.Option(help="Cut every declared range into K points.", metavar="K")
    ] = None,
    random: Annotated[
        int | None, typer.Option(help="Draw N sets of parameters instead.", metavar="N")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of --random.", metavar="N")] = None,
    param: Annotated[
        _Names, typer.Option(help="Values to try; may be repeated.", metavar="NAME=V1,V2")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First day.", metavar="DATE")] = None,
    end: Annotated[str | None, typer.Option(help="Last day.", metavar="DATE")] = None,
    objective: Annotated[
        str | None, typer.Option(help="What the best are ranked by.", metavar="NAME")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0: one per core.", metavar="N")
    ] = 0,
    ledger: LedgerOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try strategies with many parameters on every symbol, alone and all together.

    Each run is kept in the store as soon as it is done: stopped in whatever way, the same command
    goes on where it was. Every run counts as a trial, and the best is judged by all of them.

    Example: assay sweep --strategy rsi2_mean_reversion --param entry=5,10 --db research.db
    """
    output = Output(as_json=as_json)
    flags: dict[str, Any] = {
        "strategies": strategy,
        "data.symbols": symbol,
        "grid": grid,
        "random": random,
        "seed": seed,
        "data.start": start,
        "data.end": end,
        "objective": objective,
    }
    from deploy.research.sweep_file import load_sweep
    from deploy.research.sweeping import run_sweep

    given = {path: value for path, value in flags.items() if value is not None}
    file = load_sweep(config, given, param or (), assignments or (), os.environ)
    run_sweep(file, db, ledger_at(ledger), workers, output)
