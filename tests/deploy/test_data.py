"""`assay data check`, and the line that commands say when bars were changed."""

import json
from pathlib import Path

import pytest

from deploy.cli import execute
from deploy.config import DataSettings

HEADER = "Date,Open,High,Low,Close,Volume\n"
GOOD = "2020-01-02,10,12,9,11,100\n2020-01-03,10,12,9,11.5,100\n"
REPAIRABLE = "2020-01-06,10,11,9,12,100\n"
BROKEN = "2020-01-07,10,12,0,11,100\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ES.csv").write_text(HEADER + GOOD)
    (tmp_path / "NQ.csv").write_text(HEADER + GOOD + REPAIRABLE + BROKEN)
    return tmp_path


def document(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    status = execute([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_good_bars_exit_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = document(["data", "check", "--dir", str(folder), "--symbol", "ES"], capsys)
    assert status == 0
    assert report["is_clean"]
    assert [check["symbol"] for check in report["symbols"]] == ["ES"]


@pytest.mark.parametrize(
    ("validation", "bars", "repaired", "dropped"),
    [("strict", 4, 0, 2), ("drop", 4, 0, 2), ("repair", 5, 1, 1)],
)
def test_bars_that_strict_refuses_exit_1(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    validation: str,
    bars: int,
    repaired: int,
    dropped: int,
) -> None:
    arguments = ["data", "check", "--dir", str(folder), "--validation", validation]
    status, report = document(arguments, capsys)
    assert status == 1
    assert report["faults"] == {"ohlc": 1, "price": 1}
    assert (report["bars"], report["repaired"], report["dropped"]) == (bars, repaired, dropped)
    assert {Path(example["file"]).name for example in report["examples"]} == {"NQ.csv"}


def test_the_table_fits_into_80_columns(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(folder)
    for i in range(30):
        (folder / f"S{i:02}.csv").write_text(HEADER + GOOD)
    assert execute(["data", "check", "--dir", "."]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    # The symbol with faults is shown, of the others no more than there is room for.
    assert "NQ            2  2020-01-02  2020-01-03  price ×1, ohlc ×1" in text
    assert "12 others    24" in text
    assert "32 in all    64" in text
    assert "low must be > 0, was 0.0: refused" in text
    assert lines[-1] == "not good: 2 of 66 bars cannot be used"


def test_a_run_file_says_where_bars_are_and_options_win(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data", "check", "--config", "quickstart"]
    status, report = document(arguments, capsys)
    assert (status, report["bars_read"]) == (0, 12_154)
    place = [*arguments, "--set", f"data.dir={folder}", "--set", "data.symbols=[NQ]"]
    place += ["--set", "data.source=folder"]
    status, report = document(place, capsys)
    assert (status, report["bars_read"]) == (1, 4)
    status, report = document([*place, "--symbol", "ES"], capsys)
    assert (status, report["bars_read"]) == (0, 2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--validation", "mend"], "validation was 'mend'"),
        (["--interval", "1x"], "interval must be 1d, or minutes or hours"),
        (["--session", "nyse"], "session 'nyse' is not known"),
        (["--symbol", "EZ"], "none for EZ: expected EZ.csv: did you mean ES"),
        (["--source", "parket"], "bar source 'parket' is not known: did you mean parquet"),
        (["--date-order", "ymd"], "date_order was 'ymd'"),
    ],
)
def test_options_that_make_no_sense_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert execute(["data", "check", "--dir", str(folder), *more]) == 2
    assert words in capsys.readouterr().err


def test_a_command_that_reads_changed_bars_says_so_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["backtest", "--config", "quickstart", "--state-dir", str(folder / "state")]
    settings = ["data.source=''", f"data.dir={folder}", "ml_data_collection.enabled=false"]
    sets = [part for text in settings for part in ("--set", text)]
    assert execute([*arguments, *sets]) == 2
    assert "NQ.csv row 4: close must lie in [low, high]" in capsys.readouterr().err
    assert execute([*arguments, *sets, "--set", "data.validation=repair"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        f"assay: bars of {folder}: 5 of 6 bars kept, 1 of them repaired, 1 dropped "
        "(price ×1, ohlc ×1)"
    )


def test_a_command_says_in_a_line_when_files_were_not_read_as_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ES", "NQ"):
        (folder / f"{name}.csv").write_text(HEADER + GOOD.replace(",100", ",none"))
    arguments = ["backtest", "--config", "quickstart", "--state-dir", str(folder / "state")]
    settings = ["data.source=''", f"data.dir={folder}", "ml_data_collection.enabled=false"]
    sets = [part for text in settings for part in ("--set", text)]
    assert execute([*arguments, *sets, "--set", "data.params.volume=zero"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        f"assay: {folder}/ES.csv: 2 volumes cannot be read: they are 0; "
        "1 more notes: assay data check tells them"
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (DataSettings(), "sample"),
        (DataSettings(dir="bars"), "folder"),
        (DataSettings(path="ES.txt"), "csv"),
        (DataSettings(path="ES.PARQUET"), "parquet"),
        (DataSettings(dir="bars", source="csv"), "csv"),
    ],
)
def test_without_a_source_the_place_says_which(data: DataSettings, kind: str) -> None:
    assert data.source_settings().kind == kind
