"""`assay backtest`: the same strategies and scorer without a broker."""

from deploy.config import check_strategies, load_run
from deploy.options import (
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    SetOption,
    StateOption,
)
from deploy.output import Output
from deploy.state import StateDir


def backtest(
    config: ConfigOption,
    assignments: SetOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Run strategies and scorer over bars, without a broker.

    With ml_data_collection.enabled every signal and its outcome becomes a training sample.

    Example: assay backtest --config configs/equity_strategy_with_ml.yaml
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_strategies(settings)
    from deploy.backtesting import backtest as simulate
    from deploy.backtesting import collect
    from deploy.figures import figures_of
    from deploy.report import report_of
    from deploy.tally import Tally
    from streams.source import bar_frames

    instants = list(bar_frames(settings.data.source_settings()))
    tally = Tally(tuple(strategy.name for strategy in settings.strategies))
    for instant in instants:
        for bar in instant:
            tally.take(bar)
    if settings.ml_data_collection.enabled:
        state = StateDir(state_dir)
        state.make()
        added = collect(instants, settings, state, tally)
        path = state.database(settings.ml_data_collection.db_path)
        output.say(f"{added} new training samples in {path}")
    else:
        simulate(instants, settings, tally.take)
    figures = figures_of(tally)
    output.show(report_of(figures, f"backtest of {settings.name}"))
    output.document(figures)
