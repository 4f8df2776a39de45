"""`assay replay`: history through a running stream."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.config import DataSettings, load_run
from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    NatsOption,
    SetOption,
    StateOption,
    WithoutOption,
    roles_but,
    url_of,
)
from deploy.output import Output
from deploy.state import StateDir
from streams.errors import ConfigError

SUFFIXES = {".csv": "csv", ".parquet": "parquet"}


def replay(
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", help="A file of bars; may be repeated. Else the run's own data."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    without: WithoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drive bars through a running `assay up`.

    As fast as its roles follow, as slowly as they must.

    Name with --without the roles that were left out there, or it waits for them.

    Example: assay replay --config configs/quickstart.yaml --state-dir .assay
    """
    from deploy.playback import play
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    sources = [_source_of(file, settings.data) for file in bars or ()] or [settings.data]
    url = url_of(nats, StateDir(state_dir))
    done = run_loop(play(url, settings, sources, roles_but(without or ()), output.console))
    output.say(f"{done.bars:,} bars in {done.instants:,} instants, {done.seconds:.1f} s")
    output.document(done)


def _source_of(file: Path, data: DataSettings) -> DataSettings:
    kind = SUFFIXES.get(file.suffix.lower())
    if kind is None:
        allowed = ", ".join(SUFFIXES)
        raise ConfigError(f"--bars must be a file ending in {allowed}, was {file}")
    return msgspec.structs.replace(data, source=kind, path=str(file), dir="", params={})
