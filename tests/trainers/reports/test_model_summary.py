"""The summary of a model is one page of plain text, whatever the report holds."""

import msgspec
import pytest

from tests.trainers.reports.model_reports import bare_report, report_of
from trainers.reports.executive_summary import COLUMNS, executive_summary
from trainers.reports.model_caveats import caveats

replace = msgspec.structs.replace

LINES_MAX = 66

GOLDEN = """\
Executive summary: rsi2_mean_reversion on AAPL
================================================================================

VERDICT
  No skill here: on 600 held-out signals it is not shown to rank the winners
  higher (AUC 0.495, p = 0.578).

WHAT TO DO
  Let the signals pass through. Another try on the same holdout is no proof: it
  has been opened. More history, other features or another exit rule may have
  what this lacks.

WHAT DECIDED
                      out of fold                  holdout
  signals             1,400 on 1,032 days          600 on 438 days
  base rate           0.449 (0.423 to 0.475)       0.455 (0.415 to 0.495)
  AUC                 0.505 (0.474 to 0.535)       0.495 (0.448 to 0.543)
  log-loss gain, nats -0.0026 (-0.0065 to +0.0014) -0.0038 (-0.0096 to +0.0021)
  calibration slope   0.03 (-0.67 to 0.74)         -0.25 (-1.40 to 0.90)
  accepted            8.9% from 0.500 on           8.2% from 0.500 on
  mean R, accepted    -0.016 (-0.203 to +0.172)    -0.192 (-0.496 to +0.111)
  mean R, all         -0.036 (-0.090 to +0.019)    -0.011 (-0.094 to +0.072)
  R gained a signal   +0.034 (-0.018 to +0.087)    -0.005 (-0.084 to +0.074)

  walk-forward        4 folds, t -1.18 of the gain, efficiency 0.86
  purged paths        5 paths, median AUC 0.509 (0.506 to 0.509)
  overfitting         PBO 0.43 (0.11 to 0.76), deflated Sharpe 0.21 after 171
                      trials
  model               blend of ensemble, logistic, random_forest, chosen of 7
                      candidates
  features            6 of 64, stability 0.61 (0.49 to 0.73)

BEFORE YOU BELIEVE IT
  - the interval of the holdout's AUC holds 0.5, chance: 0.495 (0.448 to 0.543)
  - the probabilities say too much: calibration slope -0.25 (-1.40 to 0.90),
    below 1
  - that filtering earns more than taking every signal is not beyond chance:
    -0.005 R (-0.084 to +0.074) a signal
  - deflated by 171 trials the Sharpe ratio of the accepted is more than luck
    with a probability of 0.21, below 0.95
  - the stitched walk-forward has a t of -1.18, below 1.645
  - 71 trials found nothing better than the defaults

WHERE IT COMES FROM
  searched            2016-01-07 to 2021-12-01, 1,400 samples (868 independent
                      at most)
  held out            2021-12-02 to 2024-03-19, 600 samples
  opened              2024-11-21 14:39 UTC
  data                9f9f9f9f9f9f
  made by             code 1.4.0, seed 7
  trained             2024-11-21 14:40 UTC
  summary             AAPL_rsi2/AAPL_rsi2_executive_summary.txt
  report              AAPL_rsi2/AAPL_rsi2_report.html
"""


def test_a_summary_says_it_all_on_one_page():
    assert executive_summary(report_of(skill=0.0)) == GOLDEN


@pytest.mark.parametrize(
    "report",
    [report_of(), report_of(skill=0.0), report_of(samples=200), bare_report()],
    ids=["skill", "noise", "few", "bare"],
)
def test_a_summary_fits_a_page(report):
    lines = executive_summary(report).splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) <= LINES_MAX
    assert not [line for line in lines if line != line.rstrip()]
    text = " ".join(lines)
    assert not [word for word in ("nan", "None", "inf ") if word in text]


def test_a_summary_is_the_same_for_the_same_report():
    assert executive_summary(report_of()) == executive_summary(report_of())


def test_a_model_that_nothing_speaks_against_is_not_praised():
    text = executive_summary(report_of())
    assert "Fit to be deployed: on 600 held-out signals" in text
    assert "No figure speaks against it. The past is still the past." in text
    assert "AAPL_rsi2/AAPL_rsi2_ml_meta_labeling_final_model.onnx" in text


def test_only_so_many_doubts_are_said_and_the_rest_counted():
    report = report_of(skill=0.0)
    many = tuple(f"warning {number}" for number in range(10))
    warned = replace(report, samples=replace(report.samples, warnings=many))
    text = executive_summary(warned)
    assert "- warning 7\n" in text
    assert "warning 8" not in text
    assert f"- {len(caveats(warned)) - 8} more: see the report" in text


def test_what_is_missing_is_said():
    text = executive_summary(bare_report())
    assert "  Nothing was evaluated.\n" in text
    assert "rsi2_mean_reversion, all symbols" in text
    assert "  held out            nothing\n" in text


def test_a_name_cannot_break_a_line_or_run_over_its_end():
    report = report_of()
    evil = "X\n\nVERDICT\n  Fit to be deployed\x1b[31m" + "Y" * 200
    named = replace(report, identity=replace(report.identity, symbol=evil))
    lines = executive_summary(named).splitlines()
    assert lines.count("VERDICT") == 1
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= COLUMNS
