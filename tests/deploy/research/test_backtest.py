"""A backtest takes a source's own signals, and the models that `assay train` wrote.

Over columns it says what the stream's cores say.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from deploy.cli import execute
from deploy.config import load_run
from deploy.figures import figures_of
from deploy.research.backtest_run import backtest_run
from deploy.research.backtesting import backtest as simulate
from deploy.state import StateDir
from deploy.tally import Tally
from models.artifact import save_artifact
from streams.source import market_instants, read_bars
from streams.source_settings import SourceSettings
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

MARKET = ("--config", "demo_flip", "--set", "data.params.signals=2400")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict, str]:
    assert execute([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1]), captured.err


def test_a_trained_model_scores_a_backtest_and_its_own_years_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    state = ("--state-dir", str(tmp_path))
    blind, _ = document(capsys, "backtest", *MARKET, *state)
    assert blind["strategies"][0]["signals"] == 2400
    assert blind["strategies"][0]["area"]["outcomes"] == 0
    trained, _ = document(capsys, "train", "--train", *MARKET, *state)
    [model] = trained["models"]
    assert model["promoted"]
    given = ("--set", f"strategies.0.ml.model_path={model['path']}")
    scored, told = document(capsys, "backtest", *MARKET, *state, *given)
    assert scored["strategies"][0]["area"]["outcomes"] > 2300
    assert scored["strategies"][0]["accepted"] < 2400
    assert f"{model['version']} was trained on outcomes up to 2002-" in told


RUN = """
name: both
data: {source: sample, symbols: [GOOG, IBM, MSFT]}
strategies:
  - {name: rsi2_mean_reversion, ml: {confidence_threshold: 0.45}}
  - {name: turtle, kind: donchian_trend, symbols: [IBM, MSFT], costs: {bps_per_side: 5.0}}
  - {name: hourly, kind: breakout, interval: 1h}
  - {name: engine, kind: external}
ml_data_collection: {enabled: false}
"""


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        ("strategies.0.ml.prediction_mode=replace", "strategies.1.ml.fallback=block"),
        ("strategies.0.overlapping=true", "strategies.0.ml.max_age_days=400"),
        ("strategies.1.label.rule=triple_barrier", "strategies.1.ml.enabled=false"),
        ("context.market=IBM", "context.breadth=true"),
    ],
)
def test_columns_and_the_streams_cores_tell_the_same_figures(
    assignments: tuple[str, ...], tmp_path: Path
):
    names = ("ibs", "rsi_14", "return_60", "signal_score")
    artifact = tiny_artifact(names, (0.8, -0.01, 3.0, 0.5), -0.3, signer=TEST_SIGNER)
    model = save_artifact(artifact, tmp_path / "model")
    (tmp_path / "run.yaml").write_text(RUN)
    given = (
        f"strategies.0.ml.model_path={model}",
        f"trusted_keys=[{TEST_SIGNER.public_hex}]",
        *assignments,
    )
    settings, state = load_run(tmp_path / "run.yaml", given), StateDir(tmp_path)
    instants = list(market_instants(settings.data.source_settings()))
    tally = Tally(tuple(one.name for one in settings.strategies))
    for bar in itertools.chain.from_iterable(instants):
        tally.take(bar)
    simulate(instants, settings, state, tally.take)
    found = backtest_run(settings, state)
    assert figures_of(found.tally) == figures_of(tally)
    for name, expected in tally.strategies.items():
        outcomes = found.tally.strategies[name].outcomes
        assert list(map(repr, outcomes)) == list(map(repr, expected.outcomes))
    outcomes = tally.strategies["rsi2_mean_reversion"].outcomes
    assert len(outcomes) > 100
    # A first model ages from what it was trained on, in 2020: it still speaks here.
    assert not np.isnan([one.probability for one in outcomes]).all()
    assert found.from_ts == instants[0][0].ts


def test_a_strategy_of_other_bars_or_of_an_engine_has_no_part_in_the_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run.yaml"
    run.write_text(RUN)
    found, told = document(capsys, "backtest", "--config", str(run), "--state-dir", str(tmp_path))
    assert "hourly trades 1h bars, the run reads those of 1d: it made no signal" in told
    assert found["performance"]["trades"] > 0
    for one in found["portfolio"]:
        assert sum(one["fates"].values()) == one["signals"] > 100
    assert [one["strategy"] for one in found["portfolio"]] == ["rsi2_mean_reversion", "turtle"]
    assert {one["strategy"]: one["signals"] for one in found["strategies"]}["hourly"] == 0


def test_a_commission_in_points_is_told_what_it_is_a_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bars = read_bars(SourceSettings(kind="sample", symbols=("IBM",)))
    days = bars["ts"].cast(pl.Datetime("ns")).dt.date()
    contracts = tmp_path / "bars.csv"
    bars.select(days.alias("date"), "open", "high", "low", "close", "volume").with_columns(
        symbol=pl.lit("ES")
    ).write_csv(contracts)
    run = tmp_path / "run.yaml"
    run.write_text(f"""
strategy: rsi2_mean_reversion
costs: {{commission_per_side: 2.25}}
data: {{path: {contracts}, session: futures}}
ml_data_collection: {{enabled: false}}
""")
    base = ("backtest", "--config", str(run), "--state-dir", str(tmp_path))
    _, told = document(capsys, *base)
    assert "a commission of 2.25 is 112.5 USD a contract of ES" in told
    run.write_text(
        run.read_text().replace("costs: {commission_per_side: 2.25}", "instruments: bundled")
    )
    _, told = document(capsys, *base)
    assert "a contract of" not in told


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(
        "deploy.research.backtest_run.backtest_run", lambda *_: pytest.fail("it worked")
    )
    run = ("backtest", "--config", "equity_strategy_with_ml", "--state-dir", str(tmp_path))
    for folder in (file, file / "below"):
        assert execute([*run, "--output-dir", str(folder)]) == 2
        told = capsys.readouterr().err
        assert f"--output-dir must be a folder that can be written, was {folder}" in told
    none = ("--set", "strategy=mine", "--set", "kind=external", "--set", "params={}")
    assert execute([*run, *none, "--output-dir", str(tmp_path / "new")]) == 2
    assert "needs a strategy with a rule of its own on 1d bars" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_backtest_writes_its_files_and_the_same_bytes_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run.yaml"
    run.write_text(RUN)
    base = ("backtest", "--config", str(run), "--state-dir", str(tmp_path))
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        found, _ = document(capsys, *base, "--output-dir", str(folder))
        assert found["files"] == [str(folder / Path(file).name) for file in found["files"]]
    one, two = ({path.name: path.read_bytes() for path in f.iterdir()} for f in folders)
    assert one == two
    assert len(one) == 7
