"""`assay pipeline`: models of winners and of runs, each an account, none stopped by another."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from deploy.cli import execute
from deploy.config import load_run
from deploy.research.extraction_plan import Asked, plan_of
from deploy.research.folder_lock import own_folder
from deploy.research.sample_reader import SampleReader
from deploy.state import StateDir
from tests.deploy.research.pipeline_runs import (
    PLANTED,
    RSI2,
    SAMPLE,
    assignments,
    digests,
    document,
    places,
    winners_file,
)
from tests.house import ROOT
from tests.trainers.extraction.market import daily
from trainers.pipeline import pipeline_run
from trainers.pipeline.training_task import TrainingTask

AFTER_EVERYTHING = 4_000_000_000 * 10**9
BEFORE_THE_HOLDOUT = 1_000_000_000 * 10**9


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(SAMPLE)
    Path("planted.yaml").write_text(PLANTED)


def winners_run(tmp_path: Path, *others: str) -> list[str]:
    return ["pipeline", "--config", "run.yaml", *assignments(), *places(tmp_path), *others]


def test_each_winner_is_a_model_what_is_gone_stops_none_and_all_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    file = winners_file(
        tmp_path / "winners.json",
        (RSI2, "IBM", {"period": 2}, 1),
        ("no_such", "IBM", {}, 2),
        (RSI2, "GONE", {}, 1),
        (RSI2, "GOOG", {"period": 2}, 1),
        (RSI2, "IBM", {"entry": 20.0}, 3),
        until=AFTER_EVERYTHING,
    )
    tree = json.loads(file.read_text())
    tree["winners"][-1]["span"]["ended_ts"] = BEFORE_THE_HOLDOUT
    file.write_text(json.dumps(tree))
    run = winners_run(tmp_path, "--winners", str(file))
    told, said = document(capsys, *run, status=1)
    kinds = [one["type"] for one in told["models"]]
    assert kinds == ["model", "failure", "failure", "failure", "model"]
    first, unknown, gone, few, third = told["models"]
    assert [one["identity"]["params"] for one in (first, third)] == [{"period": 2}, {"entry": 20.0}]
    assert "no_such" in unknown["reason"]
    assert "GONE" in gone["reason"]
    assert "a model needs 50 samples or more, was" in few["reason"]
    assert f"failed: {RSI2} on GOOG: a model needs 50 samples" in said
    # The first one's parameters were chosen on the sealed days as well, the other's before them.
    assert any("chosen on bars up to 2096-10-02" in w for w in first["samples"]["warnings"])
    assert not any("chosen on bars" in w for w in third["samples"]["warnings"])
    folder = tmp_path / "models"
    assert (folder / f"IBM_{RSI2}" / f"IBM_{RSI2}_executive_summary.txt").is_file()
    assert (folder / f"IBM_{RSI2}_rank3" / f"IBM_{RSI2}_rank3_report.html").is_file()
    assert not list(folder.rglob("*.onnx"))
    assert "Of 5 models" in (folder / "pipeline_report.html").read_text()

    made, times = digests(folder), {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    freeze = pipeline_run.freeze_model

    def never(samples: object, task: TrainingTask, *others: object) -> object:
        assert task.symbol == "GOOG", "trained anew"
        return freeze(samples, task, *others)

    monkeypatch.setattr(pipeline_run, "freeze_model", never)
    again, said = document(capsys, *run, status=1)
    assert again == told
    assert found_again(said) == 2
    assert digests(folder) == made
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == times
    monkeypatch.setenv("COLUMNS", "80")
    assert execute(run) == 1
    shown = capsys.readouterr().out
    table = shown[: shown.index("of the holdout")].splitlines()
    assert max(map(len, table)) <= 80
    assert sum(RSI2 in line and "too few" in line for line in table) == 2
    # Other bars were looked at when they were chosen: the account would not be the same.
    winners_file(file, (RSI2, "IBM", {"period": 2}, 1), until=3)
    assert execute(run) == 1
    assert "trained anew" in "".join(capsys.readouterr())


def found_again(said: str) -> int:
    """How often a table, folded into whatever width, says of a model that it was there."""
    return "".join(said.split()).count("asbefore")


def test_without_the_ensemble_one_learner_is_trained_and_the_forest_of_old_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = winners_run(tmp_path, "--symbol", "IBM", "--n-trials", "1")
    told, _ = document(capsys, *run, "--no-ensemble", status=1)
    [report] = told["models"]
    assert report["settings"]["ensemble"] is False
    assert {one["name"] for one in report["candidates"]} <= {"lightgbm", "logistic"}
    assert not any(one["members"] for one in report["candidates"])
    few_splits = ("--set", "pipeline.cpcv_groups=3", "--set", "pipeline.cpcv_test_groups=1")
    told, _ = document(capsys, *run, *few_splits, "--use-legacy-rf", status=1)
    [report] = told["models"]
    assert [one["name"] for one in report["candidates"]] == ["random_forest"]


def test_a_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = winners_run(tmp_path, "--symbol", "IBM", "--symbol", "AAPL", "--per-symbol")
    freeze = pipeline_run.freeze_model

    def stopped(samples: object, task: TrainingTask, *others: object) -> object:
        if task.symbol == "AAPL":
            raise KeyboardInterrupt
        return freeze(samples, task, *others)

    monkeypatch.setattr(pipeline_run, "freeze_model", stopped)
    assert execute(run) == 1
    captured = capsys.readouterr()
    assert "1 of 2 models are done and kept in models, and so are the trials" in captured.out
    assert captured.err == "assay: stopped\n"
    monkeypatch.setattr(pipeline_run, "freeze_model", freeze)
    told, said = document(capsys, *run, status=1)
    assert [one["identity"]["symbol"] for one in told["models"]] == ["IBM", "AAPL"]
    assert found_again(said) == 1


def test_a_run_that_was_killed_goes_on_to_what_it_would_have_come_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ("--symbol", "IBM", "--symbol", "AAPL", "--per-symbol")
    killed = [*winners_run(tmp_path / "killed", *given), "--output-dir", "killed/models"]
    results = Path("killed/models/pipeline_results.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", *killed],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and not results.exists():
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    assert len(json.loads(results.read_text())["models"]) == 1
    told, said = document(capsys, *killed, status=1)
    assert found_again(said) == 1
    undisturbed = [*winners_run(tmp_path / "whole", *given), "--output-dir", "whole/models"]
    expected, _ = document(capsys, *undisturbed, status=1)
    assert without_clock(told) == without_clock(expected)


def without_clock(told: dict) -> dict:
    """The models without what depends on when, and after which try, they were made."""
    for model in told["models"]:
        assert model["identity"].pop("trained_ts") > 0
        assert model["holdout"].pop("opened_ts") > 0
        # The run that was killed may have been so after it broke the seal.
        assert model["holdout"].pop("opened_before") in (0, 1)
        assert model["holdout"]["opened_for_others"] == 0
    return told


def test_symbols_with_hostile_names_stay_in_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    names = ["../../up", "<b>&"]
    pl.concat([daily(name, bars=2200, seed=n) for n, name in enumerate(names)]).write_csv(
        "bars.csv"
    )
    told, _ = document(
        capsys, "pipeline", "--config", "run.yaml", *assignments(), *places(tmp_path),
        "--strategy", RSI2, "--params", "{'entry': 20.0}", "--path", "bars.csv", "--per-symbol",
        "--output-dir", "inside/out",
        status=1,
    )  # fmt: skip
    assert [one["identity"]["symbol"] for one in told["models"]] == sorted(names)
    folder = Path("inside/out")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        f"..%2F..%2Fup_{RSI2}", f"%3Cb%3E%26_{RSI2}",
    }  # fmt: skip
    assert {path.name for path in Path().iterdir()} == {
        "bars.csv", "inside", "ledger.db", "planted.yaml", "run.yaml", "state",
    }  # fmt: skip
    page = (folder / "pipeline_report.html").read_text()
    assert "<b>&" not in page
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert len(links) == len(names)
    assert all((folder / unquote(link)).is_file() for link in links)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--strategy NAME, --winners FILE, or --config FILE"),
        (["--winners", "w.json", "--strategy", RSI2], "--winners brings strategies"),
        (["--strategy", "no_such"], "no_such"),
        (["--strategy", RSI2, "--params", "{'perod': 2}"], "perod"),
        (["--strategy", RSI2, "--served"], "--served needs a run file"),
        (["--config", "planted.yaml"], "no built-in strategy"),
        (["--config", "planted.yaml", "--strategy", "synthetic"], "--served"),
        (["--config", "run.yaml", "--set", "pipeline.tuned=[lightbgm]"], "lightgbm"),
        (["--config", "run.yaml", "--output-dir", "run.yaml/out"], "--output-dir must be a folder"),
        (["--config", "run.yaml", "--output-dir", "held"], "another run writes to held"),
    ],
)
def test_what_makes_no_sense_exits_2_with_a_word(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with own_folder(Path("held"), "--output-dir"):
        assert execute(["pipeline", *arguments, *places(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("assay: ")
    assert error.count("\n") == 1
    assert words in error


def test_a_run_that_is_gone_lets_go_of_its_folder():
    with own_folder(Path("held"), "--output-dir"):
        pass
    with own_folder(Path("held"), "--output-dir"):
        pass


def test_the_record_is_read_under_the_parameters_that_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = ("--config", "run.yaml", "--state-dir", str(tmp_path))
    added = {
        entry: document(
            capsys, "train", "--accumulate", *run, "--set", f"strategies.0.params.entry={entry}"
        )[0]["samples_added"]
        for entry in (5.0, 20.0)
    }
    assert 30 < added[5.0] < added[20.0]

    def read(**asked: object) -> tuple[int, str | None, tuple[str, ...]]:
        settings = load_run(Path("run.yaml"), asked.get("assignments", ()))
        plan = plan_of(Asked(config=Path("run.yaml"), from_record=True, **asked))
        reader = SampleReader(plan, StateDir(tmp_path), settings)
        found = reader.read(plan.jobs[0], None)
        assert found.task.vectors == "served"
        difference = found.served_difference
        words = difference.verdict if difference is not None else None
        return len(found.samples), words, found.task.warnings

    # Asked for by name they are those of these parameters alone, and equal to what bars give.
    for entry, count in added.items():
        rows, words, _ = read(strategy=RSI2, params=f"{{'entry': {entry}}}")
        assert (rows, words) == (count, f"equal bit for bit: {count} signals, 98 features and "
                                 "every label")  # fmt: skip
    # The run's own: what it recorded under other parameters before is its experience too.
    own, words, _ = read(assignments=("strategies.0.params.entry=5.0",))
    assert own > added[20.0]
    assert words is not None
    assert "served only" in words
    # Without bars the record is still learned from, and it is said what was not done.
    rows, words, warnings = read(strategy=RSI2, params="{'entry': 5.0}", data={"dir": "gone"})
    assert (rows, words) == (added[5.0], None)
    assert "were not held against recomputed ones" in warnings[0]
    assert "gone" in warnings[0]
