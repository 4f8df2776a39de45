"""`assay pipeline`: models of strategies, from bars to signed files and an account of each."""

from pathlib import Path
from typing import Annotated, Any

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

DEFAULT_OUTPUT = Path("models")

WinnersOption = Annotated[
    Path | None, typer.Option("--winners", help="Every winner of a winners.json.", metavar="FILE")
]
RunFileOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Run file (YAML).", metavar="FILE")
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="A built-in strategy.", metavar="NAME")
]
ParamsOption = Annotated[
    str | None, typer.Option("--params", help="JSON, a Python dict, or @FILE.", metavar="TEXT")
]
SymbolOption = Annotated[
    list[str] | None,
    typer.Option("--symbol", help="Only this one; may be repeated.", metavar="NAME"),
]
EachOption = Annotated[
    bool,
    typer.Option("--per-symbol", help="A model for each symbol, not one for all of a strategy's."),
]
TrialsOption = Annotated[
    int | None,
    typer.Option("--n-trials", min=1, help="Of the search of each learner.", metavar="N"),
]
EnsembleOption = Annotated[
    bool, typer.Option("--no-ensemble", help="One learner in place of several.")
]
LegacyOption = Annotated[
    bool, typer.Option("--use-legacy-rf", help="A random forest, searched under CPCV.")
]
ServedOption = Annotated[
    bool,
    typer.Option("--served", help="Train on the vectors that the stream served, of the database."),
]
OutputOption = Annotated[
    Path, typer.Option("--output-dir", help="Where models and reports go.", metavar="DIR")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=0, help="At once; 0: one per core.", metavar="N")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Train again what is there already.")]


def pipeline(
    winners: WinnersOption = None,
    config: RunFileOption = None,
    strategy: StrategyOption = None,
    params: ParamsOption = None,
    symbol: SymbolOption = None,
    per_symbol: EachOption = False,
    n_trials: TrialsOption = None,
    no_ensemble: EnsembleOption = False,
    use_legacy_rf: LegacyOption = False,
    served: ServedOption = False,
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
    from deploy.extraction_plan import Asked
    from deploy.pipelining import PipelineAsked, run_pipeline_command

    changes: dict[str, Any] = {}
    if n_trials is not None:
        changes["trials"] = n_trials
    if no_ensemble:
        changes["ensemble"] = False
    if use_legacy_rf:
        changes["legacy_forest"] = True
    if workers is not None:
        changes["workers"] = workers
    symbols = list(dict.fromkeys(symbol or ()))
    asked = PipelineAsked(
        extraction=Asked(
            config=config,
            assignments=tuple(assignments or ()),
            strategy=strategy,
            params=params,
            winners=winners,
            data={"symbols": symbols} if symbols else {},
            to_database=False,
        ),
        changes=changes,
        per_symbol=per_symbol,
        served=served,
        again=again,
    )
    passed = run_pipeline_command(
        asked,
        folder=output_dir,
        ledger=ledger_at(ledger),
        state_dir=state_dir,
        output=Output(as_json=as_json),
    )
    if not passed:
        raise typer.Exit(1)
