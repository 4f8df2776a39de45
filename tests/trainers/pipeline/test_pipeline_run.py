"""Many models, one after the other: each whole or not there, resumed, one failure by itself."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.artifact import load_artifact
from models.onnx_session import load_model
from models.signing import SigningKey
from streams.errors import DataError
from tests.trainers.pipeline.small_runs import (
    NOW_TS,
    SETTINGS,
    SIGNER,
    job_of,
    place_in,
    planted,
    run_in,
    settings_with,
)
from tests.trainers.samples import noise_dataset
from trainers.pipeline import pipeline_run
from trainers.pipeline.model_files import FileNames
from trainers.pipeline.model_report import ModelFailure
from trainers.pipeline.pipeline_results import encode_results, read_results
from trainers.pipeline.pipeline_run import (
    PAGE_FILE,
    RESULTS_FILE,
    PipelineJob,
    PipelineRun,
    run_pipeline,
)
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.research.trial_ledger import Among, TrialLedger

QUICK = settings_with(learners=("logistic",), tuned=(), trials=1)
NAMES = FileNames("rsi2", "AAA")


class Killed(BaseException):
    """What no handler of errors stops."""


@pytest.fixture(scope="module")
def samples():
    return planted()


@pytest.fixture(scope="module")
def noise():
    return noise_dataset(900, 2, columns=8)


@pytest.fixture(scope="module")
def made_once(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    run_pipeline([job_of(samples, "AAA")], quick_in(folder))
    return folder


@pytest.fixture
def made(made_once, tmp_path):
    """A folder in which AAA's model was made of `samples`."""
    return Path(shutil.copytree(made_once, tmp_path / "made"))


def quick_in(folder: Path, settings: PipelineSettings = QUICK) -> PipelineRun:
    return run_in(folder, settings, place=place_in(folder)._replace(storage=None))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".db", ".db-wal", ".db-shm")
    }


def told_of(jobs, run):
    told = []
    results = run_pipeline(
        jobs, run, lambda job, one, was_there: told.append((job.symbol, type(one), was_there))
    )
    return results, told


def test_a_model_that_passes_is_written_signed_and_can_be_loaded(samples, tmp_path):
    results, _ = told_of([job_of(samples, "AAA")], run_in(tmp_path, SETTINGS))
    (report,) = results.models
    assert report.verdict.promoted
    assert sorted(files_of(tmp_path)) == sorted([RESULTS_FILE, PAGE_FILE, *_own_files()])
    artifact = load_artifact(tmp_path / report.files["model"])
    assert artifact.version == report.identity.version
    assert artifact.card.holdout_opened_ts == NOW_TS
    assert artifact.card.symbol == "AAA"
    load_model(artifact, samples.names, [SIGNER.public_hex], scope=("rsi2", "AAA"))
    assert (tmp_path / RESULTS_FILE).read_bytes() == encode_results(results)


def _own_files():
    stem = NAMES.stem
    yield from (f"{stem}/{NAMES.model}{ending}" for ending in (".onnx", ".card.json", ".sig"))
    yield from (f"{stem}/{stem}_executive_summary.txt", f"{stem}/{stem}_report.html")


def test_noise_writes_no_model_and_takes_an_earlier_one_away(noise, made):
    assert (made / NAMES.stem / f"{NAMES.model}.onnx").exists()
    results, _ = told_of([job_of(noise, "AAA")], quick_in(made))
    (report,) = results.models
    assert not report.verdict.promoted
    assert report.identity.version is None
    left = [name for name in files_of(made) if name.startswith(NAMES.stem)]
    assert left == [name for name in sorted(_own_files()) if name.endswith((".txt", ".html"))]


def test_one_failure_does_not_stop_the_others(samples, tmp_path):
    def unreadable():
        raise DataError("features.db has no samples of BBB: assay samples collects them")

    def unforeseen():
        raise ZeroDivisionError("of postgresql://ann:secret@host/assay")

    jobs = [
        PipelineJob("rsi2", "BBB", unreadable),
        PipelineJob("rsi2", "CCC", unforeseen),
        job_of(samples.take(np.arange(31)), "DDD"),
        job_of(samples, "AAA"),
    ]
    results, told = told_of(jobs, quick_in(tmp_path))
    assert [kind is ModelFailure for _, kind, _ in told] == [True, True, True, False]
    reasons = [one.reason for one in results.models[:3]]
    assert reasons[0].startswith("features.db has no samples of BBB")
    assert reasons[1].startswith("ZeroDivisionError: of postgresql://ann:***@host/assay; this was")
    assert reasons[2].startswith("a model needs 50 samples or more, was 31")
    assert results.models[3].verdict.promoted


def test_a_figure_that_is_no_number_fails_its_own_model_only(samples, tmp_path, monkeypatch):
    account_of = pipeline_run.account_of

    def spoiled(judged, *given):
        report = account_of(judged, *given)
        if report.identity.symbol != "BBB":
            return report
        samples = msgspec.structs.replace(report.samples, mean_r=float("inf"))
        return msgspec.structs.replace(report, samples=samples)

    monkeypatch.setattr(pipeline_run, "account_of", spoiled)
    jobs = [job_of(samples, "BBB"), job_of(samples, "AAA")]
    results, _ = told_of(jobs, quick_in(tmp_path))
    assert results.models[0].reason.startswith("samples.mean_r is not a finite number")
    assert results.models[1].verdict.promoted
    assert not (tmp_path / "BBB_rsi2").exists()


