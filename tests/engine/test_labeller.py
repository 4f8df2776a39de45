"""Every signal gets one outcome by one rule; what gets none is counted."""

import gc

import msgspec
import numpy as np
import pytest

from engine import labeller as labeller_module
from engine.indicators import ATR_BARS, average_true_range
from engine.labeller import Labeller
from engine.labels.label_kernels import RING_BARS
from engine.settings import CostSettings, LabelSettings, StrategySettings
from engine.strategist import Strategist
from models.history import HISTORY_SIZE, push
from streams.columns import pack_bars
from streams.events import Progress, Reset
from tests.engine.labelling import EXTERNAL, FREE, answer_to, answered, bar, outcomes
from tests.engine.market import random_bars

QUIET = (100.0, 102.0, 98.0, 101.0)


def feed(labeller: Labeller, *events) -> list:
    return outcomes([answer for event in events for answer in labeller.step(event)])


def test_an_outcome_says_what_happened():
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, bar(1, *QUIET), answered(1), bar(2, 101, 103, 99, 102)) == []
    (outcome,) = feed(labeller, bar(3, 103, 107.5, 102, 104))
    assert (outcome.entry_ts, outcome.entry_price) == (2, 101.0)
    assert (outcome.exit_ts, outcome.exit_price, outcome.exit_reason) == (3, 107.0, "target")
    assert (outcome.y_pnl_gross, outcome.y_pnl_net, outcome.r_multiple) == (6.0, 6.0, 1.0)
    assert outcome.y_return == pytest.approx(6.0 / 101.0)
    assert (outcome.y_binary, outcome.virtual, outcome.accepted) == (1, True, True)
    assert (outcome.probability, outcome.model, outcome.ts) == (0.6, "m1", 1)


def test_an_outcome_is_named_by_its_signal_not_by_what_came_last():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), answered(1))
    (answer,) = labeller.step(bar(2, 90, 91, 89, 90))
    assert answer.subject == "outcomes.ext.AAA"
    assert answer.identity == "s1:virtual"


def test_a_rejected_signal_is_labelled_like_any_other():
    (accepted,) = feed(Labeller((EXTERNAL,)), bar(1, *QUIET), answered(1), bar(2, 90, 91, 89, 90))
    (rejected,) = feed(
        Labeller((EXTERNAL,)), bar(1, *QUIET), answered(1, accepted=False), bar(2, 90, 91, 89, 90)
    )
    assert accepted.r_multiple == rejected.r_multiple
    assert (accepted.accepted, rejected.accepted) == (True, False)


def test_costs_are_paid_once_on_each_side():
    costly = StrategySettings(
        name="ext",
        kind="external",
        label=LabelSettings(rule="triple_barrier"),
        costs=CostSettings(bps_per_side=10.0, commission_per_side=0.1),
    )
    (outcome,) = feed(Labeller((costly,)), bar(1, *QUIET), answered(1), bar(2, 100, 106, 99, 105))
    # Entry 100, target 105: .1 + .1 in, .105 + .1 out.
    assert outcome.y_pnl_gross == pytest.approx(5.0)
    assert outcome.y_pnl_net == pytest.approx(5.0 - 0.2 - 0.205)
    assert outcome.r_multiple == pytest.approx(outcome.y_pnl_net / 5.0)


def test_without_a_stop_the_risk_is_a_multiple_of_atr_as_of_the_signals_bar():
    labeller = Labeller((EXTERNAL,))
    bars = [bar(ts, 100, 101, 99, 100) for ts in range(1, 31)]
    feed(labeller, *bars, answered(30, stop=None))
    # ATR 2, two of them below 100: the stop is 96, from an entry at 99 the risk is 3.
    (outcome,) = feed(labeller, bar(31, 99, 99.5, 95, 96))
    assert (outcome.exit_price, outcome.exit_reason, outcome.r_multiple) == (96.0, "stop", -1.0)


@pytest.mark.parametrize("reset_at", [0, 5, 30])
def test_the_labellers_atr_is_the_strategies(reset_at):
    """Bit for bit, so that a stop drawn here is the stop drawn there; anew after a reset."""
    state = np.zeros(HISTORY_SIZE)
    labeller = Labeller((EXTERNAL,))
    for i, one in enumerate(random_bars(count=4 * ATR_BARS)):
        if i == reset_at:
            state[:] = 0.0
            feed(labeller, Reset("AAA", one.ts, "split"))
        prices = (one.open, one.high, one.low, one.close, one.volume)
        feed(labeller, one)
        assert labeller._series.atr_at(0, i) == average_true_range(push(state, one.ts, *prices))


