"""A backtest over columns says what the stream says: signals, answers and outcomes, bit for bit."""

import msgspec
import numpy as np
import pytest

from engine.backtests.backtest import decisions_of, run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.feature_columns import plain_contexts
from engine.backtests.history_scorer import HistoryScorer
from engine.backtests.trade_log import figures_of
from engine.settings import CostSettings, LabelSettings, StrategySettings
from engine.signal_maker import signal_id_of
from engine.simulation import Simulation
from engine.trade import REASON_NAMES
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.settings import MlSettings
from streams.errors import ConfigError
from streams.events import Deployment, Outcome, Scored
from streams.session import session
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact
from trainers.research.histories import read_history

SOURCE = SourceSettings(kind="sample")
COSTS = CostSettings(bps_per_side=1.5, commission_per_side=0.01, slippage_ticks=1.0)
CASES = {
    "rsi2": StrategySettings(name="rsi2_mean_reversion", costs=COSTS),
    "breakout, few symbols": StrategySettings(name="breakout", symbols=("IBM", "FB")),
    "overlapping": StrategySettings(name="rsi2_mean_reversion", overlapping=True),
    "triple barrier": StrategySettings(
        name="breakout",
        overlapping=True,
        label=LabelSettings(rule="triple_barrier", target_r=1.5, max_hold_bars=12),
    ),
    "barrier beside a position": StrategySettings(
        name="rsi2_mean_reversion",
        label=LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=5),
    ),
    # Ten ATR below a stock that has crashed is no price: the stop stands where the label says.
    "stops that are no prices": StrategySettings(
        name="breakout", params={"hard_stop_atr_mult": 10.0}, label=LabelSettings(stop_atr_mult=9.0)
    ),
}


@pytest.fixture(scope="module")
def history() -> BarHistory:
    return read_history(SOURCE)


def stream_says(settings: StrategySettings, model=None, deployed=None):
    """Answers and outcomes of the stream's own cores, by (symbol, ts)."""
    simulation = Simulation((settings,), load_feature_set(), session("us_equity"))
    if model is not None:
        simulation.scorer.start_with(settings.name, model)
    if deployed is not None:
        simulation.scorer.deploy(*deployed)
    scored, outcomes = {}, {}
    for frame in bar_frames(SOURCE):
        for bar in frame:
            for answer in simulation.step(bar):
                event = answer.event
                if isinstance(event, Scored):
                    scored[event.symbol, event.ts] = event
                elif isinstance(event, Outcome):
                    outcomes[event.symbol, event.ts] = event
    return scored, outcomes


def backtest_outcomes(settings, history, log, scores):
    figures = figures_of(log, [settings.costs] * len(history.symbols))
    found = {}
    for i in np.flatnonzero(figures.is_sound):
        symbol, ts = history.symbols[log.slot[i]], int(history.ts[log.signal_row[i]])
        found[symbol, ts] = Outcome(
            signal_id_of(settings.name, symbol, ts),
            settings.name,
            symbol,
            settings.interval,
            ts,
            int(log.side[i]),
            bool(scores.accepted[i]),
            int(history.ts[log.entry_row[i]]),
            int(history.ts[log.exit_row[i]]),
            float(log.entry_price[i]),
            float(log.exit_price[i]),
            float(figures.y_return[i]),
            float(figures.r_multiple[i]),
            float(figures.y_pnl_gross[i]),
            float(figures.y_pnl_net[i]),
            int(figures.y_binary[i]),
            REASON_NAMES[log.reason[i]],
            True,
            None if np.isnan(scores.probability[i]) else float(scores.probability[i]),
            scores.model[i],
        )
    return found


def scorer_of(settings, history):
    contexts = plain_contexts(history, session("us_equity"))
    return HistoryScorer(settings, history, load_feature_set(), contexts)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES.keys())
