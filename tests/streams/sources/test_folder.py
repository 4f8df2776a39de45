"""A folder of files per symbol: which file is whose."""

from pathlib import Path

import polars as pl
import pytest

from streams.errors import ConfigError
from streams.source import read_bars
from streams.source_settings import SourceSettings
from streams.sources.file_names import symbol_and_length
from streams.sources.folder import SUFFIXES

HOUR_NS = 3_600_000_000_000


def csv(folder: Path, name: str, close: float = 2.0, stamps: tuple[str, ...] = ("2020-01-02",)):
    rows = "".join(f"{stamp},1,3,.5,{close},10\n" for stamp in stamps)
    (folder / name).write_text(f"Date,Open,High,Low,Close,Volume\n{rows}")


def parquet(folder: Path, name: str, close: float = 2.0) -> None:
    columns = {"Date": ["2020-01-02"], "Open": [1], "High": [3], "Low": [0.5], "Close": [close]}
    pl.DataFrame(columns | {"Volume": [10]}).write_parquet(folder / name)


def read(folder: Path, *symbols: str, interval: str = "1d", kind: str = "folder") -> pl.DataFrame:
    return read_bars(SourceSettings(kind=kind, dir=str(folder), symbols=symbols, interval=interval))


def closes(bars: pl.DataFrame) -> dict[str, float]:
    return dict(zip(bars["symbol"], bars["close"], strict=True))


def test_csv_and_parquet_lie_side_by_side(tmp_path: Path) -> None:
    csv(tmp_path, "AAA.csv", 2.0)
    parquet(tmp_path, "BBB.parquet", 2.5)
    csv(tmp_path, "CCC.txt", 1.5)
    (tmp_path / "notes.md").write_text("not bars")
    (tmp_path / ".DDD.csv").write_text("not bars either")
    assert closes(read(tmp_path)) == {"AAA": 2.0, "BBB": 2.5, "CCC": 1.5}
    assert closes(read(tmp_path, "BBB", "AAA")) == {"AAA": 2.0, "BBB": 2.5}


@pytest.mark.parametrize(
    ("name", "symbol", "hours"),
    [
        ("ES", "ES", None),
        ("ES_1d", "ES", 24),
        ("ES-1h", "ES", 1),
        ("ES.daily", "ES", 24),
        ("EURUSD_H4", "EURUSD", 4),
        ("BTC-USD-60min", "BTC-USD", 1),
        ("NYSE_SPY, 1D", "NYSE_SPY", 24),
        ("BRK.B", "BRK.B", None),
        ("BRK_B", "BRK_B", None),
        ("ES_1w", "ES", 168),
        ("1d", "1d", None),
    ],
)
def test_a_name_says_the_symbol_and_perhaps_the_interval(
    name: str, symbol: str, hours: int | None
) -> None:
    assert symbol_and_length(name) == (symbol, hours and hours * HOUR_NS)


def test_of_several_intervals_the_one_asked_for_is_read(tmp_path: Path) -> None:
    csv(tmp_path, "ES_1d.csv", 2.0)
    csv(tmp_path, "ES_1h.csv", 2.5, ("2020-01-02 10:00",))
    csv(tmp_path, "ES.csv", 1.5)
    csv(tmp_path, "NQ-15m.csv", 1.0, ("2020-01-02 10:00",))
    assert closes(read(tmp_path, "ES")) == {"ES": 2.0}
    assert closes(read(tmp_path, interval="1h")) == {"ES": 2.5}
    assert closes(read(tmp_path, interval="15m", kind="csv"))["NQ"] == 1.0


def test_only_files_that_are_asked_for_are_opened(tmp_path: Path) -> None:
    csv(tmp_path, "ES.csv")
    (tmp_path / "NQ.parquet").write_bytes(b"no parquet")
    (tmp_path / "YM.csv").write_text("no bars")
    assert closes(read(tmp_path, "ES")) == {"ES": 2.0}


def test_a_symbol_is_found_in_any_case_and_named_as_asked(tmp_path: Path) -> None:
    csv(tmp_path, "es_1d.csv")
    text = "Date,Symbol,Open,High,Low,Close,Volume\n2020-01-02,spy,1,3,.5,2,10\n"
    (tmp_path / "spy.csv").write_text(text)
    assert closes(read(tmp_path, "ES", "SPY")) == {"ES": 2.0, "SPY": 2.0}


def test_a_symbol_asked_for_twice_is_read_once_and_under_one_name(tmp_path: Path) -> None:
    csv(tmp_path, "ES.csv")
    assert read(tmp_path, "ES", "ES")["symbol"].to_list() == ["ES"]
    with pytest.raises(ConfigError, match=r"ES and es are both ES\.csv"):
        read(tmp_path, "ES", "es")
    file = tmp_path / "all.csv"
    file.write_text("Symbol,Date,Open,High,Low,Close,Volume\nES,2020-01-02,1,3,.5,2,10\n")
    with pytest.raises(ConfigError, match="symbols must be different"):
        read_bars(SourceSettings(kind="csv", path=str(file), symbols=("ES", "es")))


def test_the_exact_name_goes_before_another_case(tmp_path: Path) -> None:
    csv(tmp_path, "ES.csv", 2.0)
    csv(tmp_path, "es.csv", 2.5)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system does not tell names in another case apart")
    assert closes(read(tmp_path, "es")) == {"es": 2.5}
    with pytest.raises(ConfigError, match=r"has 2 for Es: ES\.csv, es\.csv; keep one"):
        read(tmp_path, "Es")


def test_two_files_of_a_symbol_are_refused(tmp_path: Path) -> None:
    csv(tmp_path, "ES.csv")
    parquet(tmp_path, "ES.parquet")
    with pytest.raises(ConfigError, match=r"has 2 for ES: ES\.csv, ES\.parquet; keep one"):
        read(tmp_path)
    assert closes(read(tmp_path, kind="parquet")) == {"ES": 2.0}


def test_a_symbol_without_a_file_is_told_the_nearest(tmp_path: Path) -> None:
    csv(tmp_path, "AAPL.csv")
    with pytest.raises(ConfigError, match=r"none for APPL: expected APPL\.csv: did you mean AAPL"):
        read(tmp_path, "APPL")


@pytest.mark.parametrize("symbol", ["../secret", "/secret", "sub/ES", "..", "*", "~", "secret.csv"])
def test_no_symbol_leads_out_of_the_folder(tmp_path: Path, symbol: str) -> None:
    folder = tmp_path / "bars"
    (folder / "sub").mkdir(parents=True)
    csv(tmp_path, "secret.csv")
    csv(folder, "ES.csv")
    csv(folder / "sub", "ES.csv")
    with pytest.raises(ConfigError, match="has none for"):
        read(folder, symbol)


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source folder needs dir"):
        read_bars(SourceSettings(kind="folder", path=str(tmp_path / "ES.csv")))
    with pytest.raises(ConfigError, match=r"dir must be a folder, was .*: there is none"):
        read(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"dir must hold \.csv or .* files of 1d bars"):
        read(tmp_path)
    assert set(SUFFIXES) == {".csv", ".txt", ".tsv", ".parquet", ".pq"}
