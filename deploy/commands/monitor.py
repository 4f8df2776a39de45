"""`assay monitor`: what an operator sees of a run."""

import asyncio
from typing import Annotated

import typer

from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    NatsOption,
    SetOption,
    StateOption,
    url_of,
)
from deploy.output import Output
from deploy.state import StateDir


def monitor(
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This one alone.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show what a run is worth and how it is watched, until Ctrl-C.

    By strategy: the model in force and its age in event time, canary and shadows; how well it
    ranked the outcomes that have matured (AUC, 95 % interval clustered by day) and whether its
    probabilities came true; how near each drift detector is to its alarm; the policy and requests
    that wait. Below it what happened last, and why. `--config` is the run's: its detectors are
    read. With --once or --json, or where there is no terminal, one picture.

    Example: assay monitor --once --state-dir .assay --config quickstart
    """
    from deploy.config import load_run
    from deploy.monitor.drift_source import check_detectors
    from deploy.monitor.live_monitor import LiveMonitor, picture_of
    from deploy.monitor.monitor_view import picture_view
    from deploy.operations.known_strategies import check_name
    from deploy.role_runtime import run_loop, stop_on_signals

    output = Output(as_json=as_json)
    console, state = output.console, StateDir(state_dir)
    settings = load_run(config, assignments or ())
    check_detectors(settings)
    if strategy is not None:
        check_name(strategy, "--strategy")

    async def stay() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)

        def find_url() -> str:
            return url_of(nats, state)

        # Where there never was a broker, there is nothing to wait for.
        find_url()
        await LiveMonitor(console, find_url, settings, state, strategy).run(stop)

    if console.is_terminal and not once and not as_json:
        run_loop(stay())
        return
    picture = run_loop(picture_of(url_of(nats, state), settings, state, strategy))
    ascii_only = console.options.ascii_only
    output.show(picture_view(picture, width=console.width, ascii_only=ascii_only))
    output.document(picture)
