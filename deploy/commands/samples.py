"""`assay samples`: the training samples that were collected."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.options import DEFAULT_CONFIG, DEFAULT_STATE, JsonOption, SetOption, StateOption
from deploy.output import Output

DIGEST_CHARACTERS = 12

app = typer.Typer(
    help="The training samples collected.", no_args_is_help=True, rich_markup_mode=None
)

DatabaseOption = Annotated[
    str | None,
    typer.Option("--db", help="A file, or postgresql://host/database.", metavar="FILE|URL"),
]
RunOption = Annotated[
    Path,
    typer.Option("--config", "-c", help="Run file whose database is meant.", metavar="FILE"),
]


@app.callback()
def _group() -> None:
    """Look at the feature database, and write it to a file."""


@app.command(name="list")
def list_samples(
    db: DatabaseOption = None,
    config: RunOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """List how many samples there are of each strategy, source and parameter set, and their span.

    Example: assay samples list --config configs/quickstart.yaml
    """
    from deploy.research.sample_database import open_samples
    from trainers.database.sample_summary import summaries_of

    output = Output(as_json=as_json)
    with open_samples(db, config, assignments or (), state_dir) as database:
        found = summaries_of(database)
        title = database.title
    for one in found:
        params = "of unknown parameters"
        if one.params is not None:
            values = ", ".join(f"{key}={value}" for key, value in one.params["params"].items())
            params = f"of {one.params['kind']} {one.params_digest[:DIGEST_CHARACTERS]} ({values})"
        span = " to ".join(_day(ts) for ts in (one.from_ts, one.to_ts))
        output.say(
            f"{one.strategy}: {one.samples} {one.source} samples, {one.symbols} symbols, {span}, "
            f"{params}"
        )
    if not found:
        output.say(f"no samples in the {title}: assay train --accumulate collects some")
    output.document({"samples": found})


@app.command(name="export")
def export_samples(
    strategy: Annotated[str, typer.Option("--strategy", help="Whose samples.", metavar="NAME")],
    target: Annotated[
        Path, typer.Option("--output", "-o", help="Parquet file to write.", metavar="FILE")
    ],
    source: Annotated[
        str, typer.Option("--source", help="virtual, or real: the engine's own trades.")
    ] = "virtual",
    params: Annotated[
        str | None,
        typer.Option("--params", help="Digest of the parameters, or its start.", metavar="DIGEST"),
    ] = None,
    db: DatabaseOption = None,
    config: RunOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write a strategy's samples to a Parquet file: label, provenance, a column per feature.

    Without --params one sample of each signal: of several parameter sets the one that came last.

    Example: assay samples export --strategy rsi2_mean_reversion --output samples.parquet
    """
    from deploy.research.sample_database import full_digest, open_samples
    from trainers.database.sample_choice import SampleChoice
    from trainers.database.sample_export import export_samples as write_samples

    output = Output(as_json=as_json)
    with open_samples(db, config, assignments or (), state_dir) as database:
        digest = None if params is None else full_digest(database, strategy, source, params)
        choice = SampleChoice(strategy=strategy, source=source, params_digest=digest)
        written = write_samples(database, target, choice)
        others = database.count(strategy, source) - written
    output.say(f"{written} samples written to {target}")
    if others:
        output.say(f"    {others} more are of other parameters: see assay samples list, --params")
    output.document({"samples": written, "left_out": others, "output": str(target)})


def _day(ts: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}"
