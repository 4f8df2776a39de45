"""The numbers are right: against textbook formulas, another library, and by hand."""

from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from talipp.indicators import BB, EMA, MACD, RSI, Stoch
from talipp.ohlcv import OHLCV

from models.feature_set import load_feature_set
from tests.models.bars import Bars, contexts_at, flat, market, with_time
from tests.models.reference_features import REFERENCES

FEATURES = load_feature_set()
NAMES = FEATURES.names
MARKET = market(11, 420)
SERVED = FEATURES.compute(*MARKET)

NEUTRAL = {
    **{name: 1.0 for name in NAMES if "_to_" in name},
    **{name: 0.5 for name in NAMES if "position" in name},
    "body_to_range": 0.0,
    "upper_shadow_to_range": 0.0,
    "lower_shadow_to_range": 0.0,
    "open_to_close": 0.0,
    "ibs": 0.5,
    "rsi_2": 50.0,
    "rsi_5": 50.0,
    "rsi_14": 50.0,
    "stochastic_k_14": 50.0,
    "stochastic_d_14": 50.0,
    "downside_share_20": 0.5,
    "up_volume_share_20": 0.5,
    "breadth_above_sma_50": 0.5,
    "breadth_advancing": 0.5,
}
CALENDAR = {"hour_of_day", "day_of_week", "day_of_month", "month", "is_month_end", "is_month_turn"}


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, NAMES.index(name)]


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_is_its_textbook_formula(name: str):
    warm_up = int(FEATURES.warm_up[NAMES.index(name)])
    for count in range(warm_up, len(SERVED) + 1):
        if count < warm_up + 3 or count % 7 == 0:
            wanted = REFERENCES[name](MARKET.part(0, count))
            found = column(SERVED, name)[count - 1]
            assert found == pytest.approx(wanted, rel=2e-6, abs=1e-9), f"{name} at bar {count}"


def test_a_calm_market_is_measured_as_well_as_a_wild_one():
    calm = market(12, 300, volatility=1e-5)
    served = FEATURES.compute(*calm)
    for name in ("bollinger_position_20", "bollinger_width_20", "volatility_20", "skewness_60"):
        assert column(served, name)[-1] == pytest.approx(REFERENCES[name](calm), rel=1e-4)


@pytest.mark.parametrize("volume", [0.0, 7.0])
def test_a_flat_market_has_neutral_values(volume: float):
    values = FEATURES.compute(*flat(300, volume=volume))[-1]
    for name, found in zip(NAMES, values, strict=True):
        if name in CALENDAR or name.startswith("volume_zscore"):
            continue
        assert found == pytest.approx(NEUTRAL.get(name, 0.0), abs=1e-12), name
    assert values[NAMES.index("volume_zscore_20")] == 0.0


def test_steady_growth_has_no_spread_but_rounding():
    close = 100.0 * 1.01 ** np.arange(100)
    values = FEATURES.compute(*with_time(np.stack([close, close, close, close, close], axis=1)))
    assert column(values, "volatility_20")[-1] == 0.0
    assert column(values, "volatility_5_to_20")[-1] == 1.0
    assert column(values, "skewness_60")[-1] == 0.0
    assert column(values, "efficiency_60")[-1] == 1.0
    assert column(values, "streak")[-1] == 20.0


def test_another_library_agrees_once_both_have_converged():
    bars = market(13, 900)
    served = FEATURES.compute(*bars)
    peer = SimpleNamespace(rsi=RSI(14), ema=EMA(50), macd=MACD(12, 26, 9), bb=BB(20, 2.0))
    stochastic = Stoch(14, 3)
    for open_, high, low, close, volume in bars.values.tolist():
        for indicator in vars(peer).values():
            indicator.add(close)
        stochastic.add(OHLCV(open_, high, low, close, volume))
    last, close = dict(zip(NAMES, served[-1], strict=True)), bars.values[-1, 3]
    macd, bands = peer.macd[-1], peer.bb[-1]
    wanted = {
        "rsi_14": peer.rsi[-1],
        "ema_distance_50": close / peer.ema[-1] - 1,
        "macd": macd.macd / close,
        "macd_signal": macd.signal / close,
        "macd_histogram": macd.histogram / close,
        "bollinger_position_20": (close - bands.lb) / (bands.ub - bands.lb),
        "stochastic_k_14": stochastic[-1].k,
        "stochastic_d_14": stochastic[-1].d,
    }
    for name, value in wanted.items():
        assert last[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize(
    ("name", "zone", "local", "wanted"),
    [
        # hour, weekday, day, month, month end, month turn
        ("us_equity", "America/New_York", "2024-03-08 16:00", (16, 4, 8, 3, 0, 0)),
        ("us_equity", "America/New_York", "2024-03-11 16:00", (16, 0, 11, 3, 0, 0)),
        ("us_equity", "America/New_York", "2024-03-29 16:00", (16, 4, 29, 3, 1, 1)),
        ("us_equity", "America/New_York", "2024-06-03 16:00", (16, 0, 3, 6, 0, 1)),
        ("us_equity", "America/New_York", "2024-06-05 16:00", (16, 2, 5, 6, 0, 1)),
        ("us_equity", "America/New_York", "2024-06-06 16:00", (16, 3, 6, 6, 0, 0)),
        ("us_equity", "America/New_York", "2024-02-29 09:30", (9.5, 3, 29, 2, 1, 1)),
        ("crypto", "UTC", "2025-01-01 00:00", (24, 1, 31, 12, 1, 1)),
        ("crypto", "UTC", "2025-01-01 00:15", (0.25, 2, 1, 1, 0, 1)),
        ("crypto", "UTC", "2024-08-31 12:00", (12, 5, 31, 8, 1, 1)),
        ("crypto", "UTC", "2024-06-01 12:00", (12, 5, 1, 6, 0, 0)),
    ],
)
def test_the_calendar_is_that_of_the_session(name: str, zone: str, local: str, wanted: tuple):
    instant = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    ts = np.array([int(instant.timestamp()) * 1_000_000_000])
    served = FEATURES.compute(*Bars(ts, MARKET.values[:1], contexts_at(ts, name)))
    names = ("hour_of_day", "day_of_week", "day_of_month", "month", "is_month_end", "is_month_turn")
    assert tuple(column(served, each)[0] for each in names) == wanted
