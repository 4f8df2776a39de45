"""`assay pipeline`: models of strategies, from bars to signed files and an account of each."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.options import (
    DEFAULT_STATE,
    JsonOption,
    LedgerOption,
    SetOption,
    StateOption,
    ledger_at,
)
from deploy.output import Output
from deploy.research.extraction_options import (
    DateOrderOption,
    DirOption,
    EndOption,
    IntervalOption,
    OverlapOption,
    ParamsOption,
    PathOption,
    RunFileOption,
    SessionOption,
    SourceOption,
    StampOption,
    StartOption,
    StrategyOption,
    SymbolOption,
    ValidationOption,
    VolumeOption,
    ZoneOption,
    data_keys,
    given,
)
from deploy.research.search_options import (
    EnsembleOption,
    LegacyOption,
    TrialsOption,
    WorkersOption,
    search_changes,
)

DEFAULT_OUTPUT = Path("models")

WinnersOption = Annotated[
    Path | None, typer.Option("--winners", help="Every winner of a winners.json.", metavar="FILE")
]
EachOption = Annotated[
    bool,
    typer.Option("--per-symbol", help="A model for each symbol, not one for all of a strategy's."),
]
ServedOption = Annotated[
    bool,
    typer.Option("--served", help="Train on the vectors that the stream served, of the database."),
]
OutputOption = Annotated[
    Path, typer.Option("--output-dir", help="Where models and reports go.", metavar="DIR")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Train again what is there already.")]


def pipeline(
    winners: WinnersOption = None,
    config: RunFileOption = None,
    strategy: StrategyOption = None,
    params: ParamsOption = None,
    symbol: SymbolOption = None,
    per_symbol: EachOption = False,
    served: ServedOption = False,
    n_trials: TrialsOption = None,
    no_ensemble: EnsembleOption = False,
    use_legacy_rf: LegacyOption = False,
    start: StartOption = None,
    end: EndOption = None,
    source: SourceOption = None,
    directory: DirOption = None,
    path: PathOption = None,
    interval: IntervalOption = None,
    session: SessionOption = None,
    timezone: ZoneOption = None,
    stamp: StampOption = None,
    validation: ValidationOption = None,
    date_order: DateOrderOption = None,
    volume: VolumeOption = None,
    overlapping: OverlapOption = None,
    output_dir: OutputOption = DEFAULT_OUTPUT,
    workers: WorkersOption = None,
    again: AgainOption = False,
    ledger: LedgerOption = None,
    assignments: SetOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Extract training data, search and train a model, and judge it on days kept sealed.

    For each of the winners, or of a run file's strategies. A model that the gate lets pass is
    written, signed, as {symbol}_{strategy}_ml_meta_labeling_final_model.onnx with its card, for
    ml.model_path; of every one, passed or not, a report and a summary are. One that fails does
    not stop the others. Stopped in whatever way, the same command goes on where it was.

    Exit status 1: no model passed the gate.

    Example: assay pipeline --winners winners.json --n-trials 50
    """
    from deploy.research.extraction_plan import Asked
    from deploy.research.pipelining import PipelineAsked, run_pipeline_command

    data = data_keys(symbol, date_order, volume, start=start, end=end, interval=interval)
    data |= given(source=source, dir=directory, path=path, stamp=stamp)
    data |= given(validation=validation, session=session, timezone=timezone)
    extraction = Asked(
        config=config,
        assignments=tuple(assignments or ()),
        strategy=strategy,
        params=params,
        winners=winners,
        data=data,
        overlapping=overlapping,
        to_database=False,
        from_record=served,
        winners_option="--winners",
    )
    changes = search_changes(n_trials, no_ensemble, use_legacy_rf, workers)
    asked = PipelineAsked(extraction, changes, per_symbol, served, again)
    output = Output(as_json=as_json)
    if not run_pipeline_command(asked, output_dir, ledger_at(ledger), state_dir, output):
        raise typer.Exit(1)
