"""The best runs of a research store, as the file `winners.json`.

Runs compete within a group: those on one symbol (the default: the best N of every symbol), of one
strategy, of a strategy on a symbol, or all. A higher objective is better; where it is equal, as
at its bounds, the higher Sharpe ratio, then more trades, then the first by strategy, symbol,
interval and parameters. Of runs that differ in nothing but days, costs or code the one recorded
last competes. Runs on all symbols together compete among themselves: ask for them with `pooled`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from streams.errors import ConfigError, DataError
from streams.strict import decode_strict, nearest
from streams.whole_file import write_whole
from trainers.statistics.objective import TRADES_MIN, WORST, objective, objective_name
from trainers.statistics.performance import Performance
from trainers.sweeps.sweep_run import Run
from trainers.sweeps.sweep_skill import Trials

VERSION = 1
FILE_BYTES_MAX = 100_000_000
TOP_MAX = 10_000

Per = Literal["symbol", "strategy", "pair", "overall"]

METRICS = (
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "profit_factor",
    "expectancy_r",
    "cagr",
    "total_return",
    "max_drawdown",
    "hit_rate",
    "exposure",
    "turnover",
    "trades",
)


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Closes of the first and the last bar, UTC nanoseconds."""

    started_ts: int
    ended_ts: int


class Winner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the best runs. `rank` counts from 1 within its group; `symbol` is * for all symbols.

    `params` are all parameters; a metric is None where it is not defined. `deflated_sharpe`: the
    probability that luck does not explain it (`trainers.sweeps.sweep_skill`).
    """

    strategy: str
    symbol: str
    params: dict[str, Any]
    rank: int
    metrics: dict[str, float | None]
    deflated_sharpe: float | None
    data_digest: str
    span: Span
    interval: str = "1d"
    code_version: str = ""


class WinnersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `winners.json` holds; `trials` is how many runs the winners were chosen from."""

    version: int
    created_from: str
    objective: str
    trials: int
    winners: tuple[Winner, ...]


class Choice(NamedTuple):
    """How winners are chosen: the best `top` of each group with `trades_min` trades or more."""

    top: int = 3
    objective: str = "sharpe_ratio"
    trades_min: int = TRADES_MIN
    per: str = "symbol"
    pooled: bool = False


def choose_winners(
    runs: list[Run], trials: Trials, choice: Choice, created_from: str
) -> WinnersFile:
    """Return the winners among `runs`, which come in the order of their recording.

    Raises ConfigError for a choice that there is not. None may be good enough.
    """
    figure = objective_name(choice.objective)
    _check(choice)
    latest = {(run.strategy, run.symbol, run.interval, run.params): run for run in runs}
    groups: dict[tuple[str, ...], list[tuple[tuple[Any, ...], Run]]] = {}
    for run in latest.values():
        if run.is_pooled != choice.pooled:
            continue
        value = objective(run.performance, figure, trades_min=choice.trades_min)
        if value > WORST:
            groups.setdefault(_group_of(run, choice.per), []).append((_order(run, value), run))
    winners = [
        _winner(run, rank, trials)
        for _, members in sorted(groups.items())
        for rank, (_, run) in enumerate(sorted(members, key=_first)[: choice.top], start=1)
    ]
    return WinnersFile(VERSION, created_from, figure, trials.count, tuple(winners))


def write_winners(winners: WinnersFile, path: Path) -> None:
    """Write the file, whole or not at all. Raises DataError where it cannot be written."""
    content = msgspec.json.format(msgspec.json.encode(winners, order="sorted"), indent=2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise DataError(
            f"winners cannot be written to {path}: {error.strerror}; name another --output"
        ) from None


def read_winners(path: Path) -> WinnersFile:
    """Return what a winners file holds.

    Raises ConfigError for one that is missing, no JSON, of another version, or has other keys.
    """
    remedy = "assay winners --db FILE --output FILE writes one"
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path} has more than {FILE_BYTES_MAX} bytes: is it winners?")
        tree = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"winners {path} cannot be read: {error.strerror}; {remedy}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"winners {path} is not JSON: {error}; {remedy}") from None
    version = tree.get("version") if isinstance(tree, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise ConfigError(
            f"winners {path} has version {version}, this program reads {VERSION}: write it anew "
            "with assay winners"
        )
    return decode_strict(tree, WinnersFile, str(path))


def _check(choice: Choice) -> None:
    if choice.per not in get_args(Per):
        raise ConfigError(f"--per was {choice.per!r}{nearest(choice.per, get_args(Per))}")
    if not 1 <= choice.top <= TOP_MAX:
        raise ConfigError(f"--top-n must be 1 to {TOP_MAX}, was {choice.top}")
    if choice.trades_min < 0:
        raise ConfigError(f"--min-trades must be 0 or above, was {choice.trades_min}")


def _group_of(run: Run, per: str) -> tuple[str, ...]:
    if per == "overall":
        return ()
    if per == "pair":
        return (run.strategy, run.symbol)
    return (run.symbol,) if per == "symbol" else (run.strategy,)


def _order(run: Run, value: float) -> tuple[Any, ...]:
    sharpe = run.performance.sharpe_ratio
    return (
        -value,
        -sharpe if sharpe is not None else float("inf"),
        -run.performance.trades,
        run.strategy,
        run.symbol,
        run.interval,
        run.params,
    )


def _first(member: tuple[tuple[Any, ...], Run]) -> tuple[Any, ...]:
    return member[0]


def _winner(run: Run, rank: int, trials: Trials) -> Winner:
    return Winner(
        strategy=run.strategy,
        symbol=run.symbol,
        params=run.param_values,
        rank=rank,
        metrics=metrics_of(run.performance),
        deflated_sharpe=trials.skill_of(run).deflated_sharpe,
        data_digest=run.data_digest,
        span=Span(run.started_ts, run.ended_ts),
        interval=run.interval,
        code_version=run.code_version,
    )


def metrics_of(performance: Performance, names: Iterable[str] = METRICS) -> dict[str, float | None]:
    """Return figures of a performance by name."""
    return {name: getattr(performance, name) for name in names}
