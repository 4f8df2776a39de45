"""A trade that was really closed is a second outcome of its signal."""

import msgspec
import pytest

from engine.labeller import Labeller
from engine.labels import real_trades
from streams.errors import WireError
from streams.events import Trade
from tests.engine.labelling import EXTERNAL, answered, bar, outcomes

QUIET = (100.0, 102.0, 98.0, 101.0)
TRADE = Trade("s1", 20, 30, 101.0, 104.0, 10.0, 25.0, True)


def feed(labeller: Labeller, *events) -> list:
    return outcomes([answer for event in events for answer in labeller.step(event)])


def changed(**changes: object) -> Trade:
    return msgspec.structs.replace(TRADE, **changes)


def test_a_trade_is_told_beside_the_virtual_outcome():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), answered(1))
    (answer,) = labeller.step(TRADE)
    outcome = answer.event
    assert (answer.identity, answer.subject) == ("s1:real", "outcomes.ext.AAA")
    assert (outcome.virtual, outcome.exit_reason) == (False, "trade")
    assert (outcome.entry_ts, outcome.exit_ts) == (20, 30)
    assert (outcome.y_pnl_gross, outcome.y_pnl_net, outcome.y_binary) == (3.0, 2.5, 1)
    # Per unit, and R from the signal's stop: 2.5 over 101 - 95.
    assert outcome.r_multiple == pytest.approx(2.5 / 6.0)
    assert outcome.y_return == pytest.approx(3.0 / 101.0)
    assert [o.virtual for o in feed(labeller, bar(2, 90, 91, 89, 90))] == [True]


def test_a_trade_may_come_before_its_answer():
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, TRADE) == []
    (outcome,) = feed(labeller, answered(1))
    assert not outcome.virtual


def test_without_a_stop_the_trade_waits_for_the_signals_bar():
    bars = [bar(ts, 100, 101, 99, 100) for ts in range(1, 21)]
    early = Labeller((EXTERNAL,))
    assert feed(early, TRADE, answered(20, stop=None), *bars[:-1]) == []
    (first,) = feed(early, bars[-1])
    late = Labeller((EXTERNAL,))
    (second,) = feed(late, *bars, answered(20, stop=None), TRADE)
    # ATR 2, twice below the signal's 100: the stop is 96, the risk of an entry at 101 is 5.
    assert first == second
    assert first.r_multiple == pytest.approx(0.5)


def test_parts_are_put_together_by_quantity():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), answered(1))
    first = changed(exit_ts=25, exit_price=108.0, quantity=5.0, pnl_net=30.0, final=False)
    last = changed(exit_price=104.0, quantity=15.0, pnl_net=30.0)
    assert feed(labeller, first, first) == []
    (outcome,) = feed(labeller, last)
    assert outcome.exit_price == pytest.approx(105.0)
    assert outcome.y_pnl_net == pytest.approx(3.0)
    assert (outcome.entry_ts, outcome.exit_ts) == (20, 30)


def test_a_trade_is_told_once():
    labeller = Labeller((EXTERNAL,))
    assert len(feed(labeller, answered(1), TRADE, TRADE, changed(pnl_net=1.0))) == 1


def test_a_trade_of_nobodys_signal_is_kept_within_bounds(monkeypatch):
    monkeypatch.setattr(real_trades, "TRADES_WAITING_MAX", 2)
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, *(changed(signal_id=f"s{i}") for i in range(1, 4))) == []
    assert feed(labeller, answered(1, "s1")) == []
    assert len(feed(labeller, answered(1, "s2"), answered(1, "s3"))) == 2


def test_old_signals_are_forgotten(monkeypatch):
    monkeypatch.setattr(real_trades, "SIGNALS_REMEMBERED_MAX", 2)
    labeller = Labeller((EXTERNAL,))
    feed(labeller, *(answered(1, f"s{i}") for i in range(1, 4)))
    assert feed(labeller, TRADE) == []
    assert len(feed(labeller, changed(signal_id="s3"))) == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"quantity": 0.0}, "quantity must be finite and > 0, was 0.0"),
        ({"entry_price": float("nan")}, "entry_price must be finite and > 0, was nan"),
        ({"pnl_net": float("inf")}, "pnl_net must be finite, was inf"),
        ({"exit_ts": 19}, "entry_ts <= exit_ts"),
    ],
)
def test_a_trade_that_cannot_be_is_refused(changes, text):
    with pytest.raises(WireError, match=text):
        Labeller((EXTERNAL,)).step(changed(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"entry_price": 0.1, "quantity": 5e-324},
        {"entry_price": 1e-300, "exit_price": 1e300},
        {"pnl_net": 1e308, "quantity": 1e-10},
    ],
)
def test_a_trade_of_no_finite_figures_is_not_told(changes):
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), answered(1))
    assert feed(labeller, changed(**changes)) == []
