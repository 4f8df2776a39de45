"""`assay up`: a broker and all roles, until Ctrl-C."""

import asyncio
import os

from deploy.config import check_run, load_run
from deploy.launch import broker_url, role_commands, running_roles, with_metrics
from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    MetricsHostOption,
    MetricsPortOption,
    NatsOption,
    PortOption,
    SetOption,
    ShardsOption,
    StandbyOption,
    StateOption,
    WithoutOption,
    roles_but,
)
from deploy.output import Output
from deploy.overrides import without_secrets
from deploy.role_runtime import METRICS_HOST, cancel_on_signals, run_loop
from deploy.state import StateDir
from streams.errors import without_passwords


def up(
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    port: PortOption = 0,
    state_dir: StateOption = DEFAULT_STATE,
    without: WithoutOption = None,
    shards: ShardsOption = 1,
    standby: StandbyOption = False,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = METRICS_HOST,
    as_json: JsonOption = False,
) -> None:
    """Run a broker and all roles, until Ctrl-C or SIGTERM.

    With --nats the roles connect to that server instead of an embedded one.
    Prints where the broker listens, and `ready` when every role works. A role that crashes is
    started again. With --shards N the symbols are shared by N scorers; with --standby each of
    them has a second process, which takes over within seconds. With --metrics-port every process
    tells its figures to Prometheus, each on a port of its own from that one on; the ports are
    printed.

    Example: assay up --port 4222 --state-dir .assay --config quickstart
    """
    output = Output(as_json=as_json)
    settings = load_run(config, assignments or ())
    check_run(settings)
    roles = roles_but(without or ())
    state = StateDir(state_dir.resolve())
    state.make()
    strategies = [strategy.name for strategy in settings.strategies]
    with broker_url(nats, state, settings, port) as url:
        output.say(f"broker {without_passwords(url)}")
        shown, hidden = without_secrets(assignments or ())
        os.environ.update(hidden)
        commands = role_commands(roles, config, shown, url, state, shards=shards, standby=standby)
        commands = with_metrics(commands, metrics_host, metrics_port)
        run_loop(_serve(strategies, commands, url, state, output))


async def _serve(
    strategies: list[str],
    commands: dict[str, tuple[str, ...]],
    url: str,
    state: StateDir,
    output: Output,
) -> None:
    cancel_on_signals()
    try:
        async with running_roles(commands, url, state, output.say) as (_, supervisor):
            shown = without_passwords(url)
            output.say(f"ready: {', '.join(strategies)} on {shown} (logs in {state.logs})")
            metrics = {
                name: process.metrics_url
                for name, process in supervisor.processes.items()
                if process.metrics_url
            }
            document = {"url": shown, "roles": list(commands), "strategies": strategies}
            output.document(document | ({"metrics": metrics} if metrics else {}))
            await supervisor.watch()
    except asyncio.CancelledError:
        # Being stopped is how this command ends well.
        output.say("stopped")
