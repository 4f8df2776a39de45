"""The synthetic market: its bars are bars, and its signals are worth what is said."""

import itertools
import time

import numpy as np
import pytest

from streams.errors import ConfigError
from streams.events import Bar, Signal
from streams.layer_a import FEATURE_NAMES, expected_auc
from streams.source import bar_frames, market_instants, read_bars
from streams.source_settings import SourceSettings
from streams.synthetic_market import Market, MarketSettings, simulate
from streams.validation import check_bar, check_signal

PARAMS = {"seed": 3, "symbols": 5, "signals": 120, "warm_up_bars": 20}
SETTINGS = SourceSettings(kind="layer_b", interval="1h", params=PARAMS)
HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def large() -> Market:
    """40,000 signals of independent symbols."""
    return simulate(
        MarketSettings(seed=11, symbols=1_000, signals=40_000, bayes_auc=0.70, warm_up_bars=1)
    )


def test_signals_win_as_often_as_their_probability_says(large: Market) -> None:
    p, won = large.samples.probability, large.won
    edges = np.quantile(p, [0.2, 0.4, 0.6, 0.8])
    groups = np.searchsorted(edges, p)
    for group in range(5):
        error = np.mean((won - p)[groups == group])
        standard_error = 0.5 / np.sqrt(np.sum(groups == group))
        # .003 is what looking at steps only may cost.
        assert abs(error) < 3 * standard_error + 0.003


def test_the_best_score_has_the_auc_that_was_asked_for(large: Market) -> None:
    score, won = large.samples.score, large.won
    assert expected_auc(score, large.samples.probability) == pytest.approx(0.70, abs=0.005)
    ranks = np.argsort(np.argsort(score)) + 1.0
    winners = won.sum()
    auc = (ranks[won == 1].sum() - winners * (winners + 1) / 2) / (winners * (len(won) - winners))
    assert auc == pytest.approx(0.70, abs=0.01)


def test_a_signal_lives_few_bars(large: Market) -> None:
    assert 4.0 < np.mean(large.exit_instant - large.signal_instant) < 7.0


def test_shared_shocks_make_outcomes_overlap_but_leave_their_probabilities() -> None:
    def wins(correlation: float) -> Market:
        return simulate(
            MarketSettings(
                seed=5, symbols=50, signals=10_000, correlation=correlation, warm_up_bars=1
            )
        )

    def clustering(market: Market) -> float:
        """Variance of the mean error of an instant, in units of independent outcomes."""
        errors = market.won - market.samples.probability
        sums = np.bincount(market.exit_instant, weights=errors)
        return float(np.var(sums[np.bincount(market.exit_instant) > 0]))

    alone, together = wins(0.0), wins(0.6)
    assert clustering(together) > 2.0 * clustering(alone)
    assert abs(np.mean(together.won - together.samples.probability)) < 0.04


def test_the_drift_is_planted_at_the_exact_signal() -> None:
    settings = MarketSettings(seed=2, symbols=7, signals=300, drift="FLIP", drift_at=113)
    market = simulate(settings)
    assert np.all(np.diff(market.signal_instant) >= 0)
    effect = market.samples.log_odds + 0.2
    before = market.samples.score + 0.2
    assert np.array_equal(effect[:113], before[:113])
    assert np.allclose(effect[113:], -before[113:])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first, second = list(market_instants(SETTINGS)), list(market_instants(SETTINGS))
    assert first == second
    other = SourceSettings(kind="layer_b", interval="1h", params=PARAMS | {"seed": 4})
    assert list(market_instants(other)) != first


def test_bars_are_valid_whole_and_in_time_order() -> None:
    instants = list(market_instants(SETTINGS))
    times = []
    for events in instants:
        bars = [event for event in events if isinstance(event, Bar)]
        assert [bar.symbol for bar in bars] == [f"SYN{i}" for i in range(5)]
        assert len({bar.ts for bar in bars}) == 1
        for bar in bars:
            check_bar(bar)
        times.append(bars[0].ts)
    assert {b - a for a, b in itertools.pairwise(times)} == {HOUR_NS}
    frames = [[e for e in events if isinstance(e, Bar)] for events in instants]
    assert list(bar_frames(SETTINGS)) == frames


def test_signals_stand_behind_their_bar_and_one_at_a_time_per_symbol() -> None:
    market = simulate(MarketSettings(**PARAMS))
    signals = []
    for events in market_instants(SETTINGS):
        closes = {event.symbol: event for event in events if isinstance(event, Bar)}
        for signal in (event for event in events if isinstance(event, Signal)):
            check_signal(signal)
            assert signal.ts == closes[signal.symbol].ts
            assert signal.price == closes[signal.symbol].close
            assert tuple(signal.features) == FEATURE_NAMES
            signals.append(signal)
    assert [s.signal_id for s in signals] == [f"synthetic-{i:06d}" for i in range(120)]
    assert signals[0].features["x00"] == market.samples.features[0, 0]
    for symbol in range(5):
        mine = market.signal_symbol == symbol
        begun, ended = market.signal_instant[mine], market.exit_instant[mine]
        assert np.all(begun[1:] > ended[:-1])
        assert begun[0] >= PARAMS["warm_up_bars"] - 1


def test_five_thousand_signals_are_made_quickly() -> None:
    begun = time.perf_counter()
    simulate(MarketSettings(signals=5_000))
    assert time.perf_counter() - begun < 5.0


def test_settings_that_make_no_sense_are_refused() -> None:
    def error(**params: object) -> str:
        with pytest.raises(ConfigError) as caught:
            read_bars(SourceSettings(kind="layer_b", params=params))
        return str(caught.value)

    assert error(bayes_auc=0.6) == "bayes_auc must be one of 0.56, 0.62, 0.7, was 0.6"
    assert "did you mean FLIP?" in error(drift="FLOP")
    assert "did you mean seed?" in error(sead=1)
    with pytest.raises(ConfigError, match="needs no path"):
        read_bars(SourceSettings(kind="layer_b", path="bars.csv"))
