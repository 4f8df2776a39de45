"""`assay models`: what puts a model in force, holds it there, or takes it away."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from deploy.operator import ByOption, WhyOption, operator_of
from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from deploy.terminal_text import one_line
from streams.bus import Bus

NAME_SHOWN = 120

StrategyArgument = Annotated[str, typer.Argument(help="The strategy.", metavar="STRATEGY")]
SymbolOption = Annotated[
    str | None,
    typer.Option("--symbol", help="The model of one symbol, not the strategy's.", metavar="SYMBOL"),
]

T = TypeVar("T")


def promote(
    version: Annotated[
        str, typer.Argument(help="A version or digest, or the start of one.", metavar="VERSION")
    ],
    why: WhyOption,
    by: ByOption = None,
    share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Below 1: as canary, beside the model in force."),
    ] = 1.0,
    symbol: SymbolOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Put a model in force: one that was before, or a challenger from the shadow.

    With --share it becomes a canary, which answers that share of the signals, chosen by their
    ids; --share 0 ends it. Refused while the model in force is pinned.

    Example: assay models promote rsi2_mean_reversion-3f2a --share 0.1 --why "try it" --by ann
    """
    from deploy.operations import promote as carry_out

    operator = operator_of(by, why)
    _check(symbol=symbol)
    _do(
        lambda bus: carry_out(bus, version, operator, symbol=symbol, share=share),
        nats,
        StateDir(state_dir),
        as_json,
    )


def rollback(
    strategy: StrategyArgument,
    why: WhyOption,
    by: ByOption = None,
    symbol: SymbolOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Bring back the model that was in force before; twice brings back what was rolled back.

    Example: assay models rollback rsi2_mean_reversion --why "accepts everything" --by ann
    """
    from deploy.operations import roll_back

    operator = operator_of(by, why)
    _check(strategy, symbol)
    _do(lambda bus: roll_back(bus, strategy, symbol, operator), nats, StateDir(state_dir), as_json)


def expire(
    strategy: StrategyArgument,
    why: WhyOption,
    by: ByOption = None,
    symbol: SymbolOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Take the model away: ml.fallback answers, pass_through or block, until another is promoted.

    Example: assay models expire rsi2_mean_reversion --why "delisted half of it" --by ann
    """
    from deploy.operations import expire as carry_out

    operator = operator_of(by, why)
    _check(strategy, symbol)
    _do(lambda bus: carry_out(bus, strategy, symbol, operator), nats, StateDir(state_dir), as_json)


def pin(
    strategy: StrategyArgument,
    why: WhyOption,
    by: ByOption = None,
    symbol: SymbolOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Hold the model in force, whatever the trainer finds, until it is unpinned.

    Example: assay models pin rsi2_mean_reversion --why "audit this week" --by ann
    """
    _hold(strategy, symbol, by, why, nats, StateDir(state_dir), as_json, pinned=True)


def unpin(
    strategy: StrategyArgument,
    why: WhyOption,
    by: ByOption = None,
    symbol: SymbolOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Let go of a model that was pinned: the trainer may replace it again.

    Example: assay models unpin rsi2_mean_reversion --why "audit is over" --by ann
    """
    _hold(strategy, symbol, by, why, nats, StateDir(state_dir), as_json, pinned=False)


COMMANDS: dict[str, Callable[..., None]] = {
    "promote": promote,
    "rollback": rollback,
    "expire": expire,
    "pin": pin,
    "unpin": unpin,
}


async def over_bus(url: str, work: Callable[[Bus], Awaitable[T]]) -> T:
    """Do `work` over a connection to the broker `url`, and close it."""
    from deploy.connection import connect

    bus = await connect(url, "assay-models")
    try:
        return await work(bus)
    finally:
        await bus.close()


def _hold(
    strategy: str,
    symbol: str | None,
    by: str | None,
    why: str,
    nats: str | None,
    state: StateDir,
    as_json: bool,
    *,
    pinned: bool,
) -> None:
    from deploy.operations import hold

    operator = operator_of(by, why)
    _check(strategy, symbol)
    _do(lambda bus: hold(bus, strategy, symbol, operator, pinned=pinned), nats, state, as_json)


def _do(
    work: Callable[[Bus], Awaitable[Any]], nats: str | None, state: StateDir, as_json: bool
) -> None:
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    done = run_loop(over_bus(url_of(nats, state), work))
    scope = done.strategy if done.symbol is None else f"{done.strategy} {done.symbol}"
    beside = f" of {done.share:.4g}" if done.share < 1.0 else ""
    words = f"{scope}: {done.action} {done.version}{beside} by {done.by}"
    if not done.changed:
        words += " (it was so before)"
    elif done.previous and done.previous != done.version:
        words += f", before: {done.previous}"
    output.say(one_line(words, NAME_SHOWN * 3))
    output.document(done)


def _check(strategy: str | None = None, symbol: str | None = None) -> None:
    from deploy.known_strategies import check_name

    if strategy is not None:
        check_name(strategy)
    if symbol is not None:
        check_name(symbol, "--symbol")
