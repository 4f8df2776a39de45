"""`assay optimize`: the parameters of a strategy and of its portfolio."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.options import ConfigOption, JsonOption, LedgerOption, SetOption, ledger_at
from deploy.output import Output
from streams.clock import SystemClock
from streams.errors import ConfigError
from trainers.optimiser.optimiser_settings import TRIALS_QUICK

DEFAULT_OUTPUT = Path("optimised")

StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="Which of the run's strategies.", metavar="NAME")
]
TrialsOption = Annotated[
    int | None, typer.Option("--trials", min=1, help="How many trials in all.", metavar="N")
]
QuickOption = Annotated[bool, typer.Option("--quick", help=f"{TRIALS_QUICK} trials.")]
ObjectiveOption = Annotated[
    str | None, typer.Option("--objective", help="What is maximised.", metavar="NAME")
]
OutputOption = Annotated[
    Path, typer.Option("--output-dir", help="Where the results go.", metavar="DIR")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Processes; 0: one per core.", metavar="N")
]
StorageOption = Annotated[
    str | None,
    typer.Option("--storage", help="SQLite file or PostgreSQL URL; default: in DIR.", metavar="DB"),
]
StudyOption = Annotated[
    str, typer.Option("--study", help="Name of the study in the storage.", metavar="NAME")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of the sampler.", metavar="S")
]
HoldoutStartOption = Annotated[
    str | None, typer.Option("--holdout-start", help="First sealed day.", metavar="DATE")
]
HoldoutFractionOption = Annotated[
    float | None,
    typer.Option("--holdout-fraction", help="Share of the days that is sealed.", metavar="F"),
]


def optimize(
    config: ConfigOption,
    strategy: StrategyOption = None,
    trials: TrialsOption = None,
    quick: QuickOption = False,
    objective: ObjectiveOption = None,
    output_dir: OutputOption = DEFAULT_OUTPUT,
    workers: WorkersOption = 1,
    storage: StorageOption = None,
    study: StudyOption = "",
    ledger: LedgerOption = None,
    seed: SeedOption = None,
    holdout_start: HoldoutStartOption = None,
    holdout_fraction: HoldoutFractionOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a strategy's parameters, and judge what was found.

    The days are cut into train, validation and a sealed holdout, which is opened once, for the
    one configuration that is chosen. Writes strategy_opt_TIME.json and a run file with the best
    parameters. Stopped in whatever way, the same command goes on where it was; run beside itself
    with one --storage, its processes share the trials. With one worker the same seed gives the
    same trials; with several they depend on which was faster.

    Exit status 1: there is no evidence of skill.

    Example: assay optimize --config configs/optimize_breakout.yaml --quick
    """
    if quick and trials is not None:
        raise ConfigError("give --quick or --trials, not both")
    if holdout_start is not None and holdout_fraction is not None:
        raise ConfigError("give --holdout-start or --holdout-fraction, not both")
    output = Output(as_json=as_json)
    flags: dict[str, Any] = {
        "objective": objective,
        "trials": TRIALS_QUICK if quick else trials,
        "seed": seed,
        "holdout_start": holdout_start,
        "holdout_fraction": holdout_fraction,
    }
    from deploy.research.optimising import load_optimisation, run_optimisation

    given = {name: value for name, value in flags.items() if value is not None}
    wanted = load_optimisation(config, strategy, given, assignments or (), os.environ)
    report = run_optimisation(
        wanted,
        output_dir=output_dir,
        storage=storage,
        ledger=ledger_at(ledger),
        study=study,
        workers=workers,
        clock=SystemClock(),
        output=output,
    )
    if not report.is_evidence:
        raise typer.Exit(1)
