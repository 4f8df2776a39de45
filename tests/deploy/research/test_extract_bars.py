"""`assay extract` on files of bars that need a word: what an error advises can be said."""

from pathlib import Path

import pytest

from deploy.cli import execute
from tests.trainers.extraction.market import daily

HEADER = "Date,Open,High,Low,Close,Volume\n"


def test_what_an_error_in_bars_advises_can_be_said_without_a_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{day:%d/%m/%Y},{0.0 if i == 200 else open_},{high},{low},{close},"
        for i, (day, open_, high, low, close, _) in enumerate(daily(bars=260).rows())
    ]
    Path("bars").mkdir()
    Path("bars/IBM.csv").write_text(HEADER + "\n".join(rows) + "\n")
    asked = [
        "extract",
        "--strategy",
        "rsi2_mean_reversion",
        "--dir",
        "bars",
        "--params",
        "{'trend_ma': 0}",
    ]
    for more, error in (
        (
            ["--date-order", "mdy", "--volume", "zero"],
            "time must be a time in UTC, was '13/01/2015'",
        ),
        (["--date-order", "dmy"], "volume must be a number"),
        (["--date-order", "dmy", "--volume", "zero"], "open must be > 0"),
        (["--stamp", "end"], "stamp was 'end'"),
    ):
        assert execute([*asked, *more]) == 2
        assert error in capsys.readouterr().err
    told = [*asked, "--date-order", "dmy", "--volume", "zero", "--validation", "repair"]
    assert execute(told) == 0
    assert "259 of 260 bars kept, 1 dropped (price ×1)" in capsys.readouterr().err