def test_many_trades_of_a_series_are_open_at_once():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), *(answered(1, f"s{i}", stop=95.0 - i) for i in range(50)))
    found = feed(labeller, bar(2, 100, 101, 80.5, 90))
    assert [o.signal_id for o in found] == [f"s{i}" for i in range(15)]
    found = feed(labeller, *(bar(ts, 90, 91, 85, 90) for ts in range(3, 8)))
    assert {o.exit_reason for o in found} == {"time"}
    assert [o.signal_id for o in found] == [f"s{i}" for i in range(15, 50)]


def test_a_strategys_own_exit_closes_its_trades():
    settings = StrategySettings(
        name="rsi2",
        kind="rsi2_mean_reversion",
        params={"trend_ma": 50, "entry": 30.0, "max_hold_bars": 4},
        costs=FREE,
    )
    strategist, labeller = Strategist((settings,)), Labeller((settings,))
    found, made = [], []
    for one in random_bars(count=900):
        found += feed(labeller, one)
        for answer in strategist.step(one):
            made.append(answer.event)
            found += feed(labeller, answer_to(answer.event))
    assert {o.exit_reason for o in found} >= {"signal", "time"}
    # One position at a time: the strategist was flat again when it signalled anew.
    for earlier, later in zip(found, made[1:], strict=False):
        assert earlier.exit_ts <= later.ts
    assert len(made) - len(found) in (0, 1)


def test_a_built_in_strategy_can_be_labelled_by_a_triple_barrier():
    settings = StrategySettings(
        name="breakout",
        label=LabelSettings(rule="triple_barrier", target_r=0.5, max_hold_bars=3),
        costs=FREE,
    )
    labeller = Labeller((settings,))
    found = feed(
        labeller, bar(1, *QUIET), answered(1, strategy="breakout"), bar(2, 100, 103, 99, 102)
    )
    assert [(o.exit_reason, o.exit_price) for o in found] == [("target", 102.5)]


def test_an_answer_waits_for_its_bar():
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, answered(2), bar(1, *QUIET), bar(2, *QUIET)) == []
    (outcome,) = feed(labeller, bar(3, 90, 91, 89, 90))
    assert (outcome.entry_ts, outcome.exit_reason) == (3, "gap")


def test_a_late_answer_is_walked_over_the_bars_that_came_since():
    labeller = Labeller((EXTERNAL,))
    bars = [bar(ts, *QUIET) for ts in range(1, RING_BARS + 1)]
    (outcome,) = feed(labeller, *bars, answered(1))
    assert (outcome.entry_ts, outcome.exit_ts, outcome.exit_reason) == (2, 7, "time")


def test_an_answer_older_than_the_ring_gets_no_outcome_and_is_counted():
    labeller = Labeller((EXTERNAL,))
    bars = [bar(ts, *QUIET) for ts in range(1, RING_BARS + 2)]
    assert feed(labeller, *bars, answered(1)) == []
    assert labeller.dropped == {"beyond_ring": 1}
    assert len(feed(labeller, answered(2, "s2"))) == 1


def test_an_answer_without_a_bar_gets_no_outcome_early_or_late():
    for order in (0, 1):
        labeller = Labeller((EXTERNAL,))
        bars = [bar(ts, *QUIET) for ts in (1, 3, 4, 5, 6, 7, 8, 9)]
        events = [*bars, answered(2)] if order else [answered(2), *bars]
        assert feed(labeller, *events) == []
        assert labeller.dropped == {"no_bar": 1}


