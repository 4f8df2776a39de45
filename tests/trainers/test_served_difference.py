"""What was served is compared with what the bars say now, and the difference has a name."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.backtests.bar_history import BarHistory
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import StrategySettings
from engine.simulation import simulate
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.errors import DataError
from streams.events import Bar
from streams.session import session
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from tests.trainers.samples import dataset_of
from trainers import vector_comparison
from trainers.backtest_samples import register_run
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import Dataset
from trainers.dataset_frames import dataset_of_frame
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.recomputed_vectors import recompute_vectors
from trainers.research.histories import read_history
from trainers.served_difference import ServedDifference, compare_vectors

SYMBOLS = ("AAPL", "IBM", "MSFT")
SOURCE = SourceSettings(kind="sample", symbols=SYMBOLS)
STRATEGY = StrategySettings("bollinger_reversion", overlapping=True)
MARKET = session("us_equity")
FEATURES = load_feature_set()
NAMES = vector_names(FEATURES.names, ())
INSTANTS = 900
CONTEXT = ContextSettings(market="MSFT")

Frames = Sequence[Sequence[Bar]]


def sample_frames() -> list[list[Bar]]:
    frames = bar_frames(SOURCE)
    return [next(frames) for _ in range(INSTANTS)]


def history_of_frames(frames: Frames) -> BarHistory:
    whole = read_history(SOURCE)
    last_ts = frames[-1][0].ts
    kept = whole.ts <= last_ts
    starts = np.concatenate(([0], np.cumsum(np.bincount(whole.slots[kept], minlength=3))))
    return BarHistory(whole.symbols, "1d", starts, whole.ts[kept], whole.values[kept])


FRAMES = sample_frames()
HISTORY = history_of_frames(FRAMES)


@pytest.fixture
def stream(tmp_path: Path) -> Callable[..., Dataset]:
    """The stream's own record of some bars: what was served, from its database."""

    def run(frames: Frames = FRAMES, context: ContextSettings = NO_CONTEXT) -> Dataset:
        with FeatureDatabase(tmp_path / "features.db") as database:
            collector = Collector(database, register_run(database, (STRATEGY,), FEATURES.names))
            said = simulate(frames, (STRATEGY,), FEATURES, MARKET, context=context)
            for event in said:
                collector.take(event)
            collector.flush()
            return database.read(STRATEGY.name, NAMES)

    return run


def recomputed(history: BarHistory = HISTORY, context: ContextSettings = NO_CONTEXT) -> Dataset:
    extractor = FeatureExtractor(session="us_equity", context=context)
    return dataset_of_frame(extractor.extract_history(STRATEGY, history))


def with_bar(history: BarHistory, symbol: str, number: int, **changes: float) -> BarHistory:
    values = history.values.copy()
    row = int(history.starts[history.slot_of[symbol]]) + number
    for name, factor in changes.items():
        values[row, ("open", "high", "low", "close", "volume").index(name)] *= factor
    return BarHistory(history.symbols, history.interval, history.starts, history.ts, values)


def kinds(found: ServedDifference) -> dict[str, tuple[str, ...]]:
    return {cause.kind: cause.symbols for cause in found.causes}


def test_the_streams_record_is_what_the_bars_say_bit_for_bit(stream):
    served = stream()
    assert len(served) > 100
    found = compare_vectors(served, recomputed())
    assert found.is_equal
    assert (found.matched, found.equal, found.astray) == (len(served), len(served), 0)
    assert len(found.features) == len(NAMES)
    assert found.causes == ()
    assert found.verdict == (
        f"equal bit for bit: {len(served)} signals, {len(NAMES)} features and every label"
    )
    anew = recompute_vectors(served, HISTORY, FEATURES, MARKET)
    assert anew.digest() == served.digest()


def test_what_other_symbols_did_is_recomputed_too(stream):
    served = stream(context=CONTEXT)
    assert np.isfinite(served.x[:, NAMES.index("market_return_5")]).any()
    assert compare_vectors(served, recomputed(context=CONTEXT)).is_equal
    anew = recompute_vectors(served, HISTORY, FEATURES, MARKET, CONTEXT)
    assert anew.digest() == served.digest()
    without = compare_vectors(served, recompute_vectors(served, HISTORY, FEATURES, MARKET))
    assert set(kinds(without)) == {"other_symbols"}
    by_name = {feature.name: feature for feature in without.features}
    assert by_name["market_return_5"].unknown_recomputed > 0.9
    assert by_name["market_return_5"].unknown_served == by_name["ibs"].differ == 0.0
    assert not without.is_equal


