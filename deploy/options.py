"""The options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.role_runtime import NATS_VARIABLE, ROLES
from deploy.state import DEFAULT_STATE_DIR, StateDir
from streams.errors import ConfigError
from streams.subjects import SHARDS

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="Run file (YAML), here or bundled.", metavar="FILE")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key, a.b=c; may be repeated.", metavar="A.B=C"),
]
StateOption = Annotated[
    Path,
    typer.Option("--state-dir", help="Where broker, keys, logs and samples are.", metavar="DIR"),
]
NatsOption = Annotated[
    str | None,
    typer.Option(
        "--nats",
        envvar=NATS_VARIABLE,
        help="URL of a running NATS server; one with a password better in the environment.",
        metavar="URL",
    ),
]
# Where a server that is named changes what a command does, it is named on its command line.
ChosenNatsOption = Annotated[
    str | None, typer.Option("--nats", help="URL of a running NATS server.", metavar="URL")
]
ShardsOption = Annotated[
    int, typer.Option(min=1, max=SHARDS, help="How many scorers share the symbols.", metavar="N")
]
StandbyOption = Annotated[
    bool, typer.Option("--standby", help="Two scorers per shard, of which one takes over.")
]
PortOption = Annotated[
    int, typer.Option("--port", help="Port of the embedded broker; 0: any.", metavar="PORT")
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(help="Tell metrics and health over HTTP here; 0: any port.", metavar="PORT"),
]
MetricsHostOption = Annotated[
    str, typer.Option(help="Address on which metrics are told.", metavar="HOST")
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without", help="Leave a role out; may be repeated.", metavar="ROLE"),
]
LedgerOption = Annotated[
    str | None,
    typer.Option("--ledger", help="Where trials are counted; .assay/trials.db.", metavar="DB"),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document, last on standard output.")
]

DEFAULT_CONFIG = Path("configs/quickstart.yaml")
DEFAULT_STATE = DEFAULT_STATE_DIR


def roles_but(without: Sequence[str]) -> tuple[str, ...]:
    """Return every role but those; raises ConfigError for one that there is not."""
    for role in without:
        if role not in ROLES:
            raise ConfigError(f"--without must be one of {', '.join(ROLES)}, was {role!r}")
    return tuple(role for role in ROLES if role not in without)


def url_of(nats: str | None, state: StateDir) -> str:
    """Return the URL to connect to: `nats`, or that of the run in the state directory."""
    url = nats or state.read_url()
    if url is None:
        raise ConfigError(
            f"no broker is known: nothing runs in {state.root}; start `assay up --state-dir "
            f"{state.root}`, or name a server with --nats URL"
        )
    return url


def ledger_at(given: str | None) -> str:
    """Return where search trials are counted: one place for all searches, unless told otherwise."""
    if given is not None:
        return given
    state = StateDir(DEFAULT_STATE)
    state.make()
    return str(state.trials)
