"""The trade rule, branch by branch, against figures worked out by hand."""

import numba
import numpy as np
import pytest

from engine.settings import CostSettings
from engine.trade import REASON_NAMES, TRADE, cost_of_side, new_trade, settle, stop_of
from engine.virtual_positions import hold_on

FREE = CostSettings(bps_per_side=0.0)


@numba.njit(error_model="numpy")
def is_flat_after(trades, held, ts, bar, exit_long, exit_short):
    return hold_on(trades, held, 0, ts, bar, exit_long, exit_short)


def run(bars, *, side=1, price=100.0, stop=95.0, target_r=0.0, max_hold_bars=0, exits=()):
    """Advance one trade over (open, high, low, close) rows; ts counts from 1.

    `exits` are the ts whose close carries the exit flag. Returns (record, closed)."""
    trades = np.zeros(1, dtype=TRADE)
    trades[0] = new_trade(
        side=side, price=price, stop=stop, target_r=target_r, max_hold_bars=max_hold_bars, rule=-1
    )
    held = np.ones(1, dtype=np.bool_)
    for ts, bar in enumerate(bars, start=1):
        flag = float(ts in exits)
        flags = (flag, 0.0) if side > 0 else (0.0, flag)
        if is_flat_after(trades, held, ts, np.array(bar), *flags):
            return trades[0], True
    return trades[0], False


def closing(bars, **rule):
    record, closed = run(bars, **rule)
    assert closed
    return (
        int(record["entry_ts"]),
        float(record["entry_price"]),
        int(record["exit_ts"]),
        float(record["exit_price"]),
        REASON_NAMES[int(record["reason"])],
        float(record["risk"]),
    )


QUIET = (101.0, 103.0, 99.0, 102.0)


def test_entry_is_the_next_open_and_a_signalled_exit_the_open_after_the_flag():
    bars = [QUIET, (102.0, 104.0, 100.0, 103.0), (105.0, 106.0, 104.0, 105.0)]
    assert closing(bars, exits={2}) == (1, 101.0, 3, 105.0, "signal", 6.0)


def test_an_exit_flag_at_the_close_of_the_entry_bar_leaves_at_the_next_open():
    bars = [QUIET, (98.0, 99.0, 97.0, 98.0)]
    assert closing(bars, exits={1}) == (1, 101.0, 2, 98.0, "signal", 6.0)


def test_an_exit_flag_of_the_other_side_is_nothing():
    _, closed = run([QUIET, QUIET], side=-1, stop=110.0, exits=())
    assert not closed
    record, _ = run([QUIET], side=1, exits=())
    assert int(record["bars_held"]) == 1


@pytest.mark.parametrize(("open_", "exit_"), [(94.0, 94.0), (95.0, 95.0)])
def test_an_entry_gapping_to_or_through_the_stop_leaves_at_the_same_open(open_, exit_):
    bars = [(open_, 97.0, 93.0, 96.0)]
    assert closing(bars) == (1, open_, 1, exit_, "gap", 5.0)


def test_the_entry_bar_can_stop_the_trade():
    assert closing([(101.0, 102.0, 94.5, 95.5)]) == (1, 101.0, 1, 95.0, "stop", 6.0)


def test_touching_the_stop_is_enough():
    assert closing([(101.0, 102.0, 95.0, 100.0)])[3:5] == (95.0, "stop")


def test_a_gap_through_the_stop_fills_at_the_open():
    bars = [QUIET, (90.0, 92.0, 88.0, 91.0)]
    assert closing(bars) == (1, 101.0, 2, 90.0, "stop", 6.0)


def test_an_exit_decided_yesterday_comes_before_todays_stop():
    bars = [QUIET, (90.0, 92.0, 88.0, 91.0)]
    assert closing(bars, exits={1}) == (1, 101.0, 2, 90.0, "signal", 6.0)