def test_a_revised_bar_shows_on_its_symbol_from_that_bar_on():
    before = recomputed()
    ours = np.flatnonzero(before.symbols == "IBM")
    row = int(ours[ours.size // 2])
    bars = HISTORY.ts[HISTORY.rows_of("IBM")]
    number = int(np.searchsorted(bars, before.ts[row]))
    revised = with_bar(HISTORY, "IBM", number, high=1.03)
    found = compare_vectors(before, recompute_vectors(before, revised, FEATURES, MARKET))
    assert kinds(found) == {"revised_bar": ("IBM",)}
    (cause,) = found.causes
    assert cause.first_ts == before.ts[row]
    assert "that bar was revised since" in found.verdict
    ibs = next(feature for feature in found.features if feature.name == "ibs")
    assert ibs.differ == pytest.approx(1 / len(before))
    assert ibs.first_signal_id == before.signal_ids[row]
    place = before.names.index("ibs")
    wanted = recompute_vectors(before, revised, FEATURES, MARKET).x[row, place]
    assert ibs.max_difference == abs(float(before.x[row, place]) - float(wanted))


def test_a_revised_bar_between_signals_is_told_from_the_first_one_that_it_moves():
    before = recomputed()
    ours = before.ts[before.symbols == "AAPL"]
    bars = HISTORY.ts[HISTORY.rows_of("AAPL")]
    quiet = next(n for n in range(500, 600) if bars[n] not in ours)
    found = compare_vectors(before, recomputed(with_bar(HISTORY, "AAPL", quiet, close=1.01)))
    assert kinds(found) == {"changed_bar": ("AAPL",)}
    (cause,) = found.causes
    assert cause.first_ts == ours[ours > bars[quiet]].min()
    assert cause.last_ts < ours.max()
    assert "AAPL (2002-" in cause.words
    assert "revised since, or came too late" in found.verdict


def test_a_late_bar_was_not_served_and_its_own_signal_neither(stream):
    """A bar that comes after the next one of its symbol is a correction, and refused."""
    before = recomputed()
    lost = int(before.ts[before.symbols == "IBM"][40])
    at = next(n for n, frame in enumerate(FRAMES) if frame[0].ts == lost)
    late = [bar for bar in FRAMES[at] if bar.symbol == "IBM"]
    kept = [bar for bar in FRAMES[at] if bar.symbol != "IBM"]
    frames = [*FRAMES[:at], kept, FRAMES[at + 1], late, *FRAMES[at + 2 :]]
    found = compare_vectors(stream(frames), before)
    assert kinds(found) == {"changed_bar": ("IBM",)}
    assert found.causes[0].first_ts > lost
    assert found.only_recomputed.first_signal_id == before.signal_ids[before.ts == lost][0]
    assert found.only_recomputed.within == found.only_recomputed.signals >= 1
    assert "or came too late to be served" in found.verdict
    assert "recomputed only" in found.verdict
    assert "within the other's span (their bar came too late" in found.verdict


def test_a_late_bar_of_the_market_shows_in_what_is_told_of_others(stream):
    before = recomputed(context=CONTEXT)
    next_ts = int(before.ts[before.symbols == "IBM"][40])
    at = next(n for n, frame in enumerate(FRAMES) if frame[0].ts == next_ts) - 1
    late = [bar for bar in FRAMES[at] if bar.symbol == "MSFT"]
    kept = [bar for bar in FRAMES[at] if bar.symbol != "MSFT"]
    # MSFT comes last in a frame: its late bar still before its next.
    frames = [*FRAMES[:at], kept, FRAMES[at + 1][:-1], late, FRAMES[at + 1][-1:], *FRAMES[at + 2 :]]
    found = compare_vectors(stream(frames, CONTEXT), before)
    (cause,) = found.causes
    assert (cause.kind, cause.first_ts) == ("other_symbols", next_ts)
    assert "IBM" in cause.symbols
    assert "MSFT" not in cause.symbols
    assert "their bars came too late or were revised" in found.verdict


def test_another_beginning_shows_in_the_first_signals_alone(stream):
    began = 120
    served = stream(FRAMES[began:])
    found = compare_vectors(served, recomputed())
    assert kinds(found) == {"warm_up": SYMBOLS}
    assert "the histories begin at different bars" in found.verdict
    by_name = {feature.name: feature for feature in found.features}
    slow = by_name["sma_distance_200"]
    assert slow.unknown_served > 0.0
    assert slow.unknown_recomputed == slow.max_difference == 0.0
    assert by_name["ibs"].differ == 0.0
    assert found.only_recomputed.before == found.only_recomputed.signals > 10
    assert "before the other's span" in found.verdict


def test_other_prices_throughout_are_no_single_bar():
    served = recomputed()
    values = HISTORY.values.copy()
    values[HISTORY.rows_of("IBM"), 1] *= 1.01
    other = BarHistory(HISTORY.symbols, "1d", HISTORY.starts, HISTORY.ts, values)
    found = compare_vectors(served, recompute_vectors(served, other, FEATURES, MARKET))
    assert kinds(found) == {"throughout": ("IBM",)}
    assert "prices adjusted since, another session" in found.verdict


def test_labels_are_compared_beside_the_vectors():
    served = recomputed()
    y, r, exit_ts = served.y.copy(), served.r_multiple.copy(), served.exit_ts.copy()
    y[3] = 1 - y[3]
    r[[3, 5]] += 0.25
    exit_ts[7] += 1
    found = compare_vectors(served, replace(served, y=y, r_multiple=r, exit_ts=exit_ts))
    assert (found.labels.y, found.labels.r_multiple, found.labels.spans) == (1, 2, 1)
    assert found.labels.first_signal_id == served.signal_ids[3]
    assert not found.is_equal
    assert "1 of another class, 2 of another R, 1 at other times" in found.verdict


def test_an_r_that_neither_side_knows_is_equal():
    served = recomputed()
    r = served.r_multiple.copy()
    r[2] = np.nan
    unknown = replace(served, r_multiple=r)
    assert compare_vectors(unknown, unknown).is_equal
    assert compare_vectors(served, unknown).labels.r_multiple == 1


def test_rounding_is_told_from_a_difference():
    served = recomputed()
    place = served.names.index("ibs")
    x = served.x.copy()
    x[4, place] = np.nextafter(x[4, place], np.float32(2))
    found = compare_vectors(served, replace(served, x=x))
    assert (found.equal, found.astray, found.causes) == (len(served) - 1, 0, ())
    assert "equal but for rounding" in found.verdict
    x[4, place] += 0.01
    assert compare_vectors(served, replace(served, x=x)).astray == 1


def test_columns_and_rows_are_matched_whatever_their_order_and_blocks(monkeypatch):
    served = recomputed()
    other = replace(served, names=served.names[::-1], x=served.x[:, ::-1]).take(
        np.random.default_rng(3).permutation(len(served))
    )
    assert compare_vectors(served, other).is_equal
    revised = with_bar(HISTORY, "AAPL", 500, close=1.01)
    changed = recompute_vectors(served, revised, FEATURES, MARKET)
    whole = compare_vectors(served, changed)
    monkeypatch.setattr(vector_comparison, "BLOCK_ROWS", 7)
    assert compare_vectors(served, changed) == whole
    fewer = compare_vectors(served, replace(served, names=served.names[:-1], x=served.x[:, :-1]))
    assert fewer.names_only_served == ("signal_side",)
    assert not fewer.is_equal
    assert "1 feature is served only, first signal_side" in fewer.verdict


def test_the_figures_are_those_of_a_plain_loop():
    rng = np.random.default_rng(11)
    x = rng.standard_normal((60, 4))
    y = (rng.random(60) < 0.5).astype(np.int64)
    served = dataset_of(np.where(rng.random(x.shape) < 0.1, np.nan, x), y)
    moved = np.where(rng.random(x.shape) < 0.3, x + rng.normal(0, 0.1, x.shape), served.x)
    moved = np.where(rng.random(x.shape) < 0.1, np.nan, moved).astype(np.float32)
    found = compare_vectors(served, replace(served, x=moved))
    for column, feature in enumerate(found.features):
        pairs = list(zip(served.x[:, column].tolist(), moved[:, column].tolist(), strict=True))
        unlike = [n for n, (a, b) in enumerate(pairs) if a != b and not (a != a and b != b)]
        gaps = [abs(a - b) for a, b in pairs if a == a and b == b]
        assert feature.differ == len(unlike) / 60
        assert feature.first_signal_id == served.signal_ids[unlike[0]]
        assert feature.max_difference == max(gaps)
        assert feature.unknown_served == sum(a != a and b == b for a, b in pairs) / 60
        assert feature.unknown_recomputed == sum(a == a and b != b for a, b in pairs) / 60


def test_a_strategy_of_another_name_is_matched_by_symbol_and_time():
    served = recomputed()
    ids = np.array([f"mine-{row}" for row in range(len(served))])
    assert compare_vectors(served, replace(served, signal_ids=ids)).is_equal
    nothing = compare_vectors(served, replace(served, signal_ids=ids, ts=served.ts + 1))
    assert (nothing.matched, nothing.is_equal) == (0, False)
    assert nothing.verdict.startswith("no signal is in both: another strategy")
    assert nothing.only_served.signals == len(served)


def test_a_report_can_be_written_down():
    served = recomputed()
    found = compare_vectors(served, recomputed(with_bar(HISTORY, "AAPL", 500, close=1.01)))
    text = msgspec.json.encode(found)
    assert msgspec.json.decode(text, type=ServedDifference) == found


def test_a_signal_that_is_there_twice_is_refused():
    served = recomputed()
    twice = served.take(np.concatenate((np.arange(5), [2])))
    with pytest.raises(DataError, match="is there 2 times among the recomputed"):
        compare_vectors(served, twice)


def test_signals_without_a_bar_are_left_out_and_none_at_all_is_refused():
    served = recomputed()
    aapl = HISTORY.of_symbols(("AAPL",))
    anew = recompute_vectors(served, aapl, FEATURES, MARKET)
    assert set(anew.symbols.tolist()) == {"AAPL"}
    assert compare_vectors(served.take(served.symbols == "AAPL"), anew).is_equal
    with pytest.raises(DataError, match=r"none of .* signals has a bar at its ts"):
        recompute_vectors(replace(served, ts=served.ts + 1), HISTORY, FEATURES, MARKET)
    strange = dataset_of(np.zeros((2, 2)), np.array([0, 1]))
    with pytest.raises(DataError, match="no column of x00, x01 is a market feature"):
        recompute_vectors(strange, HISTORY, FEATURES, MARKET)
