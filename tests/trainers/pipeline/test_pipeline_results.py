"""The results of a pipeline are read as they were written, or refused with a word why."""

import msgspec
import pytest

from streams.errors import ConfigError, DataError
from tests.trainers.reports.model_reports import bare_report, report_of
from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import ModelFailure
from trainers.pipeline.pipeline_results import (
    VERSION,
    PipelineResults,
    encode_results,
    read_results,
    write_results,
)

replace = msgspec.structs.replace

FAILURE = ModelFailure(strategy="rsi2", symbol="BRK/B", reason="a model needs 50 samples, was 31")


@pytest.fixture
def results():
    models = (report_of(), FAILURE, report_of(samples=200), bare_report())
    return PipelineResults(VERSION, "winners.json", models)


def test_results_are_read_as_they_were_written(tmp_path, results):
    path = tmp_path / "deep" / "pipeline_results.json"
    write_results(results, path)
    assert read_results(path) == results
    assert path.read_bytes() == encode_results(results)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_model_and_a_failure_are_told_apart_by_their_type(results):
    tree = msgspec.json.decode(encode_results(results))
    assert [one["type"] for one in tree["models"]] == ["model", "failure", "model", "model"]
    assert tree["models"][0]["spans"]["research"]["first_day"] == "2016-01-07"


def test_a_figure_that_is_no_number_is_named(results):
    report = report_of()
    wrong = replace(
        report, holdout=replace(report.holdout, evaluation=evaluation_with(float("nan")))
    )
    with pytest.raises(DataError) as error:
        encode_results(replace(results, models=(FAILURE, wrong)))
    assert str(error.value) == (
        "models[1].holdout.evaluation.auc.value is not a finite number: what is not defined must "
        "be None"
    )
    ended = replace(report, holdout=replace(report.holdout, evaluation=evaluation_with(None)))
    assert encode_results(replace(results, models=(ended,)))


def evaluation_with(area):
    return replace(report_of().holdout.evaluation, auc=Figure(area))


def test_results_of_another_version_are_refused(tmp_path, results):
    path = tmp_path / "pipeline_results.json"
    write_results(replace(results, version=VERSION + 1), path)
    with pytest.raises(ConfigError, match="has version 2, this program reads 1: train anew"):
        read_results(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ('{"version": 1, "created_from": "x", "modells": []}', "did you mean models?"),
        ('{"version": 1, "created_from": "x", "models": [{"type": "other"}]}', "models.0"),
        ("[]", "must be"),
    ],
)
def test_what_is_not_results_is_refused(tmp_path, text, words):
    path = tmp_path / "pipeline_results.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_results(path)
    assert words in str(error.value)


def test_results_that_are_not_there_name_who_writes_them(tmp_path):
    with pytest.raises(ConfigError, match="assay pipeline writes one"):
        read_results(tmp_path / "pipeline_results.json")


def test_results_that_cannot_be_written_leave_nothing(tmp_path, results):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="name another --output-dir"):
        write_results(results, tmp_path / "file" / "pipeline_results.json")