def test_the_target_stands_target_r_risks_from_the_entry():
    bars = [QUIET, (102.0, 107.5, 101.0, 103.0)]
    # entry 101, R 6: the target of 1 R is 107.
    assert closing(bars, target_r=1.0) == (1, 101.0, 2, 107.0, "target", 6.0)


def test_a_bar_that_touches_stop_and_target_is_a_stop():
    bars = [(101.0, 108.0, 94.0, 100.0)]
    assert closing(bars, target_r=1.0)[3:5] == (95.0, "stop")


def test_an_open_beyond_the_target_fills_there_even_if_the_stop_is_touched_later():
    bars = [QUIET, (109.0, 110.0, 94.0, 95.0)]
    assert closing(bars, target_r=1.0)[3:5] == (109.0, "target")


def test_time_runs_out_at_the_open_after_max_hold_bars():
    bars = [QUIET, QUIET, (104.0, 105.0, 103.0, 104.0)]
    assert closing(bars, max_hold_bars=2) == (1, 101.0, 3, 104.0, "time", 6.0)


def test_a_signalled_exit_names_the_reason_where_time_runs_out_too():
    bars = [QUIET, QUIET, (104.0, 105.0, 103.0, 104.0)]
    assert closing(bars, max_hold_bars=2, exits={2})[4] == "signal"


def test_without_a_maximum_a_trade_is_held():
    record, closed = run([QUIET] * 500)
    assert not closed
    assert int(record["bars_held"]) == 500


def test_shorts_are_the_mirror_image():
    mirror = {"side": -1, "price": 100.0, "stop": 105.0}
    calm = (99.0, 101.0, 97.0, 98.0)
    assert closing([(106.0, 107.0, 104.0, 105.0)], **mirror) == (1, 106.0, 1, 106.0, "gap", 5.0)
    assert closing([calm, (100.0, 105.0, 99.0, 101.0)], **mirror)[3:] == (105.0, "stop", 6.0)
    down = (97.0, 98.0, 92.0, 94.0)
    assert closing([calm, down], target_r=1.0, **mirror)[3:5] == (93.0, "target")
    assert closing([calm, down], exits={1}, **mirror)[3:5] == (97.0, "signal")
    assert closing([calm, (110.0, 111.0, 90.0, 95.0)], target_r=1.0, **mirror)[3:5] == (
        110.0,
        "stop",
    )


def test_costs_are_paid_once_on_each_side():
    costs = CostSettings(
        bps_per_side=10.0, commission_per_side=0.02, slippage_ticks=2.0, tick_size=0.01
    )
    assert cost_of_side(costs, 100.0) == pytest.approx(0.1 + 0.02 + 0.02)
    figures = settle(1, 100.0, 110.0, 5.0, costs)
    # 10 gross, less 0.14 on the entry and 0.15 on the exit.
    assert figures.y_pnl_gross == 10.0
    assert figures.y_pnl_net == pytest.approx(9.71)
    assert figures.y_return == pytest.approx(0.1)
    assert figures.r_multiple == pytest.approx(9.71 / 5.0)
    assert figures.y_binary == 1


def test_a_trade_that_only_covers_its_costs_is_no_win():
    assert settle(1, 100.0, 100.0, 5.0, FREE).y_binary == 0
    assert settle(1, 100.0, 100.1, 5.0, CostSettings(bps_per_side=10.0)).y_binary == 0
    short = settle(-1, 100.0, 90.0, 5.0, FREE)
    assert (short.y_pnl_net, short.r_multiple, short.y_binary) == (10.0, 2.0, 1)
    assert short.y_return == pytest.approx(0.1)


def test_without_a_stop_the_signal_gets_one_some_atr_away():
    assert stop_of(1, 100.0, None, 2.0, 1.5) == 97.0
    assert stop_of(-1, 100.0, None, 2.0, 1.5) == 103.0
    assert stop_of(1, 100.0, 99.0, 2.0, 1.5) == 99.0
