"""The page of many models has one row for each, made or not, and leads to the page of each."""

import re

import msgspec
import pytest

from tests.trainers.reports.model_reports import bare_report, report_of
from tests.trainers.reports.page_reader import seen
from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import ModelFailure
from trainers.pipeline.pipeline_results import VERSION, PipelineResults
from trainers.reports.model_caveats import caveats
from trainers.reports.model_verdict import sentence
from trainers.reports.pipeline_page import STRIP_WIDTH, pipeline_page, write_pipeline_page

replace = msgspec.structs.replace

EVIL = "<script>alert(1)</script>\"'&"
FAILURE = ModelFailure(strategy="rsi2", symbol=EVIL, reason="was 31 samples <b>few</b>")
MODELS = (
    report_of(),
    report_of(skill=0.0, symbol="MSFT"),
    report_of(samples=200, symbol="TINY"),
    bare_report(),
    FAILURE,
)


def page_of(*models):
    return pipeline_page(PipelineResults(VERSION, "winners.json", models))


@pytest.fixture(scope="module")
def page():
    return page_of(*MODELS)


def rows_of(page):
    """Pairs of a row of figures and the row of its sentence, below the head."""
    rows = seen(page).rows[1:]
    return list(zip(rows[::2], rows[1::2], strict=True))


def test_every_model_has_a_row_with_its_figures_and_its_sentence(page):
    for report, (row, says) in zip(MODELS[:3], rows_of(page)[:3], strict=True):
        found = report.holdout.evaluation
        assert row[0].startswith(f"rsi2_mean_reversion on {report.identity.symbol}")
        assert row[2] == f"{found.samples:,}"
        area, gain = found.auc, found.log_loss_gain
        assert row[3] == f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
        assert row[4] == f"{gain.value:+.4f} ± {gain.error:.4f}"
        assert row[6] == str(len(caveats(report)))
        assert says == [f"{sentence(report)}entry_below 10, hold_bars 5, exit_above 65"]


def test_a_failure_has_its_reason_and_no_figures(page):
    row, says = rows_of(page)[4]
    assert row == [f"rsi2 on {EVIL}", "Failed", ""]
    assert says == ["was 31 samples <b>few</b>"]


def test_all_of_them_are_counted_first(page):
    assert (
        "Of 5 models: 1 fit to be deployed, 1 no skill here, 1 undecided, 1 no model, 1 failed."
    ) in seen(page).words
    assert "No model was asked for." in seen(page_of()).words


def test_a_row_leads_to_the_page_of_its_model(page):
    assert seen(page).links == [
        f"{symbol}_rsi2/{symbol}_rsi2_report.html" for symbol in ("AAPL", "MSFT", "TINY")
    ]


def test_a_strip_shows_the_interval_and_stays_within_its_ends(page):
    strips = re.findall(
        r'<line x1="([\d.]+)" x2="([\d.]+)"[^>]*/><line x1="([\d.]+)" x2="([\d.]+)"', page
    )
    assert len(strips) == 3
    for strip in strips:
        chance, _, left, right = map(float, strip)
        assert chance == pytest.approx(0.4 * STRIP_WIDTH)
        assert 0.0 <= left < right <= STRIP_WIDTH
    report = report_of()
    wide = replace(report.holdout.evaluation, auc=Figure(0.6, 0.4, -0.2, 1.4))
    strip = page_of(replace(report, holdout=replace(report.holdout, evaluation=wide)))
    assert 'x1="0.0" x2="220.0"' in strip


def test_out_of_fold_figures_stand_in_where_nothing_was_held_out():
    report = replace(report_of(), holdout=None)
    ((row, _),) = rows_of(page_of(report))
    assert row[2] == f"{report.out_of_fold.samples:,}"


def test_names_are_text_and_nothing_comes_from_elsewhere(page):
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//|@import|url\(', page)


def test_the_page_is_the_same_for_the_same_results(page, tmp_path):
    file = tmp_path / "pipeline.html"
    write_pipeline_page(PipelineResults(VERSION, "winners.json", MODELS), file)
    assert file.read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.html"]
