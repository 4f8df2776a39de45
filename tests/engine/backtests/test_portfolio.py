"""The portfolio: shared capital, scarce slots, whole lots, and nothing known too early."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtests.backtest import decisions_of, run_strategy, trades_of
from engine.backtests.bar_history import BarHistory
from engine.backtests.portfolio import Claims, simulate_portfolio
from engine.backtests.portfolio_kernels import (
    GONE_NS,
    NO_CAPITAL,
    NO_SLOT,
    NO_STOP,
    REJECTED,
    SYMBOL_HELD,
    TAKEN,
)
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.backtests.trade_log import TradeLog, figures_of
from engine.costs import CostSettings
from engine.instrument import Instrument
from engine.settings import StrategySettings
from engine.strategy import ATR
from engine.trade import SIGNAL, TIME
from streams.source_settings import SourceSettings
from tests.engine.backtests.portfolio_oracle import Account, Ask, run
from trainers.research.histories import read_history

DAY_NS = 86_400_000_000_000
COSTS = CostSettings(bps_per_side=0.0, commission_per_side=0.02)


@pytest.fixture(scope="module")
def history() -> BarHistory:
    return read_history(SourceSettings(kind="sample"))


@pytest.fixture(scope="module")
def log(history):
    return run_strategy(StrategySettings(name="rsi2_mean_reversion", overlapping=True), history)


def shares(history: BarHistory) -> tuple[Instrument, ...]:
    return tuple(Instrument(symbol) for symbol in history.symbols)


def claims_of(log, history, score=None, accepted=None) -> Claims:
    k = log.signals
    return Claims(
        log,
        log.score if score is None else score,
        np.ones(k, dtype=np.bool_) if accepted is None else accepted,
        [COSTS] * len(history.symbols),
    )


def oracle(log, history, score, accepted, account: PortfolioSettings):
    instant = history.instant_of_row

    def at(row: int) -> int | None:
        return int(instant[row]) if row >= 0 else None

    asks = []
    for i in range(log.signals):
        exit_row = int(log.exit_row[i])
        is_decided = exit_row >= 0 and log.reason[i] in (SIGNAL, TIME)
        asks.append(
            Ask(
                i,
                int(log.slot[i]),
                float(score[i]),
                bool(accepted[i]),
                int(log.side[i]),
                int(instant[log.signal_row[i]]),
                at(int(log.entry_row[i])),
                at(exit_row),
                at(exit_row - 1) if is_decided else None,
                float(log.price[i]),
                float(log.stop[i]),
                float(log.entry_price[i]),
                float(log.exit_price[i]),
                0.02,
            )
        )
    closes: list[dict[int, float]] = [{} for _ in history.instants]
    for row, (t, slot) in enumerate(zip(instant.tolist(), history.slots.tolist(), strict=True)):
        closes[t][slot] = float(history.values[row, 3])
    return run(
        asks,
        closes,
        Account(
            account.initial_capital,
            account.risk_per_trade,
            account.max_positions,
            account.max_leverage,
            account.one_per_symbol,
        ),
    )


@pytest.mark.parametrize(
    "account",
    [
        PortfolioSettings(max_positions=1),
        PortfolioSettings(max_positions=3, risk_per_trade=0.02, max_leverage=2.0),
        PortfolioSettings(max_positions=50, one_per_symbol=False, risk_per_trade=0.002),
        PortfolioSettings(max_positions=4, initial_capital=3_000.0, risk_per_trade=0.2),
    ],
)
def test_the_kernel_does_what_the_rules_say(account, history, log):
    rng = np.random.default_rng(5)
    score = np.round(rng.random(log.signals), 1)  # many ties
    accepted = rng.random(log.signals) < 0.8
    found = simulate_portfolio(
        [claims_of(log, history, score, accepted)], history, shares(history), account
    )
    equity, quantities, profits = oracle(log, history, score, accepted, account)
    (positions,) = found.by_strategy
    assert positions.quantity.tolist() == [quantities[i] for i in range(log.signals)]
    np.testing.assert_allclose(found.equity, equity, rtol=1e-12)
    np.testing.assert_allclose(
        positions.pnl_net, [profits[i] for i in range(log.signals)], rtol=1e-9, atol=1e-6
    )
    assert (positions.fate == TAKEN).sum() == np.count_nonzero(positions.quantity) > 10
    assert found.positions.max() <= account.max_positions


def test_the_account_adds_up(history, log):
    account = PortfolioSettings(max_positions=4)
    found = simulate_portfolio([claims_of(log, history)], history, shares(history), account)
    (positions,) = found.by_strategy
    figures = figures_of(log, [COSTS] * len(history.symbols))
    taken = (positions.fate == TAKEN) & log.is_closed
    np.testing.assert_allclose(
        positions.pnl_net[taken], (figures.y_pnl_net * positions.quantity)[taken], rtol=1e-9
    )
    assert (log.is_closed | (positions.quantity == 0.0)).all()
    final = account.initial_capital + positions.pnl_net.sum()
    assert found.equity[-1] == pytest.approx(final)


def test_scarce_slots_go_to_the_highest_final_score(history, log):
    account = PortfolioSettings(max_positions=1)
    busiest = np.bincount(history.instant_of_row[log.signal_row]).argmax()
    rivals = np.flatnonzero(history.instant_of_row[log.signal_row] == busiest)
    assert len(rivals) > 1
    only = np.zeros(log.signals, dtype=np.bool_)
    only[rivals] = True
    for best in rivals:
        score = np.full(log.signals, 0.5)
        score[best] = 0.9
        claims = claims_of(log, history, score, only)
        (found,) = simulate_portfolio([claims], history, shares(history), account).by_strategy
        assert np.flatnonzero(found.fate == TAKEN).tolist() == [best]
        assert set(found.fate[rivals]) == {TAKEN, NO_SLOT}
        assert set(found.fate[~only]) == {REJECTED}
    even = claims_of(log, history, np.full(log.signals, 0.5), only)
    (found,) = simulate_portfolio([even], history, shares(history), account).by_strategy
    # Of equals, the symbol that comes first.
    assert np.flatnonzero(found.fate == TAKEN).tolist() == [rivals[log.slot[rivals].argmin()]]


def test_strategies_share_the_capital(history, log):
    account = PortfolioSettings(max_positions=2, one_per_symbol=True)
    twice = [claims_of(log, history), claims_of(log, history)]
    found = simulate_portfolio(twice, history, shares(history), account)
    first, second = found.by_strategy
    alone = simulate_portfolio([twice[0]], history, shares(history), account).by_strategy[0]
    assert first.quantity.tolist() == alone.quantity.tolist()
    assert not second.quantity.any()
    assert set(second.fate) <= {SYMBOL_HELD, NO_SLOT}


def test_a_span_knows_nothing_of_what_lies_outside(history, log):
    from_ts, to_ts = np.quantile(history.instants, (0.3, 0.6), method="nearest").tolist()
    account = PortfolioSettings(max_positions=3)
    claims = [claims_of(log, history)]
    found = simulate_portfolio(
        claims, history, shares(history), account, from_ts=from_ts, to_ts=to_ts
    )
    assert found.ts[0] == from_ts
    assert found.ts[-1] == to_ts
    assert found.equity[0] == account.initial_capital
    signal_ts = history.ts[log.signal_row]
    outside = (signal_ts < from_ts) | (signal_ts > to_ts)
    assert not found.by_strategy[0].quantity[outside].any()
    # The same span of a history that ends there.
    cut = history.between(0, to_ts)
    again = run_strategy(StrategySettings(name="rsi2_mean_reversion", overlapping=True), cut)
    same = simulate_portfolio(
        [claims_of(again, cut)], cut, shares(cut), account, from_ts=from_ts, to_ts=to_ts
    )
    assert same.equity.tobytes() == found.equity.tobytes()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_future_does_not_reach_the_account(history, log, seed):
    """Prices behind a cut may be anything: the account up to it is the same."""
    rng = np.random.default_rng(seed)
    cut_ts = int(rng.choice(history.instants[500:-1]))
    values = history.values.copy()
    later = history.ts > cut_ts
    values[later] *= np.exp(rng.normal(0.0, 0.2, (later.sum(), 1)))
    other = with_values(history, values)
    again = run_strategy(StrategySettings(name="rsi2_mean_reversion", overlapping=True), other)
    account = PortfolioSettings(max_positions=2)
    one = simulate_portfolio([claims_of(log, history)], history, shares(history), account)
    two = simulate_portfolio([claims_of(again, other)], other, shares(other), account)
    known = one.ts <= cut_ts
    for name in ("equity", "gross_exposure", "tied_up", "traded", "positions"):
        assert getattr(one, name)[known].tobytes() == getattr(two, name)[known].tobytes(), name


def with_values(history: BarHistory, values: np.ndarray) -> BarHistory:
    return BarHistory(history.symbols, history.interval, history.starts, history.ts, values)


def test_a_future_pays_by_its_point_and_ties_up_its_margin(history, log):
    account = PortfolioSettings(initial_capital=1e6, max_positions=1)
    contract = Instrument("X", "future", point_value=50.0, margin=0.1)
    contracts = tuple(msgspec.structs.replace(contract, symbol=s) for s in history.symbols)
    (share,) = simulate_portfolio(
        [claims_of(log, history)], history, shares(history), account
    ).by_strategy
    found = simulate_portfolio([claims_of(log, history)], history, contracts, account)
    (future,) = found.by_strategy
    figures = figures_of(log, [COSTS] * len(history.symbols))
    taken = np.flatnonzero(future.fate == TAKEN)
    first = int(taken[history.ts[log.signal_row[taken]].argmin()])
    assert share.fate[first] == TAKEN
    risk = abs(log.price[first] - log.stop[first])
    assert future.quantity[first] == np.floor(1e4 / (risk * 50.0))
    assert future.pnl_net[first] == pytest.approx(
        figures.y_pnl_net[first] * future.quantity[first] * 50.0
    )


def test_a_ruined_account_takes_no_position(history, log):
    account = PortfolioSettings(initial_capital=1.0)
    found = simulate_portfolio([claims_of(log, history)], history, shares(history), account)
    assert set(found.by_strategy[0].fate) == {NO_CAPITAL}
    assert (found.equity == 1.0).all()


def test_no_signal_and_no_strategy_leave_the_capital_alone(history, log):
    account = PortfolioSettings()
    nothing = claims_of(log.take(np.zeros(log.signals, dtype=np.bool_)), history)
    for claims in ([], [nothing]):
        found = simulate_portfolio(claims, history, shares(history), account)
        assert (found.equity == account.initial_capital).all()
        assert not found.positions.any()


def test_a_signal_without_a_stop_holds_no_slot():
    """Of prices that stood still the ATR is 0: the stream labels no trade, none is to be had."""
    close = 100.0 + np.concatenate([np.arange(60), np.full(80, 60.0), np.arange(61, 121)])
    values = np.column_stack([close, close, close, close, np.ones(200)])
    moving = values.copy()
    moving[:, 1] += 1.0
    moving[:, 2] -= 1.0
    bars = BarHistory(
        ("A", "B"),
        "1d",
        np.array([0, 200, 400]),
        np.tile(np.arange(1, 201) * DAY_NS, 2),
        np.concatenate([values, moving]),
    )
    keltner = StrategySettings(name="keltner_breakout", overlapping=True)
    decisions = decisions_of(keltner, bars)
    # A strategy's entry is taken back there, a signal from outside is not.
    decisions[80:140, :3], decisions[80:140, ATR] = (1.0, 1.0, np.nan), 0.0
    log = trades_of(keltner, bars, decisions)
    is_dead = (log.entry_row < 0) & (log.signal_row < 199)
    assert (log.slot[is_dead] == 0).all()
    assert is_dead.sum() > 20
    account = PortfolioSettings(max_positions=1, initial_capital=1e6)
    found = simulate_portfolio([claims_of(log, bars)], bars, shares(bars), account)
    (positions,) = found.by_strategy
    assert set(positions.fate[is_dead]) == {NO_STOP}
    assert ((positions.fate == TAKEN) & ~is_dead).any()


def test_a_symbol_that_left_the_market_gives_its_slot_back():
    """A position in it stays worth its last close; bars that come after all bring it back."""
    days = 300
    close = 100.0 + np.arange(days) * 0.5
    values = np.column_stack([close, close + 1.0, close - 1.0, close, np.ones(days)])
    ts = np.arange(1, days + 1) * DAY_NS
    gone_at = 100
    bars = BarHistory(
        ("A", "B"),
        "1d",
        np.array([0, gone_at, gone_at + days]),
        np.concatenate([ts[:gone_at], ts]),
        np.concatenate([values[:gone_at], values]),
    )
    log = run_strategy(StrategySettings(name="keltner_breakout", overlapping=True), bars)
    held_to_the_end = log.take((log.slot == 0) & (log.exit_row < 0) & (log.entry_row >= 0))
    after = log.take((log.slot == 1) & (log.signal_row > gone_at + gone_at))
    both = TradeLog._make(np.concatenate(pair) for pair in zip(held_to_the_end, after, strict=True))
    account = PortfolioSettings(max_positions=1, max_leverage=100.0)
    found = simulate_portfolio([claims_of(both, bars)], bars, shares(bars), account)
    (positions,) = found.by_strategy
    taken = np.flatnonzero(positions.fate == TAKEN)
    assert both.slot[taken[:2]].tolist() == [0, 1]
    # Not before it is plain that no bar comes.
    assert bars.ts[both.signal_row[taken[1]]] == ts[gone_at - 1] + GONE_NS + DAY_NS
    worth = positions.quantity[taken[0]] * (close[gone_at - 1] - both.entry_price[taken[0]] - 0.02)
    quiet = (found.ts > ts[gone_at]) & (found.ts <= ts[gone_at - 1] + GONE_NS)
    np.testing.assert_allclose(found.equity[quiet], account.initial_capital + worth)
    assert found.gross_exposure[quiet].min() > 0.0


def test_what_is_decided_at_the_last_close_is_known_there(history, log):
    """A history that ends at a close says of it what one that goes on says."""
    account = PortfolioSettings(max_positions=2)
    whole = simulate_portfolio([claims_of(log, history)], history, shares(history), account)
    for cut_ts in history.instants[1500:1530].tolist():
        cut = history.between(0, cut_ts)
        again = run_strategy(StrategySettings(name="rsi2_mean_reversion", overlapping=True), cut)
        found = simulate_portfolio([claims_of(again, cut)], cut, shares(cut), account)
        known = len(found.ts)
        for name in ("equity", "tied_up", "traded", "positions"):
            assert getattr(found, name).tobytes() == getattr(whole, name)[:known].tobytes(), name
        is_known = history.ts[log.signal_row] <= cut_ts
        for mine, theirs in zip(found.by_strategy[0][:2], whole.by_strategy[0][:2], strict=True):
            assert mine.tolist() == theirs[is_known].tolist()
