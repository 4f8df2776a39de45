"""Training data is what the stream served and said of the same bars, bit for bit."""

import msgspec
import numpy as np
import polars as pl
import pytest

from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import CostSettings, LabelSettings, StrategySettings
from engine.simulation import simulate
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.events import Outcome, Scored
from streams.session import session
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.research.histories import read_history

SOURCE = SourceSettings(kind="sample", symbols=("AAPL", "IBM", "MSFT"))
COSTS = CostSettings(bps_per_side=1.5, commission_per_side=0.01, slippage_ticks=1.0)
BARRIER = LabelSettings(rule="triple_barrier", target_r=1.5, max_hold_bars=12)
CASES = {
    "own exit": (StrategySettings("rsi2_mean_reversion", costs=COSTS), NO_CONTEXT),
    "every event": (StrategySettings("rsi2_mean_reversion", overlapping=True), NO_CONTEXT),
    "triple barrier": (StrategySettings("breakout", overlapping=True, label=BARRIER), NO_CONTEXT),
    "context": (
        StrategySettings("breakout", symbols=("IBM",)),
        ContextSettings(market="MSFT", breadth=True),
    ),
}


@pytest.mark.parametrize(("settings", "context"), CASES.values(), ids=CASES.keys())
def test_rows_are_what_the_stream_served_and_said(
    settings: StrategySettings, context: ContextSettings
):
    features, market = load_feature_set(), session("us_equity")
    said = list(simulate(bar_frames(SOURCE), (settings,), features, market, context=context))
    served = {one.signal_id: one for one in said if isinstance(one, Scored)}
    outcomes = {one.signal_id: one for one in said if isinstance(one, Outcome)}
    extractor = FeatureExtractor(context=context, session="us_equity")
    frame = extractor.extract_history(settings, read_history(SOURCE))
    assert len(frame) == len(outcomes) > 20
    names = vector_names(features.names, ())
    vectors = frame.select(names).to_numpy()
    assert vectors.dtype == np.float32
    for row, vector in zip(frame.iter_rows(named=True), vectors, strict=True):
        outcome = outcomes[row["signal_id"]]
        assert vector.tobytes() == served[row["signal_id"]].inputs
        assert _told(row) == _expected(outcome)


def _told(row: dict[str, object]) -> tuple[object, ...]:
    names = ("symbol", "side", "Entry_Price", "Exit_Price", "y_return", "r_multiple", "y_pnl_gross")
    return tuple(row[name] for name in (*names, "y_pnl_usd", "y_binary", "exit_reason"))


def _expected(outcome: Outcome) -> tuple[object, ...]:
    # Shares: a point of price is a dollar.
    names = ("symbol", "side", "entry_price", "exit_price", "y_return", "r_multiple", "y_pnl_gross")
    return tuple(
        getattr(outcome, name) for name in (*names, "y_pnl_net", "y_binary", "exit_reason")
    )


def test_times_are_the_closes_of_signal_entry_and_exit():
    settings = StrategySettings("rsi2_mean_reversion")
    said = simulate(bar_frames(SOURCE), (settings,), load_feature_set(), session("us_equity"))
    outcomes = {one.signal_id: one for one in said if isinstance(one, Outcome)}
    frame = FeatureExtractor().extract_history(settings, read_history(SOURCE))
    columns = ("signal_id", "label_start", "Date/Time", "Exit Date/Time", "label_end")
    times = frame.select(pl.col("signal_id"), pl.col(columns[1:]).cast(pl.Int64))
    for signal_id, start, entry, exit_, end in times.iter_rows():
        one = outcomes[signal_id]
        assert (start, entry, exit_, end) == (one.ts, one.entry_ts, one.exit_ts, one.exit_ts)
        assert start < entry <= exit_


def test_the_label_and_overlap_of_the_extractor_stand_in_for_the_strategys():
    history = read_history(SOURCE)
    plain = StrategySettings("rsi2_mean_reversion")
    given = FeatureExtractor(label=BARRIER, overlapping=True).extract_history(plain, history)
    own = msgspec.structs.replace(plain, label=BARRIER, overlapping=True)
    assert given.equals(FeatureExtractor().extract_history(own, history))
    assert len(given) > len(FeatureExtractor().extract_history(plain, history))