def test_a_signal_is_labelled_once():
    labeller = Labeller((EXTERNAL,))
    closing = bar(2, 90, 91, 89, 90)
    assert len(feed(labeller, bar(1, *QUIET), answered(1), answered(1), closing)) == 1
    assert feed(labeller, answered(1), bar(3, *QUIET)) == []


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"reasons": ("invalid:stop",)}, "invalid"),
        ({"reasons": ("no_bar",)}, "no_bar"),
        ({"reasons": ("too_late", "no_model")}, "too_late"),
        ({"strategy": "nobody"}, "unknown_strategy"),
    ],
)
def test_what_the_scorer_could_not_honour_gets_no_outcome(changes, counted):
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, bar(1, *QUIET), answered(1, **changes), bar(2, 90, 91, 89, 90)) == []
    assert labeller.dropped == {counted: 1}


def test_an_invalid_repeat_does_not_stand_in_for_the_signal():
    labeller = Labeller((EXTERNAL,))
    refused = answered(1, side=0, reasons=("invalid:side",))
    assert len(feed(labeller, bar(1, *QUIET), refused, answered(1), bar(2, 90, 91, 89, 90))) == 1


def test_a_market_that_has_not_moved_has_no_risk_to_measure_by():
    labeller = Labeller((EXTERNAL,))
    flat = [bar(ts, 100, 100, 100, 100) for ts in range(1, 20)]
    assert feed(labeller, *flat, answered(19, stop=None), bar(20, 90, 91, 89, 90)) == []
    assert labeller.dropped == {"no_risk": 1}


def test_no_outcome_reaches_across_a_reset():
    labeller = Labeller((EXTERNAL,))
    before = [bar(ts, *QUIET) for ts in (1, 2, 3)]
    after = [bar(ts, 50, 51, 49, 50) for ts in range(4, 20)]
    found = feed(labeller, *before, answered(2), Reset("AAA", 3, "split"), *after)
    assert found == []
    assert labeller.dropped == {"reset": 1}
    assert feed(labeller, answered(3, "late")) == []
    assert labeller.dropped == {"reset": 2}
    (outcome,) = feed(labeller, answered(4, "new", price=50.0, stop=45.0), bar(20, *QUIET))
    assert (outcome.entry_ts, outcome.exit_reason) == (5, "time")


def test_a_reset_drops_the_trade_of_a_signal_that_is_answered_behind_it_at_once():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), Reset("AAA", 1, "split"), answered(1))
    assert (labeller.trades_open, labeller.dropped) == (0, {"reset": 1})


@pytest.mark.parametrize("answered_at", range(9))
def test_where_a_reset_goes_back_in_time_a_signals_bar_is_the_first_to_come(answered_at):
    bars = [bar(ts, *QUIET) for ts in (10, 20, 30)]
    again = [bar(ts, *QUIET) for ts in (5, 15, 25, 35)]
    events = [*bars, Reset("AAA", 30, "correction"), *again]
    events.insert(answered_at, answered(15))
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, *events) == []
    assert labeller.dropped == {"no_bar": 1}


def test_an_outcome_complete_before_a_reset_is_told_after_it():
    labeller = Labeller((EXTERNAL,))
    before = [bar(ts, *QUIET) for ts in range(1, 10)]
    (outcome,) = feed(labeller, *before, Reset("AAA", 9, "split"), answered(1))
    assert (outcome.exit_ts, outcome.exit_reason) == (7, "time")


def test_a_reset_concerns_its_symbol_only():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), bar(1, *QUIET, symbol="BBB"))
    feed(labeller, answered(1), answered(1, "b", symbol="BBB"), Reset("AAA", 1, "split"))
    found = feed(labeller, bar(2, 90, 91, 89, 90), bar(2, 90, 91, 89, 90, symbol="BBB"))
    assert [o.signal_id for o in found] == ["b"]


def test_what_waits_and_what_is_open_is_bounded(monkeypatch):
    monkeypatch.setattr(labeller_module, "PENDING_SIGNALS_MAX", 4)
    monkeypatch.setattr(labeller_module, "OPEN_TRADES_MAX", 3)
    labeller = Labeller((EXTERNAL,))
    feed(labeller, *(answered(1, f"s{i}") for i in range(3)))
    assert labeller.answers_must_wait
    feed(labeller, *(answered(1, f"s{i}") for i in range(3, 6)))
    assert labeller.dropped == {"limit": 2}
    feed(labeller, bar(1, *QUIET))
    assert labeller.dropped == {"limit": 3}
    assert not labeller.answers_must_wait
    assert len(feed(labeller, bar(2, 90, 91, 89, 90))) == 3


