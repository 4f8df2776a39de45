"""`assay policy`: the kill switch."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.operations.operator import ByOption, WhyOption, operator_of
from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from deploy.terminal_text import one_line

SHOWN = 120


def policy(
    strategy: Annotated[str, typer.Argument(help="The strategy.", metavar="STRATEGY")],
    action: Annotated[
        str,
        typer.Argument(help="observe, pass_through, block or resume.", metavar="ACTION"),
    ],
    why: WhyOption,
    by: ByOption = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Run file to check the name by.", metavar="FILE"),
    ] = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Say what becomes of a strategy's signals, whatever its models think: the kill switch.

    observe: models are asked, and all signals pass; pass_through: all pass unasked; block: none
    passes; resume: as configured. It is in force for every signal that is published after this
    command has returned. It stays until another order is given, over restarts and new models: the
    trainer never lifts what a person ordered.

    Example: assay policy rsi2_mean_reversion block --why "exchange halted" --by ops
    """
    from deploy.operations.kill_switch import throw_switch
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    operator = operator_of(by, why)
    configured = _names_of(config)
    state = StateDir(state_dir)
    running = state.read_strategies() if nats is None and configured is None else ()
    if strategy in running:
        configured = running
    url = url_of(nats, state)
    ordered = run_loop(throw_switch(url, strategy, action, operator, configured, running))
    output.say(
        f"{one_line(ordered.strategy, SHOWN)}: {ordered.action} by {one_line(ordered.by, SHOWN)}, "
        f"in force from here on (INPUT {ordered.input_seq})"
    )
    before = ordered.before
    if before is None:
        output.say("before: no policy")
    else:
        by_whom = one_line(before.by, SHOWN) or "nobody named"
        output.say(f"before: {before.action} by {by_whom}: {one_line(before.why, SHOWN)}")
    output.document(ordered)


def _names_of(config: Path | None) -> tuple[str, ...] | None:
    if config is None:
        return None
    from deploy.config import load_run

    return tuple(strategy.name for strategy in load_run(config, ()).strategies)
