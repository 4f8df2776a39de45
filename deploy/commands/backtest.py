"""`assay backtest`: the same strategies and scorer without a broker."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.config import RunSettings, check_run, load_run
from deploy.options import (
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    SetOption,
    StateOption,
)
from deploy.output import Output
from deploy.state import StateDir
from engine.settings import EXTERNAL
from streams.errors import ConfigError


def backtest(
    config: ConfigOption,
    assignments: SetOption = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Write trades, equity and a page here.", metavar="DIR"),
    ] = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Run strategies and scorer over bars, without a broker.

    Signals are scored by the models of ml.model_path; without one they pass through. Accepted
    ones share the capital of the run's portfolio. With ml_data_collection.enabled every signal
    and its outcome becomes a training sample. --output-dir gets trades, signals and equity as CSV
    and Parquet, and report.html, which opens offline.

    Example: assay backtest --config configs/equity_strategy_with_ml.yaml
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    from deploy.backtesting import backtest as simulate
    from deploy.backtesting import collect
    from deploy.figures import figures_of
    from deploy.first_models import seen_by_first_models
    from deploy.market_data import data_set_of
    from deploy.report import report_of
    from deploy.tally import Tally
    from streams.source import market_instants
    from trainers.database.location import name_of

    instants = list(market_instants(settings.data.source_settings()))
    tally = Tally(tuple(strategy.name for strategy in settings.strategies))
    for instant in instants:
        for event in instant:
            tally.take(event)
    state = StateDir(state_dir)
    if settings.ml_data_collection.enabled:
        state.make()
        data = data_set_of(instants, settings.data.source_settings())
        added = collect(instants, settings, state, tally, data)
        location = state.database(settings.ml_data_collection.db_path)
        output.say(f"{added} new training samples in {name_of(location)}")
    else:
        simulate(instants, settings, state, tally.take)
    figures = figures_of(tally)
    output.show(report_of(figures, f"backtest of {settings.name}"))
    for warning in seen_by_first_models(settings, instants[0][0].ts):
        output.say(warning)
    document: dict[str, object] = msgspec.structs.asdict(figures)
    if any(one.rule_name != EXTERNAL for one in settings.strategies):
        document |= _account(settings, state, output_dir, output)
    elif output_dir is not None:
        raise ConfigError("--output-dir needs a strategy that is not external, there is none")
    output.document(document)


def _account(
    settings: RunSettings, state: StateDir, output_dir: Path | None, output: Output
) -> dict[str, object]:
    """Show the portfolio and write its files; return what the document says of it."""
    from deploy.account_backtest import account_backtest, write_backtest
    from deploy.account_report import account_report

    found = account_backtest(settings, state)
    output.say("")
    output.show(account_report(found))
    files: list[str] = []
    if output_dir is not None:
        files = [str(path) for path in write_backtest(found, settings.name, output_dir)]
        output.say(f"written to {output_dir}: {', '.join(Path(file).name for file in files)}")
    return {"performance": found.performance, "files": files}
