"""`assay models`: what puts a model in force, holds it there, or takes it away."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.operations.operator import ByOption, WhyOption, operator_of
from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from deploy.terminal_text import one_line
from streams.bus import Bus

if TYPE_CHECKING:
    from deploy.operations.operations import Done
    from deploy.operations.scorer_terms import ScorerTerms

TEXT_SHOWN = 400

StrategyArgument = Annotated[str, typer.Argument(help="The strategy.", metavar="STRATEGY")]
SymbolOption = Annotated[
    str | None,
    typer.Option("--symbol", help="The model of one symbol, not the strategy's.", metavar="SYMBOL"),
]

RunFileOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The scorers' run file: the model must pass by it.", metavar="FILE"
    ),
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
    config: RunFileOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Put a model in force: one that was before, or a challenger from the shadow.

    With --share it becomes a canary, which answers that share of the signals, chosen by their
    ids; --share 0 ends it. Refused while the model in force is pinned, and where the scorers would
    refuse the model: by the run of --state-dir, or by --config.

    Example: assay models promote rsi2_mean_reversion-3f2a --share 0.1 --why "try it" --by ann
    """
    from deploy.operations.operations import promote as carry_out

    operator = operator_of(by, why)
    _check(symbol=symbol)
    state = StateDir(state_dir)
    terms = _terms(config, nats, state)
    _do(
        lambda bus: carry_out(bus, version, operator, symbol=symbol, share=share, terms=terms),
        nats,
        state,
        as_json,
    )


def rollback(
    strategy: StrategyArgument,
    why: WhyOption,
    by: ByOption = None,
    symbol: SymbolOption = None,
    config: RunFileOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Bring back the model that was in force before; twice brings back what was rolled back.

    Refused where the scorers would refuse that model, as by assay models promote.

    Example: assay models rollback rsi2_mean_reversion --why "accepts everything" --by ann
    """
    from deploy.operations.operations import roll_back

    operator = operator_of(by, why)
    _check(strategy, symbol)
    state = StateDir(state_dir)
    terms = _terms(config, nats, state)
    _do(lambda bus: roll_back(bus, strategy, symbol, operator, terms), nats, state, as_json)


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
    from deploy.operations.operations import expire as carry_out

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


def _terms(config: Path | None, nats: str | None, state: StateDir) -> "ScorerTerms | None":
    """Return by what the scorers let a model speak, None where nobody here knows."""
    from deploy.operations.scorer_terms import recorded_terms, terms_of

    if config is None:
        return recorded_terms(state) if nats is None else None
    from deploy.config import load_run

    return terms_of(load_run(config, ()), state)


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
    from deploy.operations.operations import hold

    operator = operator_of(by, why)
    _check(strategy, symbol)
    _do(lambda bus: hold(bus, strategy, symbol, operator, pinned=pinned), nats, state, as_json)


def _do(
    work: Callable[[Bus], Awaitable["Done"]], nats: str | None, state: StateDir, as_json: bool
) -> None:
    from deploy.role_runtime import run_loop

    output = Output(as_json=as_json)
    done = run_loop(over_bus(url_of(nats, state), work))
    scope = done.strategy if done.symbol is None else f"{done.strategy} {done.symbol}"
    output.say(one_line(f"{scope}: {_words(done)} ({done.by}: {done.why})", TEXT_SHOWN))
    output.document(done)


def _words(done: "Done") -> str:
    from deploy.operations.model_words import model_name, share_of_signals

    if done.action in ("pin", "unpin"):
        held = "pinned" if done.action == "pin" else "not pinned"
        return f"{done.version} {'is' if done.changed else 'was already'} {held}"
    if done.share <= 0.0:
        return f"the canary {done.version} has ended, {done.previous} stays in force"
    if done.share < 1.0:
        share = f"{share_of_signals(done.share)} of the signals"
        return f"{done.version} answers {share} as canary, {done.previous} the others"
    before = f"before: {model_name(done.previous)}"
    if not done.digest:
        return f"nobody speaks any more and ml.fallback answers, {before}"
    return f"{done.version} is in force, {before}"


def _check(strategy: str | None = None, symbol: str | None = None) -> None:
    from deploy.operations.known_strategies import check_name

    if strategy is not None:
        check_name(strategy)
    if symbol is not None:
        check_name(symbol, "--symbol")
