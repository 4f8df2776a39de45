"""`assay optimize`: what it writes, what it says, and that a Ctrl-C loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import yaml

from deploy.cli import NEGATIVE, USAGE, execute
from deploy.config import load_run, run_of
from deploy.research.optimising import load_optimisation, optimised_tree, write
from engine.backtests.portfolio_settings import PortfolioSettings
from trainers.optimiser.optimiser_report import OptimiserReport

CONFIG = "configs/optimize_breakout.yaml"
ENDS_WITHIN_S = 60.0


@pytest.fixture(autouse=True, scope="module")
def in_a_folder_of_its_own(tmp_path_factory):
    """Where nobody says so, trials are counted below the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield


@pytest.fixture(scope="module")
def optimised(tmp_path_factory):
    """One short optimisation of the sample, for all that only look at what it wrote."""
    folder = tmp_path_factory.mktemp("optimised")
    status = execute(["optimize", "--config", CONFIG, "--trials", "3", "--output-dir", str(folder)])
    return folder, status


def written(folder: Path) -> tuple[dict, Path]:
    (config,) = folder.glob("strategy_opt_*_config.yaml")
    (report,) = folder.glob("strategy_opt_*Z.json")
    return json.loads(report.read_text()), config


def test_three_trials_on_the_sample_are_no_evidence(optimised):
    folder, status = optimised
    report, _ = written(folder)
    assert status == NEGATIVE
    assert report["trials"]["complete"] == 3
    assert report["sentence"].startswith("no evidence of skill")
    assert set(report["train"]) == set(report["validation"]) == {"first", "last", "performance"}
    assert report["train"]["last"] < report["validation"]["first"]
    assert report["validation"]["last"] < report["holdout"]["first"]


def test_the_written_run_file_is_a_run_with_what_was_found(optimised, tmp_path, capsys):
    folder, _ = optimised
    report, config = written(folder)
    settings = load_run(config)
    assert settings.strategies[0].params == report["params"]
    assert settings.portfolio == PortfolioSettings(initial_capital=100_000, **report["portfolio"])
    assert "optimize" not in yaml.safe_load(config.read_text())
    state = ["--state-dir", str(tmp_path), "--set", "ml_data_collection.enabled=false"]
    assert execute(["backtest", "--config", str(config), "--json", *state]) == 0
    account = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert account["performance"]["start_equity"] == 100_000


def test_the_written_run_file_holds_no_password(optimised):
    report = msgspec.json.decode(
        next(optimised[0].glob("strategy_opt_*Z.json")).read_bytes(), type=OptimiserReport
    )
    given = {"strategy": "breakout", "ml_data_collection": {"db_path": "SECRET"}}
    for path, written in (
        ("postgresql://ann:s3cret@db/samples", "postgresql://ann@db/samples"),
        ("postgresql://ann@db/samples?password=s3cret", "postgresql://ann@db/samples"),
        ("features.db", "features.db"),
    ):
        given["ml_data_collection"] = {"enabled": True, "db_path": path}
        found = optimised_tree(report, given)["ml_data_collection"]
        assert found["enabled"]
        assert found["db_path"] == written
        run_of(optimised_tree(report, given), "the run file")
    assert given["ml_data_collection"]["db_path"] == path


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    place = ["--output-dir", str(tmp_path / "taken"), "--storage", str(tmp_path / "studies.db")]
    assert execute(["optimize", "--config", CONFIG, *place]) == USAGE
    assert "--output-dir must be a folder that can be written" in capsys.readouterr().err
    assert not (tmp_path / "studies.db").exists()


def test_two_that_end_in_the_same_second_write_files_of_their_own(optimised, tmp_path):
    report = msgspec.json.decode(
        next(optimised[0].glob("strategy_opt_*Z.json")).read_bytes(), type=OptimiserReport
    )
    wanted = load_optimisation(Path(CONFIG), None, {}, (), {})
    names = [[path.name for path in write(report, wanted, tmp_path, "T")] for _ in range(2)]
    assert names == [
        ["strategy_opt_T.json", "strategy_opt_T_config.yaml"],
        ["strategy_opt_T-2.json", "strategy_opt_T-2_config.yaml"],
    ]
    assert "--config strategy_opt_T-2_config.yaml" in (tmp_path / names[1][1]).read_text()


