"""`assay models`: the models in the registry."""

from typing import Annotated

import typer

from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from streams.errors import ConfigError

app = typer.Typer(help="The models in the registry.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Look at the registry of a running broker."""


@app.command(name="list")
def list_models(
    nats: NatsOption = None, state_dir: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """List the model in force of every scope: a strategy, or a strategy and a symbol.

    Example: assay models list --state-dir .assay
    """
    from deploy.model_shelf import models_in_force
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    models = run_loop(models_in_force(url_of(nats, StateDir(state_dir))))
    for model in models:
        output.say(f"{model.scope}: {model.version} ({model.digest[:12]})")
    if not models:
        output.say("no model is in force")
    output.document({"models": models})


@app.command(name="show")
def show_model(
    version: Annotated[str, typer.Argument(help="A version or digest, or the start of one.")],
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show the card of a model: features, training span, validation figures, calibration.

    Example: assay models show rsi2_mean_reversion-3f2a9c01d4e5
    """
    from deploy.model_shelf import card_of
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    found = run_loop(card_of(url_of(nats, StateDir(state_dir)), version))
    if found is None:
        raise ConfigError(f"no model in the registry is called {version!r}: see assay models list")
    for key, value in found.items():
        output.say(f"{key}: {value}")
    output.document(found)
