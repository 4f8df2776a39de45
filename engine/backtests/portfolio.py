"""Signals of one or several strategies as one portfolio on shared capital.

Scarce slots go to the highest final score; of equals, to the symbol that comes first in the
alphabet, then to the strategy that was named first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.backtests.conversion import account_rates
from engine.backtests.portfolio_kernels import CANDIDATE, NEVER, STEP, load_portfolio_kernels
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.backtests.trade_log import TradeLog, side_costs
from engine.instrument import Instrument
from engine.settings import CostSettings

_CLOSE = 3

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Claims(NamedTuple):
    """What one strategy asks for: k signals, their final scores (k,), and which are accepted.

    `costs` has one entry per symbol of the history.
    """

    log: TradeLog
    final_score: Floats
    accepted: Bools
    costs: Sequence[CostSettings]


class Positions(NamedTuple):
    """What became of one strategy's signals, in the order of its log.

    `fate` as in `engine.backtests.portfolio_kernels`; `quantity` in units, 0 for none; what the
    position made, in the account's currency: 0 while it is open but for the cost of its entry.
    """

    fate: Ints
    quantity: Floats
    pnl_gross: Floats
    pnl_net: Floats


class PortfolioResult(NamedTuple):
    """The account after every close, T instants, and the positions of each strategy.

    `ts` int64 (T,); `equity`, `gross_exposure`, `tied_up` (margin) and `traded` (value traded in
    the bar) in the account's currency; `positions`: how many are held or about to be entered.
    """

    ts: Ints
    equity: Floats
    gross_exposure: Floats
    tied_up: Floats
    traded: Floats
    positions: Ints
    by_strategy: tuple[Positions, ...]


def simulate_portfolio(
    claims: Sequence[Claims],
    history: BarHistory,
    instruments: tuple[Instrument, ...],
    settings: PortfolioSettings,
    *,
    from_ts: int = 0,
    to_ts: int = NEVER,
) -> PortfolioResult:
    """Return the portfolio over the closes from `from_ts` to `to_ts`, both included.

    `instruments` has one entry per symbol. Signals outside the span ask for nothing; what is open
    at its end is marked there. Raises ConfigError for a currency that nothing converts.
    """
    first, end = np.searchsorted(history.instants, (from_ts, to_ts + 1))
    order = [_candidates(one, history, instruments, int(first), int(end)) for one in claims]
    records = [found for found, _ in order]
    candidates = np.concatenate(records) if records else np.empty(0, dtype=CANDIDATE)
    sequence = _by_priority(candidates, order, claims)
    ordered = candidates[sequence]
    steps = np.zeros(int(end - first), dtype=STEP)
    symbols = len(history.symbols)
    starts, rows = history.rows_by_instant
    load_portfolio_kernels().run_portfolio(
        ordered,
        np.ascontiguousarray(starts[first : end + 1]),
        rows,
        history.instants[first:end],
        history.slots,
        np.ascontiguousarray(history.values[:, _CLOSE]),
        account_rates(history, instruments),
        settings.initial_capital,
        settings.risk_per_trade,
        settings.max_positions,
        settings.max_leverage,
        settings.one_per_symbol,
        np.full(symbols, np.nan),
        np.full(symbols, np.nan),
        np.zeros(symbols, dtype=np.int64),
        np.zeros(symbols, dtype=np.int64),
        np.zeros(len(ordered), dtype=np.int64),
        steps,
    )
    candidates[sequence] = ordered
    return PortfolioResult(
        ts=history.instants[first:end],
        equity=np.ascontiguousarray(steps["equity"]),
        gross_exposure=np.ascontiguousarray(steps["gross_exposure"]),
        tied_up=np.ascontiguousarray(steps["tied_up"]),
        traded=np.ascontiguousarray(steps["traded"]),
        positions=np.ascontiguousarray(steps["positions"]),
        by_strategy=_positions(candidates, order, claims),
    )


def _candidates(
    claims: Claims,
    history: BarHistory,
    instruments: tuple[Instrument, ...],
    first: int,
    end: int,
) -> tuple[NDArray[np.void], Ints]:
    """Return the signals of the span as records, and where they stand in the log."""
    log = claims.log
    instant = history.instant_of_row
    signal_at = instant[log.signal_row]
    places = np.flatnonzero((signal_at >= first) & (signal_at < end))
    log = log.take(places)
    found = np.zeros(len(places), dtype=CANDIDATE)
    found["signal_at"] = instant[log.signal_row] - first
    found["entry_at"] = np.where(log.entry_row >= 0, instant[log.entry_row] - first, NEVER)
    found["exit_at"] = np.where(log.exit_row >= 0, instant[log.exit_row] - first, NEVER)
    is_decided = log.decided_row >= 0
    found["leaves_from"] = np.where(is_decided, instant[log.decided_row] - first, NEVER)
    for name in ("signal_row", "exit_row", "slot", "side", "price", "stop"):
        found[name] = getattr(log, name)
    found["entry_price"] = log.entry_price
    found["exit_price"] = log.exit_price
    found["entry_cost"] = side_costs(log, claims.costs, log.entry_price)
    found["exit_cost"] = side_costs(log, claims.costs, log.exit_price)
    for name, values in (
        ("unit_value", [one.point_value for one in instruments]),
        ("lot", [one.lot for one in instruments]),
        ("margin", [one.margin for one in instruments]),
    ):
        found[name] = np.array(values)[log.slot]
    # 1: asks; the portfolio's word stands there afterwards.
    found["fate"] = claims.accepted[places]
    return found, places


def _by_priority(
    candidates: NDArray[np.void],
    order: list[tuple[NDArray[np.void], Ints]],
    claims: Sequence[Claims],
) -> Ints:
    """Return the order in which signals are looked at: by close, final score, symbol, strategy."""
    scores = [one.final_score[places] for one, (_, places) in zip(claims, order, strict=True)]
    final_score = np.concatenate(scores) if scores else np.empty(0)
    strategy = np.repeat(np.arange(len(order)), [len(places) for _, places in order])
    return np.lexsort((strategy, candidates["slot"], -final_score, candidates["signal_at"]))


def _positions(
    candidates: NDArray[np.void],
    order: list[tuple[NDArray[np.void], Ints]],
    claims: Sequence[Claims],
) -> tuple[Positions, ...]:
    """Give every strategy its signals' positions, those outside the span as REJECTED."""
    found: list[Positions] = []
    start = 0
    for one, (_, places) in zip(claims, order, strict=True):
        part = candidates[start : start + len(places)]
        start += len(places)
        fate = np.zeros(one.log.signals, dtype=np.int64)
        fate[places] = part["fate"]
        columns = [np.zeros(one.log.signals) for _ in range(3)]
        for column, name in zip(columns, ("quantity", "pnl_gross", "pnl_net"), strict=True):
            column[places] = part[name]
        found.append(Positions(fate, *columns))
    return tuple(found)
