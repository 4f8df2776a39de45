"""`assay backtest`: the same strategies and scorer without a broker."""

from deploy.config import check_run, load_run
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

    Signals are scored by the models of ml.model_path; without one they pass through.
    With ml_data_collection.enabled every signal and its outcome becomes a training sample.

    Example: assay backtest --config configs/equity_strategy_with_ml.yaml
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    from deploy.backtesting import backtest as simulate
    from deploy.backtesting import collect
    from deploy.figures import figures_of
    from deploy.first_models import seen_by_first_models
    from deploy.report import report_of
    from deploy.tally import Tally
    from streams.source import market_instants

    instants = list(market_instants(settings.data.source_settings()))
    tally = Tally(tuple(strategy.name for strategy in settings.strategies))
    for instant in instants:
        for event in instant:
            tally.take(event)
    state = StateDir(state_dir)
    if settings.ml_data_collection.enabled:
        state.make()
        added = collect(instants, settings, state, tally)
        path = state.database(settings.ml_data_collection.db_path)
        output.say(f"{added} new training samples in {path}")
    else:
        simulate(instants, settings, state, tally.take)
    figures = figures_of(tally)
    output.show(report_of(figures, f"backtest of {settings.name}"))
    for warning in seen_by_first_models(settings, instants[0][0].ts):
        output.say(warning)
    output.document(figures)