def test_one_of_several_strategies_is_optimised_and_the_others_stay(tmp_path):
    file = tmp_path / "several.yaml"
    file.write_text(
        "data: {source: sample, start: 2005-01-01, symbols: [IBM, MSFT]}\n"
        "context: {market: IBM}\n"
        "strategies:\n"
        "  - {name: slow, kind: breakout, params: {exit_ma: 50}}\n"
        "  - {name: fast, kind: breakout, params: {exit_ma: 20, max_hold_bars: 30}}\n"
        "ml_data_collection: {enabled: false}\n"
    )
    changed = ["--set", "portfolio.initial_capital=5000", "--set", "data.end=2012-06-30"]
    place = ["--output-dir", str(tmp_path), "--trials", "2"]
    given = ["optimize", "--config", str(file), "--strategy", "fast", *changed, *place]
    assert execute(given) in (0, NEGATIVE)
    report, config = written(tmp_path)
    settings = load_run(config)
    slow, fast = settings.strategies
    assert slow.params == {"exit_ma": 50}
    assert fast.params == {"max_hold_bars": 30, **report["params"]}
    assert settings.portfolio.initial_capital == 5_000
    assert (str(settings.data.start), str(settings.data.end)) == ("2005-01-01", "2012-06-30")
    assert settings.context.market == "IBM"
    assert execute(["backtest", "--config", str(config), "--state-dir", str(tmp_path)]) == 0


def test_one_json_document_stands_last_on_standard_output(optimised, capsys):
    folder, _ = optimised
    arguments = ["optimize", "--config", CONFIG, "--trials", "3", "--output-dir", str(folder)]
    first_written = written(folder)[1].stat().st_mtime
    assert execute([*arguments, "--json"]) == NEGATIVE
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["trials"]["found"] == 3
    assert document["holdout"]["opened_before"] == 1
    assert "opened 1 times before, 0 for other parameters" in " ".join(told.err.split())
    for path in map(Path, document["files"]):
        assert path.parent == folder
        assert path.exists()
        # The first run's are what the other tests look at.
        if path.stat().st_mtime > first_written:
            path.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--objective", "sharp"], "objective 'sharp' is unknown: did you mean sharpe"),
        (["--strategy", "rsi"], "strategy 'rsi' is not in configs/optimize_breakout.yaml"),
        (["--holdout-start", "soon"], "optimize.holdout_start"),
        (["--quick", "--trials", "3"], "give --quick or --trials, not both"),
        (["--set", "optimize.ranges={exit_ma: 30}"], "exit_ma must be among 20, 50, was 30"),
        (["--set", "optimize.fold=3"], "did you mean folds"),
    ],
)
def test_what_cannot_be_optimised_is_told(tmp_path, capsys, arguments, words):
    given = ["optimize", "--config", CONFIG, "--output-dir", str(tmp_path), *arguments]
    assert execute(given) == USAGE
    assert words in capsys.readouterr().err


def test_an_interrupted_optimisation_goes_on_where_it_was(tmp_path):
    command = [sys.executable, "-m", "deploy.cli", "optimize", "--config", CONFIG, "--trials"]
    place = ["--output-dir", str(tmp_path), "--study", "stopped"]
    with subprocess.Popen(
        [*command, "5000", *place], stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "80"}
    ) as process:
        ends = time.monotonic() + ENDS_WITHIN_S
        while complete_in(tmp_path) < 2:
            assert time.monotonic() < ends, "no trial was finished"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, errors.decode().strip()) == (NEGATIVE, "assay: stopped")
    done = complete_in(tmp_path)
    execute(["optimize", "--config", CONFIG, "--trials", str(done + 1), *place])
    report, _ = written(tmp_path)
    assert (report["trials"]["found"], report["trials"]["complete"]) == (done, done + 1)


def complete_in(folder: Path) -> int:
    import sqlite3

    database = folder / "studies.db"
    if not database.exists():
        return 0
    connection = sqlite3.connect(database, timeout=10.0)
    try:
        query = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
        return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
