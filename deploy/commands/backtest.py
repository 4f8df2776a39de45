"""`assay backtest`: the same strategies and scorer without a broker."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from deploy.config import RunSettings, check_run, load_run
from deploy.options import (
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    LedgerOption,
    SetOption,
    StateOption,
)
from deploy.output import Output
from deploy.state import StateDir
from engine.settings import EXTERNAL
from streams.errors import ConfigError

if TYPE_CHECKING:
    from trainers.research.portfolio_backtest import PortfolioBacktest


def backtest(
    config: ConfigOption,
    assignments: SetOption = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Write trades, equity and a page here.", metavar="DIR"),
    ] = None,
    ledger: LedgerOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Run strategies and scorer over bars, without a broker.

    Signals are scored by the models of ml.model_path; without one they pass through. Accepted
    ones share the capital of the run's portfolio. With ml_data_collection.enabled every signal
    and its outcome becomes a training sample. --output-dir gets trades, signals and equity as CSV
    and Parquet, and report.html, which opens offline. A backtest counts as a trial, and its Sharpe
    ratio is deflated by all that were tried on the same symbols.

    Example: assay backtest --config configs/equity_strategy_with_ml.yaml
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    from deploy.figures import figures_of
    from deploy.first_models import seen_by_first_models
    from deploy.report import report_of
    from deploy.research.account_backtest import make_folder
    from deploy.research.backtest_run import backtest_run
    from deploy.research.run_market import strategies_on_bars
    from trainers.database.location import name_of
    from trainers.research.backtest_trial import counted
    from trainers.research.trial_ledger import TrialLedger

    if output_dir is not None:
        if not strategies_on_bars(settings):
            raise ConfigError(
                f"--output-dir needs a strategy with a rule of its own on {settings.data.interval} "
                "bars, there is none"
            )
        make_folder(output_dir)
    state = StateDir(state_dir)
    found = backtest_run(settings, state)
    if found.added is not None:
        location = state.database(settings.ml_data_collection.db_path)
        output.say(f"{found.added} new training samples in {name_of(location)}")
    figures = figures_of(found.tally)
    output.show(report_of(figures, f"backtest of {settings.name}"))
    for warning in (*seen_by_first_models(settings, found.from_ts), *_of_other_bars(settings)):
        output.say(warning)
    document: dict[str, object] = msgspec.structs.asdict(figures)
    if found.account is not None:
        state.make()
        with TrialLedger(ledger or state.trials) as trials:
            account = counted(found.account, trials)
        document |= _account(account, settings.name, output_dir, output)
    output.document(document)


def _of_other_bars(settings: RunSettings) -> Iterator[str]:
    """Say of each strategy that waits for bars of an interval which the run has not."""
    for one in settings.strategies:
        if one.rule_name != EXTERNAL and one.interval != settings.data.interval:
            yield (
                f"{one.name} trades {one.interval} bars, the run reads those of "
                f"{settings.data.interval}: it made no signal"
            )


def _account(
    account: "PortfolioBacktest", name: str, output_dir: Path | None, output: Output
) -> dict[str, object]:
    """Show the portfolio and write its files; return what the document says of it."""
    from deploy.research.account_backtest import write_backtest
    from deploy.research.account_report import account_report, cost_notices, strategies_document

    output.say("")
    output.show(account_report(account))
    for notice in cost_notices(account):
        output.say(notice)
    files: list[str] = []
    if output_dir is not None:
        files = [str(path) for path in write_backtest(account, name, output_dir)]
        output.say(f"written to {output_dir}: {', '.join(Path(file).name for file in files)}")
    return {
        "performance": account.performance,
        "deflated_sharpe": account.deflated and account.deflated._asdict(),
        "portfolio": strategies_document(account),
        "files": files,
    }
