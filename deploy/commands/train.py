"""`assay train`: samples from history, and models from samples."""

from typing import Annotated

import typer

from deploy.config import RunSettings, check_run, load_run, require_collecting
from deploy.options import (
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    NatsOption,
    SetOption,
    StateOption,
)
from deploy.output import Output
from deploy.state import StateDir
from streams.errors import ConfigError


def train(
    config: ConfigOption,
    accumulate: Annotated[
        bool, typer.Option("--accumulate", help="Simulate the run's bars into samples.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--train", help="Train on the samples and let the gate decide.")
    ] = False,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Collect samples, train and judge models.

    With --nats the trainer of a running `assay up` is asked, and a model that passes the gate
    comes into force there. Without it the model is written to the state directory's models/,
    for ml.model_path.

    Exit status 1: no model passed the gate.

    Example: assay train --accumulate --train --config configs/quickstart.yaml
    """
    if not (accumulate or fit):
        raise ConfigError("choose what to do: --accumulate, --train, or both")
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    if accumulate:
        require_collecting(settings, "--accumulate")
    state = StateDir(state_dir.resolve())
    state.make()
    result: dict[str, object] = {}
    if accumulate:
        result["samples_added"] = _accumulate(settings, state, output)
    if fit:
        from deploy.training import train_here, train_there

        results = (
            train_here(settings, state, output)
            if nats is None
            else train_there(settings, nats, output)
        )
        result["models"] = results
    output.document(result)
    if fit and not any(found.promoted for found in results):
        raise typer.Exit(1)


def _accumulate(settings: RunSettings, state: StateDir, output: Output) -> int:
    from deploy.accumulation import accumulate
    from trainers.database.location import name_of

    added = accumulate(settings, state)
    location = state.database(settings.ml_data_collection.db_path)
    output.say(f"{added} new training samples in {name_of(location)}")
    return added
