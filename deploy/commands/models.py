"""`assay models`: the models of the registry, as they stand and how they came there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands import model_changes
from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from deploy.terminal_text import one_line
from deploy.utc_time import utc_time
from streams.errors import ModelError

TEXT_SHOWN = 160
LIMIT_DEFAULT = 50

VersionArgument = Annotated[
    str, typer.Argument(help="A version or digest, or the start of one.", metavar="VERSION")
]
AgesOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Run file that says what age expires.", metavar="FILE"),
]

app = typer.Typer(help="The models in the registry.", no_args_is_help=True, rich_markup_mode=None)
for _name, _command in model_changes.COMMANDS.items():
    app.command(name=_name)(_command)


@app.callback()
def _group() -> None:
    """Look at the registry of a running broker, and decide what is in force."""


@app.command(name="list")
def list_models(
    config: AgesOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """List the model in force of every scope: a strategy, or a strategy and a symbol.

    Beside it: its age in event time, its canary, whether it is pinned, what a rollback brings
    back. With --config also whether it has expired by ml.max_age_days.

    Example: assay models list --state-dir .assay
    """
    from deploy.operations.model_shelf import models_in_force
    from deploy.operations.model_table import models_table
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    ages = _max_ages(config)
    models = run_loop(models_in_force(url_of(nats, StateDir(state_dir)), ages))
    if models:
        output.show(models_table(models))
    else:
        output.say("no model is in force")
    output.document({"models": models})


@app.command(name="show")
def show_model(
    version: VersionArgument,
    config: AgesOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show the card of a model: features, training span, validation figures, calibration.

    And what it is now: in force, canary, in the shadow, or what was before.

    Example: assay models show rsi2_mean_reversion-3f2a9c01d4e5
    """
    from deploy.operations.model_shelf import card_of
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    url = url_of(nats, StateDir(state_dir))
    found = run_loop(card_of(url, version, _max_ages(config)))
    if found is None:
        raise ModelError(
            f"the object store has no model {one_line(version, TEXT_SHOWN)!r} any more"
        )
    for key, value in found.items():
        output.say(f"{key}: {_shown(_readable(key, value))}")
    output.document(found)


@app.command(name="lineage")
def lineage(
    version: VersionArgument,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Tell where a model comes from: data, request, drift, verdict; and what came after it.

    Example: assay models lineage rsi2_mean_reversion-3f2a9c01d4e5 --json
    """
    from deploy.operations.lineage import lineage_of
    from deploy.operations.lineage_view import lineage_lines
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    url = url_of(nats, StateDir(state_dir))
    found = run_loop(model_changes.over_bus(url, lambda bus: lineage_of(bus, version)))
    for line in lineage_lines(found):
        output.say(one_line(line, TEXT_SHOWN * 2))
    output.document(found)


@app.command(name="log")
def log(
    strategy: Annotated[
        str | None, typer.Argument(help="One strategy; all without it.", metavar="STRATEGY")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="The newest so many.", metavar="N")
    ] = LIMIT_DEFAULT,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Tell who did what, when and why: people and the trainer, oldest first.

    Models promoted, kept and rolled back, canaries, pins, and policies. Times are the wall clock's.

    Example: assay models log rsi2_mean_reversion --limit 20
    """
    from deploy.operations.known_strategies import check_name
    from deploy.operations.operation_log import log_of_known
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    if strategy is not None:
        check_name(strategy)
    state = StateDir(state_dir)
    running = state.read_strategies() if nats is None else ()
    url = url_of(nats, state)
    entries = run_loop(
        model_changes.over_bus(url, lambda bus: log_of_known(bus, strategy, limit, running))
    )
    for one in entries:
        scope = one.strategy if one.symbol is None else f"{one.strategy} {one.symbol}"
        words = f"{one.time}  {scope}  {one.did} {one.version}  by {one.who}: {one.why}"
        told = f"{words} ({one.detail})" if one.detail else words
        output.say(one_line(told, TEXT_SHOWN * 2))
    if not entries:
        output.say("nothing was done yet")
    output.document({"entries": entries})


def _max_ages(config: Path | None) -> dict[str, float | None]:
    """Return `ml.max_age_days` by strategy of a run file, {} without one."""
    if config is None:
        return {}
    from deploy.config import load_run

    return {one.name: one.ml.max_age_days for one in load_run(config, ()).strategies}


def _readable(key: str, value: Any) -> Any:
    """Return `value` with its times, which JSON has as nanoseconds, as people read them."""
    if isinstance(value, dict):
        return {name: _readable(name, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(key, one) for one in value]
    return (utc_time(value) or "-") if key.endswith("_ts") else value


def _shown(value: Any) -> str:
    return one_line(str(value), 10_000)
