"""A backtest on shared capital: its frames, its figures, its models, its bounds."""

import numpy as np
import polars as pl
import pytest

from engine.backtests.feature_columns import plain_contexts
from engine.backtests.history_scorer import HistoryScorer
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.costs import CostSettings
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.settings import MlSettings
from streams.errors import ConfigError
from streams.session import session
from streams.source_settings import SourceSettings
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact
from trainers.research.backtest_frames import equity_frame, trades_frame
from trainers.research.histories import read_history
from trainers.research.instruments import load_instruments
from trainers.research.portfolio_backtest import run_backtest

RSI2 = StrategySettings(name="rsi2_mean_reversion")
BREAKOUT = StrategySettings(name="breakout", costs=CostSettings(bps_per_side=5.0))


@pytest.fixture(scope="module")
def history():
    return read_history(SourceSettings(kind="sample"))


def backtest(history, *strategies, account=PortfolioSettings(), models=None, from_ts=0):  # noqa: B008
    contexts = plain_contexts(history, session("us_equity"))
    return run_backtest(
        strategies,
        history,
        load_instruments(),
        account,
        load_feature_set(),
        contexts,
        models,
        from_ts=from_ts,
    )


def test_trades_explain_the_equity(history):
    found = backtest(history, RSI2, BREAKOUT)
    trades, equity = trades_frame(found), equity_frame(found)
    assert trades["fate"].unique().to_list() == ["taken"]
    assert set(trades["strategy"]) == {"rsi2_mean_reversion", "breakout"}
    closed = trades.filter(pl.col("exit_ts").is_not_null())
    assert closed["pnl_net"].null_count() == 0
    assert (closed["entry_ts"] > closed["signal_ts"]).all()
    assert (closed["exit_ts"] >= closed["entry_ts"]).all()
    r_of_capital = closed["pnl_net"] / closed["quantity"] / (closed["y_return"] * 0 + 1)
    per_unit = closed["r_multiple"] * (closed["entry_price"] - closed["stop"]).abs()
    gapped = closed["exit_reason"] == "gap"
    np.testing.assert_allclose(r_of_capital.filter(~gapped), per_unit.filter(~gapped), rtol=1e-9)
    open_cost = sum(float(run.positions.pnl_net[~run.log.is_closed].sum()) for run in found.runs)
    unrealised = equity["equity"][-1] - 100_000.0 - closed["pnl_net"].sum() - open_cost
    still_open = trades.filter(pl.col("exit_ts").is_null())
    marks = {s: history.values[history.rows_of(s).stop - 1, 3] for s in history.symbols}
    expected = sum(
        row["quantity"] * row["side"] * (marks[row["symbol"]] - row["entry_price"])
        for row in still_open.iter_rows(named=True)
        if row["entry_price"] is not None
    )
    assert unrealised == pytest.approx(expected, abs=1e-6)
    assert found.performance.trades == closed.height
    assert found.performance.end_equity == equity["equity"][-1]
    assert equity["drawdown"].min() == pytest.approx(-found.performance.max_drawdown)


def test_every_signal_has_a_fate(history):
    found = backtest(history, RSI2, account=PortfolioSettings(max_positions=1))
    signals = trades_frame(found, only_taken=False)
    (run,) = found.runs
    assert signals.height == run.log.signals
    assert (
        {"taken", "no_slot"}
        <= set(signals["fate"])
        <= {*("taken", "no_slot", "symbol_held", "no_capital", "too_small")}
    )
    assert signals.filter(pl.col("fate") != "taken")["quantity"].sum() == 0.0


def test_a_model_filters_and_ranks(history):
    ml = MlSettings(prediction_mode="filter", confidence_threshold=0.5)
    settings = StrategySettings(name="rsi2_mean_reversion", ml=ml)
    contexts = plain_contexts(history, session("us_equity"))
    names = HistoryScorer(settings, history, load_feature_set(), contexts).vector_names
    artifact = tiny_artifact(("return_60", "ibs"), (8.0, -1.0), 0.0, signer=TEST_SIGNER)
    model = load_model(artifact, names, (TEST_SIGNER.public_hex,))
    plain = backtest(history, settings)
    scored = backtest(history, settings, models={settings.name: model})
    (run,) = scored.runs
    spoke = ~np.isnan(run.scores.probability)
    assert spoke.any()
    assert (run.scores.accepted[spoke] == (run.scores.probability[spoke] >= 0.5)).all()
    rejected = trades_frame(scored, only_taken=False).filter(pl.col("fate") == "rejected")
    assert rejected.height == (~run.scores.accepted).sum() > 50
    assert scored.performance.trades < plain.performance.trades


def test_a_portfolio_begins_where_it_is_told(history):
    from_ts = int(history.instants[2000])
    found = backtest(history, RSI2, from_ts=from_ts)
    assert found.account.ts[0] == from_ts
    assert trades_frame(found)["signal_ts"].cast(pl.Int64).min() >= from_ts
    (run,) = found.runs
    # Its strategy knows the bars before: it does not warm up again.
    whole = backtest(history, RSI2).runs[0]
    assert run.log.signal_row.tolist() == whole.log.signal_row.tolist()


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (StrategySettings(name="mine", kind="external"), "mine is external"),
        (StrategySettings(name="brekout"), "did you mean breakout"),
        (StrategySettings(name="breakout", params={"exit_ma": 3}), "exit_ma was 3"),
    ],
)
def test_what_cannot_be_traded_is_named(history, strategy, text):
    with pytest.raises(ConfigError, match=text):
        backtest(history, strategy)


def test_no_bars_are_no_backtest(history):
    with pytest.raises(ConfigError, match="needs bars to trade on"):
        backtest(history.between(0, 1), RSI2)
    with pytest.raises(ConfigError, match="needs bars to trade on"):
        backtest(history, RSI2, from_ts=int(history.instants[-1]) + 1)


def test_one_bar_is_an_account_that_did_nothing(history):
    found = backtest(history.between(0, int(history.instants[0])), RSI2, BREAKOUT)
    assert found.performance.trades == 0
    assert found.performance.sharpe_ratio is None
    assert trades_frame(found, only_taken=False).height == 0
    assert equity_frame(found)["equity"].to_list() == [100_000.0]