def test_a_backtest_says_what_the_stream_says(settings, history):
    scored, outcomes = stream_says(settings)
    log = run_strategy(settings, history)
    scorer = scorer_of(settings, history)
    answers = {(one.symbol, one.ts): one for one in scorer.answers(log)}
    assert len(scored) > 30
    assert len(outcomes) > 30
    assert answers == scored
    assert backtest_outcomes(settings, history, log, scorer.score(log)) == outcomes
    vectors = scorer.vectors(log)
    for place, answer in enumerate(scorer.answers(log)):
        assert vectors[place].tobytes() == answer.inputs


@pytest.mark.parametrize("mode", ["filter", "score_enhancement", "replace", "observe"])
def test_a_model_acts_as_in_the_stream(mode, history):
    ml = MlSettings(prediction_mode=mode, confidence_threshold=0.45)
    settings = StrategySettings(name="rsi2_mean_reversion", ml=ml)
    names = ("ibs", "rsi_14", "return_60", "signal_score")
    scorer = scorer_of(settings, history)
    first, second = (
        load_model(
            tiny_artifact(names, (0.8, -0.01, 3.0, weight), bias, signer=TEST_SIGNER),
            scorer.vector_names,
            (TEST_SIGNER.public_hex,),
        )
        for weight, bias in ((0.5, -0.3), (-0.5, 0.2))
    )
    middle = int(np.median(history.ts))
    later = Deployment(settings.name, None, second.version, second.digest, middle, None, {})
    scored, outcomes = stream_says(settings, first, (later, second))
    scorer.start_with(first)
    scorer.deploy(later, second)
    log = run_strategy(settings, history)
    scores = scorer.score(log)
    assert {first.version, second.version} <= set(scores.model)
    assert not scores.accepted.all() or mode != "filter"
    assert {(one.symbol, one.ts): one for one in scorer.answers(log)} == scored
    assert backtest_outcomes(settings, history, log, scores) == outcomes


@pytest.mark.parametrize("ml", [MlSettings(enabled=False), MlSettings(fallback="block")])
def test_without_a_model_the_mode_answers_at_once(ml, history):
    settings = StrategySettings(name="breakout", ml=ml)
    scorer = scorer_of(settings, history)
    log = run_strategy(settings, history)
    scores = scorer.score(log)
    answers = scorer.answers(log)
    assert scores.accepted.tolist() == [one.accepted for one in answers]
    assert scores.final_score.tolist() == [one.final_score for one in answers]
    assert scores.reasons == tuple(one.reasons for one in answers)
    assert np.isnan(scores.probability).all()


@pytest.mark.parametrize("threads", [0, 2, 3, 50])
def test_decisions_do_not_depend_on_threads(threads, history):
    settings = StrategySettings(name="rsi2_mean_reversion")
    alone = decisions_of(settings, history)
    assert decisions_of(settings, history, threads=threads).tobytes() == alone.tobytes()


def test_an_open_trade_stays_open(history):
    settings = StrategySettings(name="breakout")
    whole = run_strategy(settings, history)
    cut_at = int(history.ts[whole.entry_row[5]]) + 1
    log = run_strategy(settings, history.between(0, cut_at))
    open_ = ~log.is_closed
    assert open_.any()
    assert not log.reason[open_].any()
    assert not figures_of(log, [COSTS] * len(history.symbols)).is_sound[open_].any()


def test_no_bars_and_one_bar_make_no_trade(history):
    settings = StrategySettings(name="rsi2_mean_reversion")
    for to_ts in (0, int(history.ts.min())):
        cut = history.between(0, to_ts)
        log = run_strategy(settings, cut)
        assert log.signals == 0
        scorer = scorer_of(settings, cut)
        assert scorer.vectors(log).shape == (0, len(scorer.vector_names))
        assert scorer.score(log).accepted.shape == (0,)


def test_bars_of_another_interval_are_refused(history):
    with pytest.raises(ConfigError, match="trades 1h bars, the history has 1d"):
        run_strategy(msgspec.structs.replace(CASES["rsi2"], interval="1h"), history)
