"""`assay drift`: the detectors there are, and thresholds that keep a false-alarm budget."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.options import DEFAULT_CONFIG, DEFAULT_STATE, JsonOption, SetOption, StateOption
from deploy.output import Output
from streams.errors import ConfigError

STREAMS_DEFAULT = 200
STREAMS_MIN = 20
STREAMS_MAX = 10_000
HORIZON_DEFAULT = 3_000
HORIZON_MIN, HORIZON_MAX = 100, 100_000
OUTPUT_SUFFIXES = (".yaml", ".yml")

app = typer.Typer(
    help="Drift detectors and their false-alarm budget.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunOption = Annotated[
    Path, typer.Option("--config", "-c", help="Run file (YAML), here or bundled.", metavar="FILE")
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="Only this one of the run's.", metavar="NAME")
]
BudgetOption = Annotated[
    float | None,
    typer.Option("--budget", help="Outcomes to one false alarm; else drift.budget.", metavar="N"),
]
StreamsOption = Annotated[
    int,
    typer.Option(min=STREAMS_MIN, max=STREAMS_MAX, help="Streams that are simulated.", metavar="K"),
]
HorizonOption = Annotated[
    int,
    typer.Option(
        min=HORIZON_MIN, max=HORIZON_MAX, help="Outcomes in which to find a drift.", metavar="N"
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the simulation.", metavar="S")]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="By what this one says, not what was stored.", metavar="PATH"),
]
AucOption = Annotated[
    float | None,
    typer.Option("--auc", help="Of a calibrated model that there is not yet.", metavar="A"),
]
BaseRateOption = Annotated[
    float | None, typer.Option("--base-rate", help="With --auc: share of wins.", metavar="P")
]
MonthlyOption = Annotated[
    float | None,
    typer.Option("--trades-per-month", help="With --auc: how many mature.", metavar="N"),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="YAML file to write.", metavar="FILE")
]


@app.callback()
def _group() -> None:
    """See the detectors, and calibrate their thresholds."""


@app.command(name="list")
def list_detectors(as_json: JsonOption = False) -> None:
    """List the drift detectors: what their alarm means, what they watch, how they are budgeted.

    Example: assay drift list
    """
    from deploy.tables import plain_table
    from engine.drift.detector import detector_names, load_detector

    output = Output(as_json=as_json)
    found = [_described(name, load_detector(name)) for name in detector_names()]
    table = plain_table()
    for column in ("detector", "channel", "streams", "threshold"):
        table.add_column(column, overflow="fold")
    for one in found:
        threshold = "of the budget"
        if not one["has_budget"]:
            defaults = one["default_thresholds"]
            threshold = ", ".join(f"{defaults[stream]:g}" for stream in one["streams"])
        table.add_row(one["name"], one["channel"], ", ".join(one["streams"]), threshold)
    output.show(table)
    output.say("\nin drift.detectors: by name, or with a stream that is not the first, name:stream")
    output.document({"detectors": found})


@app.command(name="calibrate")
def calibrate(
    config: RunOption = DEFAULT_CONFIG,
    strategy: StrategyOption = None,
    budget: BudgetOption = None,
    streams: StreamsOption = STREAMS_DEFAULT,
    horizon: HorizonOption = HORIZON_DEFAULT,
    seed: SeedOption = 0,
    model: ModelOption = None,
    auc: AucOption = None,
    base_rate: BaseRateOption = None,
    trades_per_month: MonthlyOption = None,
    target: OutputOption = None,
    assignments: SetOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Choose the thresholds of drift detectors, and say what they promise.

    By what the newest model said of its outcomes in the feature database; else what a model's
    file says of samples it was not trained on; else a learner out of fold; or --auc. Streams of
    outcomes are drawn from those probabilities, as many open together and as alike as they were,
    sound and drifting. All detectors on all strategies together are to alarm falsely once in
    the budget's outcomes of a strategy. The same seed gives the same answer.

    Exit status 1: nothing can be found, or it was stopped.

    Example: assay drift calibrate --strategy rsi2_mean_reversion --budget 10000
    """
    told = _told(auc, base_rate, trades_per_month, model)
    if target is not None and target.suffix not in OUTPUT_SUFFIXES:
        raise ConfigError(f"--output must end in .yaml or .yml, was {target}")
    import yaml

    from deploy.config import load_run
    from deploy.research.drift_calibration import Asked, calibrate_drift, write_config
    from deploy.research.drift_calibration_view import (
        all_sentences,
        calibration_progress,
        document_of,
        show,
    )
    from deploy.state import StateDir

    changes = list(assignments or ())
    if budget is not None:
        changes.append(f"drift.budget={yaml.safe_dump(budget).splitlines()[0]}")
    settings = load_run(config, changes)
    output = Output(as_json=as_json)
    asked = Asked(strategy, streams, horizon, seed, model, told)
    with calibration_progress(output.console) as tell:
        found = calibrate_drift(settings, StateDir(state_dir), asked, tell)
    show(found, horizon, output)
    document = document_of(found, horizon)
    if target is not None and found.study is not None:
        write_config(found, target, all_sentences(found, horizon))
        output.say(f"written: {target}")
        document["output"] = str(target)
    output.document(document)
    if not found.is_promise:
        raise typer.Exit(1)


def _told(
    auc: float | None, base_rate: float | None, per_month: float | None, model: Path | None
) -> Any:
    """Return the model that is told of; raises ConfigError for one that cannot be."""
    from deploy.research.drift_calibration import Told

    if auc is None:
        if base_rate is not None or per_month is not None:
            raise ConfigError("--base-rate and --trades-per-month describe a model: give --auc too")
        return None
    if model is not None:
        raise ConfigError("give --auc or --model, not both")
    if not 0.5 <= auc <= 0.99:
        raise ConfigError(f"--auc must be in [0.5, 0.99], was {auc}")
    if base_rate is not None and not 0.01 <= base_rate <= 0.99:
        raise ConfigError(f"--base-rate must be in [0.01, 0.99], was {base_rate}")
    if per_month is not None and not per_month > 0.0:
        raise ConfigError(f"--trades-per-month must be above 0, was {per_month}")
    return Told(auc, base_rate, per_month)


def _described(name: str, module: Any) -> dict[str, Any]:
    return {
        "name": name,
        "channel": module.CHANNEL,
        "streams": list(module.STREAMS),
        "has_budget": module.HAS_BUDGET,
        "is_clustered": module.CLUSTERED,
        "default_thresholds": module.DEFAULT_THRESHOLDS,
        "summary": module.__doc__.partition("\n\n")[0],
    }
