"""`assay run ROLE`: one role in this process."""

from typing import Annotated

import typer

from deploy.config import load_run
from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    MetricsHostOption,
    MetricsPortOption,
    NatsOption,
    SetOption,
    ShardsOption,
    StateOption,
    url_of,
)
from deploy.role_runtime import METRICS_HOST, ROLES, check_role, metrics_at, run_role
from deploy.state import StateDir


def run(
    role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")],
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    shard: Annotated[int, typer.Option(min=0, help="Which shard of the symbols.")] = 0,
    shards: ShardsOption = 1,
    standby: Annotated[
        bool, typer.Option("--standby", help="One of two scorers of a shard; the other too.")
    ] = False,
    follow_parent: Annotated[
        bool, typer.Option("--follow-parent", help="Stop when standard input closes.")
    ] = False,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = METRICS_HOST,
) -> None:
    """Run one role until Ctrl-C or SIGTERM.

    It says `ready ROLE` on standard output when it works; its log goes to standard error.
    With --standby a scorer publishes only while it holds the lease of its shard: of two of them
    one takes over within seconds when the other is gone. With --metrics-port it tells its
    figures to Prometheus on /metrics, and its health on /livez and /readyz.

    Example: assay run scorer --nats nats://127.0.0.1:4222 --config quickstart
    """
    check_role(role)
    state = StateDir(state_dir)
    settings = load_run(config, assignments or ())
    state.make()
    run_role(
        role,
        settings,
        state,
        url_of(nats, state),
        shard=shard,
        shards=shards,
        standby=standby,
        follows_parent=follow_parent,
        metrics=metrics_at(metrics_host, metrics_port),
    )
