"""The FeatureExtractor: its columns, its money, its data, and that nothing looks ahead."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from engine.settings import LabelSettings, StrategySettings
from engine.strategy import load_strategy
from models.feature_set import load_feature_set
from streams.errors import ConfigError, DataError
from tests.trainers.extraction.market import FIRST_DAY, daily
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.extraction.training_frame import learnable

RSI2 = "rsi2_mean_reversion"
EVERY = ("breakout", {"trend_ma": 20})
BARRIER = LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=9)
ORIGINAL = (
    "Date/Time", "Exit Date/Time", "Entry_Price", "Exit_Price", "y_return", "y_binary",
    "y_pnl_usd", "y_pnl_gross",
)  # fmt: skip
BEHIND = (
    "symbol", "side", "signal_id", "label_start", "label_end", "r_multiple", "exit_reason",
    "bars_held", "uniqueness",
)  # fmt: skip


def three_symbols() -> pl.DataFrame:
    return pl.concat([daily(name, seed=seed) for seed, name in enumerate(("C", "A", "B"), 5)])


def test_columns_are_those_of_the_original_then_indicators_features_and_the_row():
    frame = FeatureExtractor().extract(RSI2, daily(), "ES")
    own = load_strategy(RSI2).indicator_names
    vector = (*load_feature_set().names, "signal_score", "signal_side")
    assert tuple(frame.columns) == (*ORIGINAL, *own, *vector, *BEHIND)
    assert learnable(frame) == [*own, *vector]
    assert len(frame) > 20


def test_a_future_pays_dollars_per_contract_by_its_point_value():
    extractor = FeatureExtractor(commission_per_side=2.5, slippage_ticks=2.0)
    frame = extractor.extract(RSI2, daily(), "ES")
    points = frame["side"] * (frame["Exit_Price"] - frame["Entry_Price"])
    gross = (points * 50.0).to_numpy()
    # Both sides: a commission in dollars, and two ticks of a quarter point.
    net = gross - 2 * (2.5 + 2.0 * 0.25 * 50.0)
    np.testing.assert_allclose(frame["y_pnl_gross"], gross, rtol=1e-12)
    np.testing.assert_allclose(frame["y_pnl_usd"], net, rtol=1e-9)
    assert frame["y_binary"].to_list() == [int(one > 0.0) for one in net]
    moved = frame["side"] * (frame["Exit_Price"] / frame["Entry_Price"] - 1.0)
    np.testing.assert_allclose(frame["y_return"], moved, rtol=1e-12)


def test_a_yen_profit_is_worth_dollars_at_the_exit():
    data = daily()
    frame = FeatureExtractor(session="fx").extract(RSI2, data, "USDJPY")
    closes = {day.isoformat(): close for day, close in data.select("Date/Time", "Close").rows()}
    exits = frame["Exit Date/Time"].dt.convert_time_zone("America/New_York").dt.date()
    yen = frame["side"] * (frame["Exit_Price"] - frame["Entry_Price"])
    dollars = [one / closes[day.isoformat()] for one, day in zip(yen, exits, strict=True)]
    np.testing.assert_allclose(frame["y_pnl_gross"], dollars, rtol=1e-9)


def test_a_cross_is_worth_dollars_by_the_last_close_of_its_pair():
    data = pl.concat([daily("EURGBP"), daily("GBPUSD", seed=7)])
    frame = FeatureExtractor().extract(RSI2, data, "EURGBP")
    closes = dict(data.filter(Symbol="GBPUSD").select("Date/Time", "Close").rows())
    exits = frame["Exit Date/Time"].dt.convert_time_zone("America/New_York").dt.date()
    pounds = frame["side"] * (frame["Exit_Price"] - frame["Entry_Price"])
    dollars = [one * closes[day] for one, day in zip(pounds, exits, strict=True)]
    np.testing.assert_allclose(frame["y_pnl_gross"], dollars, rtol=1e-9)
    # Without its pair it says so; a symbol beside it is none the worse.
    with pytest.raises(ConfigError, match="needs the bars of GBPUSD or USDGBP"):
        FeatureExtractor().extract(RSI2, data.filter(Symbol="EURGBP"))
    others = pl.concat([daily("EURGBP"), daily("EURUSD", seed=7)])
    assert len(FeatureExtractor().extract(RSI2, others, "EURUSD")) > 20


def test_a_strategys_own_costs_hold_until_others_are_given():
    settings = StrategySettings(RSI2)
    free = FeatureExtractor(commission_per_side=0.0, slippage_ticks=0.0).extract(
        settings, daily(), "XYZ"
    )
    own = FeatureExtractor().extract(settings, daily(), "XYZ")
    assert free["y_pnl_usd"].to_list() == free["y_pnl_gross"].to_list()
    sides = own["Entry_Price"] + own["Exit_Price"]
    expected = own["y_pnl_gross"] - sides * 2.0 / 10_000.0
    np.testing.assert_allclose(own["y_pnl_usd"], expected, atol=1e-12)


def test_indicators_are_as_of_the_signals_bar():
    data = daily("X")
    frame = FeatureExtractor(overlapping=True).extract(EVERY, data)
    own = load_strategy("breakout").indicator_names
    assert own
    days = frame["label_start"].dt.convert_time_zone("America/New_York").dt.date()
    for place in (3, len(frame) // 2, len(frame) - 1):
        # With bars that end at the signal's own, its value is the last there is.
        known = data.filter(pl.col("Date/Time") <= days[place])
        extractor = FeatureExtractor()
        found = extractor.trades(EVERY, _history(known))
        again = _indicators_at_the_end(found)
        assert frame.select(own).row(place) == again


@pytest.mark.parametrize(
    ("strategy", "extractor"),
    [
        (RSI2, FeatureExtractor(overlapping=True)),
        (EVERY, FeatureExtractor()),
        (EVERY, FeatureExtractor(overlapping=True, label=BARRIER)),
    ],
    ids=("every event", "one at a time", "triple barrier"),
)
def test_later_bars_change_nothing_that_was_closed_before(
    strategy: str | tuple[str, dict], extractor: FeatureExtractor
):
    data = daily("X")
    whole = extractor.extract(strategy, data)
    noise = daily("X", seed=99)
    for at in (700, 900, 1100):
        day = FIRST_DAY + datetime.timedelta(at)
        until = data.filter(pl.col("Date/Time") <= day)
        cut = extractor.extract(strategy, until)
        changed = pl.concat([until, noise.filter(pl.col("Date/Time") > day)])
        other = extractor.extract(strategy, changed)
        by_then = pl.col("label_end") <= datetime.datetime(
            day.year, day.month, day.day, 22, tzinfo=datetime.UTC
        )
        known = whole.filter(by_then)
        assert len(known) > 5
        assert cut.equals(known)
        assert other.filter(by_then).equals(known)


def test_a_symbol_alone_is_what_it_is_among_others_in_any_order():
    data = three_symbols()
    together = FeatureExtractor(overlapping=True).extract(RSI2, data)
    alone = [FeatureExtractor(overlapping=True).extract(RSI2, data, name) for name in "ABC"]
    assert together.equals(pl.concat(alone))
    in_time = data.sort("Date/Time", "Symbol", descending=[False, True])
    assert FeatureExtractor(overlapping=True).extract(RSI2, in_time).equals(together)


def test_uniqueness_counts_every_label_that_runs_beside():
    frame = FeatureExtractor(overlapping=True).extract(EVERY, daily("X"))
    spans = [
        (start, end)
        for start, end in frame.select(pl.col("label_start", "label_end").cast(pl.Int64)).rows()
    ]
    instants = sorted({instant for span in spans for instant in span})
    assert frame["uniqueness"].min() < 0.6
    # Trades that are still open at the end are no rows, and count beside those that are.
    for (start, end), found in list(zip(spans, frame["uniqueness"], strict=True))[:-20]:
        counts = [
            sum(first <= instant <= last for first, last in spans)
            for instant in instants
            if start <= instant <= end
        ]
        assert found == pytest.approx(np.mean([1.0 / count for count in counts]), rel=1e-12)


def test_chosen_features_are_the_same_columns():
    whole = FeatureExtractor().extract(RSI2, daily(), "ES")
    few = FeatureExtractor(features=("rsi_14", "ibs")).extract(RSI2, daily(), "ES")
    own = load_strategy(RSI2).indicator_names
    assert few.equals(whole.select(*ORIGINAL, *own, "ibs", "rsi_14", *BEHIND))


def test_the_same_bars_give_the_same_rows_in_every_form(tmp_path: Path):
    data = daily(bars=800)
    expected = FeatureExtractor(overlapping=True).extract(RSI2, data, "ES")
    plain = {name: data[name].to_list() for name in data.columns}
    stamps = pd.DatetimeIndex(plain.pop("Date/Time"))
    data.rename(str.upper).write_csv(tmp_path / "bars.csv")
    data.rename({"Date/Time": "ts"}).write_parquet(tmp_path / "bars.parquet")
    forms = (
        {"date": [day.isoformat() for day in stamps], **plain},
        pd.DataFrame(plain, index=stamps),
        pd.DataFrame(plain, index=stamps.tz_localize("America/New_York")),
        pd.DataFrame({"Date": stamps, **plain}),
        tmp_path / "bars.csv",
        str(tmp_path / "bars.parquet"),
    )
    assert len(expected) > 5
    for form in forms:
        assert FeatureExtractor(overlapping=True).extract(RSI2, form, "ES").equals(expected)


def test_one_bar_makes_no_row_and_every_column():
    data = daily()
    nothing = FeatureExtractor().extract(RSI2, data.head(1), "ES")
    assert len(nothing) == 0
    assert nothing.schema == FeatureExtractor().extract(RSI2, data, "ES").schema


def at_row(name: str, value: float) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == 6
    return daily().with_columns(pl.when(here).then(value).otherwise(name).alias(name))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (at_row("Close", float("nan")), "row 7: close must be a finite number, was nan"),
        (at_row("Open", float("inf")), "row 7: open must be a finite number, was inf"),
        (at_row("High", 1.0), "row 7: high must be >= low"),
        (daily().drop("High"), "needs a column High, has Date/Time, Open, Low, Close, Volume"),
        (daily().drop("Date/Time"), "needs a column Date, Time or Datetime"),
        (daily().head(0), "hold no bar"),
        (pl.DataFrame(), "needs a column Date, Time or Datetime"),
        (daily().with_columns(High=pl.lit("high")), "high must be a number, its type is String"),
        (daily().sample(fraction=1.0, shuffle=True, seed=4), "is before the bar above it"),
        (pl.concat([daily(), daily().tail(1)]), "row 1201: ts repeats the bar before it"),
    ],
)
def test_bars_that_cannot_be_used_are_refused_by_row_and_column(data: pl.DataFrame, words: str):
    with pytest.raises(DataError, match=words):
        FeatureExtractor().extract(RSI2, data, "ES")


@pytest.mark.parametrize(
    ("strategy", "symbol", "words"),
    [
        ("breakot", "ES", "strategy kind was 'breakot': did you mean breakout?"),
        ((RSI2, {"perod": 2}), "ES", "perod is not a known key.*did you mean period"),
        (("external", {}), "ES", "is external, its signals are an engine's own"),
        ((RSI2, 2), "ES", r"strategy must be a name, \(name, parameters\) or StrategySettings"),
        (None, "ES", r"strategy must be a name, \(name, parameters\) or StrategySettings"),
        (StrategySettings(RSI2, interval="1h"), "ES", "trades 1h bars, the history has 1d"),
        (RSI2, None, "no column Symbol: say of which symbol they are, was None"),
        (RSI2, "", "no column Symbol"),
        (RSI2, "EURGBP", "quoted in GBP.*needs the bars of GBPUSD or USDGBP"),
    ],
)
def test_what_cannot_be_extracted_is_said(strategy: object, symbol: str | None, words: str):
    with pytest.raises(ConfigError, match=words):
        FeatureExtractor().extract(strategy, daily(), symbol)  # type: ignore[arg-type]


def test_an_unknown_symbol_answers_with_those_there_are():
    with pytest.raises(ConfigError, match="symbol 'D' is not in the bars: allowed: A, B, C"):
        FeatureExtractor().extract(RSI2, three_symbols(), "D")


def test_intraday_bars_under_a_daily_interval_are_told_from_repeats():
    hours = pl.datetime_range(
        datetime.datetime(2020, 1, 1), datetime.datetime(2020, 2, 1), "1h", eager=True
    )
    data = daily(bars=len(hours)).with_columns(hours.alias("Date/Time"))
    with pytest.raises(ConfigError, match="interval must be that of the data, was '1d': row 2"):
        FeatureExtractor().extract(RSI2, data, "ES")
    assert FeatureExtractor(interval="1h").extract(RSI2, data, "BTCUSD").width > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"commission_per_side": -1.0}, "commission_per_side must be float >= 0.0, was -1.0"),
        ({"point_value": 0.0}, "point_value must be float > 0.0, was 0.0"),
        ({"session": "moon"}, "session 'moon' is not known"),
        ({"interval": "2d"}, "interval must be"),
    ],
)
def test_an_extractor_is_checked_when_it_is_made(arguments: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        FeatureExtractor(**arguments)  # type: ignore[arg-type]


def test_prices_near_the_end_of_floats_stay_numbers():
    prices = pl.col("Open", "High", "Low", "Close")
    for scale in (1e290, 1e-290):
        frame = FeatureExtractor().extract(RSI2, daily().with_columns(prices * scale), "XYZ")
        assert len(frame) > 20
        assert frame["r_multiple"].is_finite().all()
        assert not frame.select(pl.col(pl.Float32).is_infinite().any()).row(0).count(True)


def test_symbols_of_several_sessions_want_one_named():
    data = pl.concat([daily("ES", bars=300), daily("AAPL", bars=300)])
    with pytest.raises(ConfigError, match=r"ES trades in session futures.*give session"):
        FeatureExtractor().extract(RSI2, data)
    assert FeatureExtractor(session="futures").extract(RSI2, data).width > 100


def _history(data: pl.DataFrame):
    from streams.source_settings import SourceSettings
    from trainers.extraction.bar_data import history_from

    return history_from(data, None, SourceSettings())


def _indicators_at_the_end(found) -> tuple[float, ...]:
    strategy = load_strategy("breakout")
    history = found.market.history
    params = strategy.decode_params(dict(EVERY[1]), "test")
    decisions = np.empty((len(history), 6))
    out = np.empty((len(history), len(strategy.indicator_names)))
    strategy.indicators_many(
        strategy.new_states(1), history.slots, history.ts, history.values,
        strategy.vector(params), decisions, out,
    )  # fmt: skip
    return tuple(out[-1].tolist())