def test_only_the_symbols_of_its_own_are_labelled():
    labeller = Labeller((EXTERNAL,), owns=lambda symbol: symbol == "BBB")
    assert feed(labeller, bar(1, *QUIET), answered(1), bar(2, 90, 91, 89, 90)) == []
    assert labeller.progress_ts == 1


def scorer_at(ts: int, shard: int = 0, role: str = "scorer", shards: int = 1) -> Progress:
    return Progress(role, shard, ts, 1, shards)


def test_progress_is_that_of_the_slower_of_bars_and_scorers():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), bar(2, *QUIET), bar(3, *QUIET))
    assert labeller.progress_ts == 2
    feed(labeller, scorer_at(1), scorer_at(9, role="strategies"))
    assert labeller.progress_ts == 1
    feed(labeller, scorer_at(9), scorer_at(3))
    assert labeller.progress_ts == 2


def test_the_slowest_scorer_counts_and_one_that_is_gone_with_a_larger_generation_does_not():
    labeller = Labeller((EXTERNAL,), waits_for_scorer=True)
    feed(labeller, bar(1, *QUIET), bar(2, *QUIET), bar(3, *QUIET))
    feed(labeller, scorer_at(3, shards=2))
    assert labeller.progress_ts == 0
    assert labeller.bars_must_wait(4)
    feed(labeller, scorer_at(1, shard=1, shards=2))
    assert labeller.progress_ts == 1
    # Shard 1 is dead, and one scorer goes on in place of two.
    feed(labeller, scorer_at(3))
    assert labeller.progress_ts == 2
    assert not labeller.bars_must_wait(4)


def test_where_scorers_report_nothing_is_promised_before_they_do():
    labeller = Labeller((EXTERNAL,), waits_for_scorer=True)
    feed(labeller, bar(1, *QUIET), bar(2, *QUIET))
    assert labeller.progress_ts == 0
    feed(labeller, scorer_at(1))
    assert labeller.progress_ts == 1


def test_bars_of_an_instant_wait_for_the_answers_to_the_one_before():
    labeller = Labeller((EXTERNAL,), waits_for_scorer=True)
    assert not labeller.bars_must_wait(1)
    feed(labeller, bar(1, *QUIET))
    assert not labeller.bars_must_wait(1)
    assert labeller.bars_must_wait(2)
    feed(labeller, scorer_at(1))
    assert not labeller.bars_must_wait(2)
    feed(labeller, bar(2, *QUIET))
    assert labeller.bars_must_wait(3)


def test_of_a_frame_the_earliest_bar_counts_that_is_new_and_can_be():
    labeller = Labeller((EXTERNAL,), waits_for_scorer=True)
    feed(labeller, bar(1, *QUIET), bar(2, *QUIET), bar(3, *QUIET), scorer_at(1))
    known, new = bar(3, *QUIET), bar(4, *QUIET)
    impossible = msgspec.structs.replace(bar(9, *QUIET), close=-1.0)
    assert labeller.must_wait(new)
    assert labeller.must_wait(pack_bars([new]))
    assert labeller.must_wait(pack_bars([known, new]))
    assert not labeller.must_wait(pack_bars([known]))
    assert not labeller.must_wait(impossible)
    assert not labeller.must_wait(pack_bars([known, impossible]))
    late = bar(2, *QUIET, symbol="BBB")
    assert not labeller.must_wait(pack_bars([late, bar(5, *QUIET, symbol="BBB")]))
    feed(labeller, scorer_at(3))
    assert not labeller.must_wait(pack_bars([known, new]))


def test_the_served_vector_is_not_kept():
    labeller = Labeller((EXTERNAL,))
    feed(labeller, bar(1, *QUIET), answered(1, inputs=b"\x01" * 400, features={"a": 1.0}))
    kept = labeller._real._signals["s1"]
    assert kept.inputs == b""
    assert "features" not in kept.__struct_fields__
    assert gc.is_tracked(kept) is False


def test_a_signal_whose_stop_falls_on_its_price_gets_no_outcome():
    labeller = Labeller((EXTERNAL,))
    assert feed(labeller, bar(1, *QUIET), answered(1, price=1e17, stop=None)) == []
    assert feed(labeller, bar(2, *QUIET)) == []
    assert labeller.dropped["no_risk"] == 1
