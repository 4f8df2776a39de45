"""`assay extract`: files of the stream's own data, samples once, errors that say what to do."""

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from deploy.cli import execute
from deploy.config import load_run
from deploy.research.accumulation import accumulate
from deploy.research.backtesting import collect
from deploy.research.market_data import read_market
from deploy.state import StateDir
from engine.context_settings import ContextSettings
from engine.settings import StrategySettings
from models.artifact import save_artifact
from streams.source_settings import SourceSettings
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact
from tests.trainers.extraction.market import daily
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.research.histories import read_history

RSI2 = "rsi2_mean_reversion"
RUN = Path("configs/quickstart.yaml")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def document(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict:
    assert execute(["extract", *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_files_hold_what_the_extractor_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    told = document(
        capsys, "--strategy", RSI2, "--symbol", "IBM", "--params", "{'period': 3}",
        "--commission-per-side", "0.02", "--overlapping", "--format", "both",
        "--start", "2003-01-01", "--end", "2010-12-31",
    )  # fmt: skip
    source = SourceSettings(kind="sample", symbols=("IBM",))
    history = read_history(source)
    span = history.between(_ns("2003-01-01"), _ns("2011-01-01"))
    expected = FeatureExtractor(commission_per_side=0.02, overlapping=True).extract_history(
        (RSI2, {"period": 3}), span
    )
    stem = tmp_path / "training_data" / f"IBM_{RSI2}_training_data"
    assert pl.read_parquet(stem.with_suffix(".parquet")).equals(expected)
    read = pl.read_csv(stem.with_suffix(".csv"), schema_overrides=_plain(expected))
    times = [name for name, kind in expected.schema.items() if isinstance(kind, pl.Datetime)]
    zoned = pl.col(times).str.to_datetime("%Y-%m-%d %H:%M:%S%.fZ", time_unit="ns", time_zone="UTC")
    assert read.with_columns(zoned).equals(expected)
    [one] = told["extracted"]
    assert one["rows"] == len(expected) > 30
    assert one["base_rate"] == pytest.approx(expected["y_binary"].mean())
    assert one["hit_rate"] == pytest.approx((expected["y_pnl_gross"] > 0.0).mean())
    assert one["mean_r"] == pytest.approx(expected["r_multiple"].mean())
    assert one["first"] == str(expected["Date/Time"].min())[:10]
    assert not list(tmp_path.rglob("tmp*"))


def test_a_folder_of_futures_is_read_by_symbol_and_pays_by_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for seed, name in enumerate(("ES", "NQ")):
        daily(seed=seed).write_csv(tmp_path / f"{name}.csv")
    told = document(capsys, "--strategy", RSI2, "--dir", str(tmp_path), "--symbol", "ES")
    [one] = told["extracted"]
    expected = FeatureExtractor().extract(RSI2, tmp_path / "ES.csv", "ES")
    assert one["rows"] == len(expected) > 20
    assert (one["session"], one["dollars_per_point"]) == ("futures", 50.0)
    [file] = one["files"]
    assert pl.read_csv(file)["y_pnl_usd"].to_list() == expected["y_pnl_usd"].to_list()
    # Nobody named a symbol: which session they close in is seen from the files.
    every = document(capsys, "--strategy", RSI2, "--dir", str(tmp_path), "--output-dir", "all")
    assert [one["symbol"] for one in every["extracted"]] == ["ES", "NQ"]
    again = pl.read_csv(every["extracted"][0]["files"][0])
    assert again["y_pnl_usd"].to_list() == expected["y_pnl_usd"].to_list()


def winners_file(path: Path, *winners: tuple[str, str, dict, int], interval: str = "1d") -> Path:
    listed = [
        {
            "interval": interval,
            "strategy": strategy,
            "symbol": symbol,
            "params": params,
            "rank": rank,
            "metrics": {"sharpe_ratio": 1.0},
            "deflated_sharpe": None,
            "data_digest": "d",
            "span": {"started_ts": 1, "ended_ts": 2},
        }
        for strategy, symbol, params, rank in winners
    ]
    head = {"version": 1, "created_from": "r.db", "objective": "sharpe_ratio", "trials": 9}
    path.write_text(json.dumps({**head, "winners": listed}))
    return path


def test_each_winner_is_extracted_and_one_that_fails_stops_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = winners_file(
        tmp_path / "winners.json",
        (RSI2, "IBM", {"period": 2}, 1),
        ("no_such", "IBM", {}, 2),
        (RSI2, "GONE", {}, 1),
        (RSI2, "IBM", {"period": 4}, 3),
        ("breakout", "MSFT", {}, 1),
    )
    told = document(capsys, "--from-winners", str(file), status=1)
    found = [(one["strategy"], one["symbol"], one["params"]) for one in told["extracted"]]
    assert found == [
        (RSI2, "IBM", {"period": 2}),
        (RSI2, "IBM", {"period": 4}),
        ("breakout", "MSFT", {}),
    ]
    names = {Path(name).name for one in told["extracted"] for name in one["files"]}
    assert names == {
        f"IBM_{RSI2}_training_data.csv",
        f"IBM_{RSI2}_rank3_training_data.csv",
        "MSFT_breakout_training_data.csv",
    }
    errors = {(one["strategy"], *one["symbols"]): one["error"] for one in told["failed"]}
    assert "strategy kind was 'no_such'" in errors["no_such", "IBM"]
    assert "symbol 'GONE' is not in the bars" in errors[RSI2, "GONE"]
    assert execute(["extract", "--from-winners", str(file)]) == 1
    assert "failed: no_such on IBM: strategy kind was 'no_such'" in capsys.readouterr().out


def test_a_winner_of_other_bars_is_not_extracted_from_these(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = winners_file(tmp_path / "w.json", (RSI2, "IBM", {"period": 2}, 1), interval="1h")
    assert execute(["extract", "--from-winners", str(file)]) == 2
    assert "decides at closes of 1h, and the bars are of 1d: say --interval 1h" in (
        capsys.readouterr().err
    )


def test_a_symbol_that_a_run_with_a_context_does_not_trade_is_read_beside_its_own(
    capsys: pytest.CaptureFixture[str],
):
    run = ("--config", str(RUN), "--set", "data.symbols=[MSFT]", "--set", "context.market=MSFT")
    told = document(capsys, *run, "--strategy", RSI2, "--symbol", "IBM", "--files-only")
    assert [one["symbol"] for one in told["extracted"]] == ["IBM"]


def test_bars_that_cannot_be_read_are_the_cause_that_is_told_also_with_a_context(
    capsys: pytest.CaptureFixture[str],
):
    run = ("--config", str(RUN), "--set", "data.symbols=[MSFT,GONE]")
    context = ("--set", "context.market=MSFT", "--files-only")
    told = document(capsys, *run, *context, "--symbol", "IBM", status=1)
    assert {one["error"].partition(":")[0] for one in told["failed"]} == {
        "symbol 'GONE' is not in the bars"
    }


def test_samples_go_in_once_and_are_those_that_train_accumulates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = ("--config", str(RUN), "--set", "data.symbols=[IBM,MSFT]", *with_a_model(tmp_path))
    state = ("--state-dir", str(tmp_path / "extracted"))
    first = document(capsys, *run, *state)
    assert first["samples_added"] == sum(one["rows"] for one in first["extracted"]) > 50
    assert document(capsys, *run, *state)["samples_added"] == 0
    accumulated = ("--state-dir", str(tmp_path / "accumulated"))
    assert execute(["train", "--accumulate", *run, *accumulated]) == 0
    extracted, collected = rows_of(tmp_path / "extracted"), rows_of(tmp_path / "accumulated")
    assert extracted["samples"] == collected["samples"]
    assert extracted["data_sets"] == collected["data_sets"]
    # The run's external strategy has parameters, and no signals.
    assert set(extracted["parameter_sets"]) < set(collected["parameter_sets"])
    kept = document(capsys, *run, *state, "--files-only")
    assert "samples_added" not in kept


def test_a_reference_of_the_context_is_read_beside_the_symbol_asked_for(
    capsys: pytest.CaptureFixture[str],
):
    run = ("--config", str(RUN), "--set", "context.market=MSFT", "--files-only")
    told = document(capsys, *run, "--strategy", RSI2, "--symbol", "IBM")
    [one] = told["extracted"]
    assert one["symbol"] == "IBM"
    read = pl.read_csv(one["files"][0])
    assert read["market_return_20"].is_finite().all()
    expected = FeatureExtractor(context=ContextSettings(market="MSFT")).extract_history(
        (RSI2, {"max_hold_bars": 20}), read_history(SourceSettings(kind="sample")), "IBM"
    )
    assert read["market_beta_60"].to_list() == pytest.approx(expected["market_beta_60"].to_list())


def test_other_costs_are_other_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = ("--strategy", RSI2, "--symbol", "IBM", "--to-database", "--state-dir", str(tmp_path))
    own = document(capsys, *asked)["samples_added"]
    assert document(capsys, *asked, "--commission-per-side", "1.0")["samples_added"] == own > 20
    assert document(capsys, *asked, "--commission-per-side", "1.0")["samples_added"] == 0


def test_a_share_called_as_a_future_is_pays_as_a_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    daily().write_csv(tmp_path / "CL.csv")
    asked = ("--strategy", RSI2, "--path", str(tmp_path / "CL.csv"), "--session", "us_equity")
    [one] = document(capsys, *asked)["extracted"]
    expected = FeatureExtractor(session="us_equity").extract(RSI2, tmp_path / "CL.csv", "CL")
    [file] = one["files"]
    read = pl.read_csv(file)
    assert read["y_pnl_usd"].to_list() == expected["y_pnl_usd"].to_list()
    assert (read["y_pnl_gross"] - read["y_pnl_usd"]).to_list() == pytest.approx([0.03] * len(read))


def test_other_instruments_and_another_context_are_other_samples(tmp_path: Path):
    dear = tmp_path / "dear.yaml"
    dear.write_text("classes: {equity: {commission_per_side: 1.0}}")
    state = StateDir(tmp_path / "state")
    state.make()
    runs = [
        ("instruments=bundled",),
        (f"instruments={dear}",),
        ("instruments=bundled", "context.market=MSFT"),
        ("instruments=bundled", "context.breadth=true"),
    ]
    settings = [load_run(RUN, ("data.symbols=[IBM,MSFT]", *assignments)) for assignments in runs]
    first, *others = (accumulate(one, state) for one in settings)
    assert others == [first] * 3
    assert first > 50
    assert [accumulate(one, state) for one in settings] == [0] * 4


def with_a_model(folder: Path) -> tuple[str, ...]:
    """Options that let a small model speak of the first strategy's signals."""
    names = ("ibs", "rsi_14", "return_60", "signal_score")
    artifact = tiny_artifact(names, (0.8, -0.01, 3.0, 0.5), -0.3, signer=TEST_SIGNER)
    model = save_artifact(artifact, folder / "model")
    return (
        *("--set", f"strategies.0.ml.model_path={model}"),
        *("--set", f"trusted_keys=[{TEST_SIGNER.public_hex}]"),
    )


@pytest.mark.parametrize(
    "assignments",
    [
        ("context.market=IBM", "context.breadth=true"),
        ("strategies.0.overlapping=true", "strategies.1.label.rule=triple_barrier"),
    ],
)
def test_columns_and_the_streams_cores_accumulate_the_same_database(
    assignments: tuple[str, ...], tmp_path: Path
):
    model = with_a_model(tmp_path)[1::2]
    settings = load_run(RUN, ("data.symbols=[IBM,MSFT,GOOG]", *model, *assignments))
    fast, slow = StateDir(tmp_path / "fast"), StateDir(tmp_path / "slow")
    for state in (fast, slow):
        state.make()
    added = accumulate(settings, fast)
    instants, data = read_market(settings.data.source_settings())
    assert collect(instants, settings, slow, data=data) == added > 100
    assert rows_of(fast.root) == rows_of(slow.root)
    with sqlite3.connect(fast.root / "features.db") as database:
        [(said,)] = database.execute("SELECT count(DISTINCT probability) FROM samples")
    database.close()
    assert said > 50
    assert accumulate(settings, fast) == 0


def rows_of(state: Path) -> dict[str, list[tuple]]:
    """Everything in a feature database but the order in which it came in."""
    found = {}
    with sqlite3.connect(state / "features.db") as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table.startswith("sqlite_") or table == "schema_migrations":
                continue
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            wanted = ", ".join(name for name in columns if name != "id")
            found[table] = sorted(database.execute(f"SELECT {wanted} FROM {table}"), key=repr)
    database.close()
    assert found["samples"]
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to extract: --strategy NAME, --from-winners FILE, or --config FILE"),
        (("--strategy", "rsi2_mean_revesion"), "did you mean rsi2_mean_reversion"),
        (("--strategy", RSI2, "--symbol", "IBN"), "did you mean IBM?"),
        (("--strategy", RSI2, "--params", "{period: 2}"), "must be JSON or a Python dict"),
        (("--strategy", RSI2, "--params", "[1]"), "--params must be a mapping of names"),
        (("--strategy", RSI2, "--params", "@gone.json"), "--params @gone.json cannot be read"),
        (("--strategy", RSI2, "--params", "{'perod': 2}"), "did you mean period?"),
        (("--params", "{}", "--from-winners", "w.json"), "leave out others"),
        (("--from-winners", "gone.json"), "gone.json cannot be read"),
        (
            ("--strategy", RSI2, "--start", "soon"),
            "start must be a valid RFC3339 encoded date, was",
        ),
        (("--strategy", RSI2, "--start", "2090-01-01"), "no bars are left"),
        (("--strategy", RSI2, "--target-r", "2"), "say --label triple_barrier"),
        (("--strategy", RSI2, "--commission-per-side", "-1"), "commission_per_side must be"),
        (("--strategy", RSI2, "--interval", "1x"), "interval"),
        (("--strategy", RSI2, "--set", "a.b=c"), "name one with --config"),
        (("--strategy", "external"), "is external, its signals are an engine's own"),
    ],
)
def test_wrong_usage_is_said_in_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
):
    assert execute(["extract", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_symbol_asked_for_twice_is_extracted_once(capsys: pytest.CaptureFixture[str]):
    told = document(capsys, "--strategy", RSI2, *("--symbol", "IBM") * 2, "--symbol", "AAPL")
    assert [one["symbol"] for one in told["extracted"]] == ["IBM", "AAPL"]


def test_no_trade_is_a_negative_result_with_files_of_headings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    short = ("--start", "2005-01-01", "--end", "2005-02-01")
    told = document(capsys, "--strategy", RSI2, "--symbol", "IBM", *short, status=1)
    [one] = told["extracted"]
    assert (one["rows"], one["base_rate"], one["mean_r"], one["first"]) == (0, None, None, None)
    [file] = one["files"]
    assert pl.read_csv(file).columns[:2] == ["Date/Time", "Exit Date/Time"]


def test_a_symbols_odd_letters_do_not_leave_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    daily("../BTC/USD").write_csv(tmp_path / "bars.csv")
    told = document(capsys, "--strategy", RSI2, "--path", str(tmp_path / "bars.csv"))
    [one] = told["extracted"]
    assert one["symbol"] == "../BTC/USD"
    assert [Path(file).parent.name for file in one["files"]] == ["training_data"]
    assert Path(one["files"][0]).is_file()


def test_a_strategy_of_the_run_is_taken_with_its_settings(capsys: pytest.CaptureFixture[str]):
    run = ("--config", "quickstart", "--set", "strategies.0.costs.bps_per_side=50")
    asked = ("--strategy", RSI2, "--symbol", "IBM", "--files-only", "--params", '{"period": 3}')
    told = document(capsys, *run, *asked)
    [one] = told["extracted"]
    assert one["params"] == {"max_hold_bars": 20, "period": 3}
    expected = FeatureExtractor().extract_history(
        StrategySettings(
            RSI2,
            params=one["params"],
            costs=load_run(RUN, ("strategies.0.costs.bps_per_side=50",)).strategies[0].costs,
        ),
        read_history(SourceSettings(kind="sample", symbols=("IBM",))),
    )
    assert one["mean_r"] == pytest.approx(expected["r_multiple"].mean())


def _ns(day: str) -> int:
    return int(pl.Series([day]).str.to_datetime(time_unit="ns").cast(pl.Int64)[0])


def _plain(frame: pl.DataFrame) -> dict[str, pl.DataType]:
    return {
        name: pl.String() if isinstance(kind, pl.Datetime) else kind
        for name, kind in frame.schema.items()
    }
