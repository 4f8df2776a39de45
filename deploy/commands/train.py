"""`assay train`: samples from history, models from samples, and what a model is worth."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from deploy.config import RunSettings, check_run, load_run, require_collecting
from deploy.options import (
    DEFAULT_STATE,
    ChosenNatsOption,
    ConfigOption,
    JsonOption,
    LedgerOption,
    SetOption,
    StateOption,
    ledger_at,
)
from deploy.output import Output
from deploy.research.search_options import (
    EnsembleOption,
    LegacyOption,
    TrialsOption,
    WorkersOption,
    search_changes,
)
from deploy.state import StateDir
from streams.errors import ConfigError

AccumulateOption = Annotated[
    bool, typer.Option("--accumulate", help="Simulate the run's bars into samples.")
]
FitOption = Annotated[
    bool, typer.Option("--train", help="Train on the samples and let the gate decide.")
]
EvaluateOption = Annotated[
    bool, typer.Option("--evaluate", help="Judge the model on samples it was not trained on.")
]
FullOption = Annotated[
    bool, typer.Option("--full", help="Accumulate, search as assay pipeline does, and evaluate.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="Evaluate this one, not the run's own.", metavar="PATH"),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output-dir", help="Where --full writes, not the state's.", metavar="DIR"),
]
AgainOption = Annotated[bool, typer.Option("--again", help="--full trains what is there anew.")]


class Steps(NamedTuple):
    """What is to be done, in this order; `full` is the first, a search, and the last."""

    accumulate: bool
    fit: bool
    evaluate: bool
    full: bool


def train(
    config: ConfigOption,
    accumulate: AccumulateOption = False,
    fit: FitOption = False,
    evaluate: EvaluateOption = False,
    full: FullOption = False,
    model: ModelOption = None,
    n_trials: TrialsOption = None,
    no_ensemble: EnsembleOption = False,
    use_legacy_rf: LegacyOption = False,
    workers: WorkersOption = None,
    output_dir: OutputOption = None,
    again: AgainOption = False,
    ledger: LedgerOption = None,
    assignments: SetOption = None,
    nats: ChosenNatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Collect samples, train and judge models, on the vectors that the stream served.

    --train is quick: no search. With --nats the trainer of a running `assay up` does it, and a
    model that passes the gate comes into force there; without it the model is written to the
    state directory's models/, for ml.model_path. --full searches, and writes an account of the
    model beside it. --evaluate judges the model of ml.model_path, else the newest of models/.

    Exit status 1: no model passed the gate.

    Example: assay train --accumulate --train --config configs/quickstart.yaml
    """
    steps = Steps(accumulate, fit, evaluate, full)
    changes = search_changes(n_trials, no_ensemble, use_legacy_rf, workers)
    _check(steps, model, nats, is_searched=bool(changes) or again or output_dir is not None)
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    if accumulate or full:
        require_collecting(settings, "--accumulate" if accumulate else "--full")
    state = StateDir(state_dir.resolve())
    state.make()
    result: dict[str, Any] = {}
    passed: list[bool] = []
    if accumulate or full:
        result["samples_added"] = _accumulate(settings, state, output)
    if fit:
        result["models"], promoted = _fit(settings, state, nats, output)
        passed.append(promoted)
    if full:
        from deploy.research.full_training import FullAsked, train_fully

        given = tuple(assignments or ())
        asked = FullAsked(config, given, changes, output_dir, ledger_at(ledger), again)
        trained = train_fully(asked, settings, state, output)
        result |= {"pipeline": trained.accounts, "evaluations": trained.evaluations}
        passed.append(trained.is_any_fit)
    elif evaluate:
        result["evaluations"], promoted = _evaluate(settings, state, model, output)
        passed.append(promoted)
    output.document(result)
    if not all(passed):
        raise typer.Exit(1)


def _check(steps: Steps, model: Path | None, nats: str | None, *, is_searched: bool) -> None:
    """Raise ConfigError for options that make no sense together."""
    if not any(steps):
        raise ConfigError("choose what to do: --accumulate, --train, --evaluate or --full")
    if is_searched and not steps.full:
        raise ConfigError(
            "--n-trials, --no-ensemble, --use-legacy-rf, --workers, --output-dir and --again are "
            "those of a search: say --full"
        )
    if model is not None and (steps.full or not steps.evaluate):
        raise ConfigError("--model is what --evaluate judges: say that, and not --full")
    if nats is not None and (steps.evaluate or steps.full):
        raise ConfigError("--evaluate and --full are done here, not by a trainer: leave out --nats")


def _accumulate(settings: RunSettings, state: StateDir, output: Output) -> int:
    from deploy.research.accumulation import accumulate
    from trainers.database.location import name_of

    added = accumulate(settings, state)
    location = state.database(settings.ml_data_collection.db_path)
    output.say(f"{added} new training samples in {name_of(location)}")
    return added


def _fit(
    settings: RunSettings, state: StateDir, nats: str | None, output: Output
) -> tuple[Any, bool]:
    from deploy.research.training import train_here, train_there

    if nats is None:
        found = train_here(settings, state, output)
    else:
        found = train_there(settings, nats, output)
    return found, any(one.promoted for one in found)


def _evaluate(
    settings: RunSettings, state: StateDir, model: Path | None, output: Output
) -> tuple[Any, bool]:
    from deploy.research.evaluating import evaluate_models
    from deploy.research.evaluation_view import show_evaluation

    found, without = evaluate_models(settings, state, model)
    for one in found:
        show_evaluation(one, output)
    for name in without:
        output.say(f"{name}: there is no model, its signals pass through")
    return found, any(one.promoted for one in found)