def test_what_was_made_is_found_again_and_nothing_is_opened_twice(samples, noise, made):
    run, jobs = quick_in(made), [job_of(samples, "AAA"), job_of(noise, "BBB")]
    first, told = told_of(jobs, run)
    before = files_of(made)
    assert [was_there for *_, was_there in told] == [True, False]
    again, told = told_of(jobs, run)
    assert [was_there for *_, was_there in told] == [True, True]
    assert encode_results(again) == encode_results(first)
    assert files_of(made) == before
    results, told = told_of(jobs[:1], run._replace(again=True))
    assert [was_there for *_, was_there in told] == [False]
    assert [one.holdout.opened_before for one in (*first.models, *results.models)] == [0, 1, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": settings_with(learners=("logistic",), tuned=(), trials=1, seed=8)},
        {"signer": SigningKey(bytes(32))},
        {"release": "1.2.4"},
        {"samples": True},
    ],
)
def test_what_was_made_otherwise_is_made_again(samples, made, changes):
    run = quick_in(made)
    if "release" in changes:
        run = run._replace(place=run.place._replace(release=changes["release"]))
    elif "samples" in changes:
        samples = samples.take(np.arange(len(samples) - 10))
    else:
        run = run._replace(**changes)
    _, told = told_of([job_of(samples, "AAA")], run)
    assert told[0][-1] is False


def test_a_model_that_another_run_left_is_not_taken_for_its_own(samples, made, monkeypatch):
    run, other = quick_in(made), quick_in(made, settings_with(tuned=(), trials=1))
    job = job_of(samples, "AAA")
    (first,) = read_results(made / RESULTS_FILE).models
    card = made / first.files["card"]
    own = card.read_bytes()

    def killed(*_given):
        raise Killed

    monkeypatch.setattr(pipeline_run, "write_results", killed)
    with pytest.raises(Killed):
        told_of([job], other)
    monkeypatch.undo()
    assert card.read_bytes() != own
    again, told = told_of([job], run)
    assert told[0][-1] is False
    assert card.read_bytes() == own
    assert again.models[0].identity.version == first.identity.version


def test_a_run_that_was_killed_goes_on_where_it_was(samples, noise, tmp_path):
    jobs = [job_of(noise, "BBB"), job_of(samples, "AAA")]
    expected, _ = told_of(jobs, quick_in(tmp_path / "undisturbed"))

    def on_stage(stage):
        if stage.name == "fit" and (folder / "BBB_rsi2").exists():
            raise Killed

    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        told_of(jobs, run_in(folder, QUICK, place=place_in(folder, on_stage)))
    assert [one.identity.symbol for one in read_results(folder / RESULTS_FILE).models] == ["BBB"]
    results, told = told_of(jobs, quick_in(folder))
    assert [was_there for *_, was_there in told] == [True, False]
    assert encode_results(results) == encode_results(expected)
    assert files_of(folder) == files_of(tmp_path / "undisturbed")


def test_who_breaks_the_seal_and_dies_has_tried_what_was_tried(samples, tmp_path):
    def now_ns():
        raise Killed

    with pytest.raises(Killed):
        told_of([job_of(samples)], run_in(tmp_path, QUICK, place=place_in(tmp_path, now_ns=now_ns)))
    with TrialLedger(tmp_path / "ledger.db") as ledger:
        counted = ledger.count(Among(kind="model"))
    assert counted > 0
    told_of([job_of(samples)], run_in(tmp_path, QUICK))
    with TrialLedger(tmp_path / "ledger.db") as ledger:
        assert ledger.count(Among(kind="model")) == counted


def test_models_of_a_run_before_stay_in_the_results(samples, made):
    seen = []

    def on_told(_job, _told, _found):
        seen.append([one.identity.symbol for one in read_results(made / RESULTS_FILE).models])

    run_pipeline([job_of(samples, "BBB")], quick_in(made), on_told)
    assert seen == [["BBB", "AAA"]]
    results, _ = told_of([job_of(samples, "AAA"), job_of(samples, "BBB")], quick_in(made))
    assert read_results(made / RESULTS_FILE) == results


def test_names_of_any_kind_stay_inside_the_folder(samples, tmp_path):
    symbol, strategy = "../../BRK/B\n\0", "..\\rsi 2"
    hostile = replace(samples, symbols=np.full(len(samples), symbol.rstrip("\0")))
    inner = tmp_path / "a" / "b" / "c"
    results, _ = told_of([job_of(hostile, symbol, strategy)], quick_in(inner))
    assert results.models[0].verdict.promoted
    assert list(tmp_path.rglob("*.onnx")) == [inner / results.models[0].files["model"]]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_results_of_another_program_are_written_anew(samples, tmp_path):
    (tmp_path / RESULTS_FILE).write_text('{"version": 99}')
    results, _ = told_of([job_of(samples, "AAA")], quick_in(tmp_path))
    assert (tmp_path / RESULTS_FILE).read_bytes() == encode_results(results)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_for_a_user(samples, tmp_path):
    _blocked(samples, tmp_path, lambda folder: folder.chmod(0o500))


def test_a_file_in_the_place_of_a_folder_is_told(samples, tmp_path):
    _blocked(samples, tmp_path, lambda folder: (folder / NAMES.stem).write_text(""))


def _blocked(samples, tmp_path, block):
    folder = tmp_path / "out"
    folder.mkdir()
    block(folder)
    place = place_in(tmp_path)
    results, _ = told_of([job_of(samples, "AAA")], run_in(folder, QUICK, place=place))
    assert "files cannot be written to" in results.models[0].reason
    assert "name another --output-dir" in results.models[0].reason
