"""What `assay replay --bars FILE` reads the file as."""

from pathlib import Path

import numpy as np
import pytest

from deploy.commands.replay import SUFFIXES, source_of
from deploy.config import DataSettings
from streams.source import read_bars
from streams.sources import csv, parquet

DOUBTFUL = "Date,Open,High,Low,Close\n01/02/2020,10,12,9,11\n02/02/2020,10,12,9,11\n"


def test_a_file_of_any_ending_that_a_source_reads_may_be_replayed() -> None:
    assert {name for name, kind in SUFFIXES.items() if kind == "csv"} == set(csv.SUFFIXES)
    assert {name for name, kind in SUFFIXES.items() if kind == "parquet"} == set(parquet.SUFFIXES)
    assert source_of(Path("bars.PQ"), DataSettings()).source == "parquet"


@pytest.mark.parametrize("source", ["", "folder"])
def test_what_the_run_says_of_its_files_holds_for_a_replayed_one(
    tmp_path: Path, source: str
) -> None:
    file = tmp_path / "ES.csv"
    file.write_text(DOUBTFUL)
    params = {"date_order": "dmy", "volume": "zero"}
    data = DataSettings(source=source, dir="elsewhere", params=params, session="futures")
    bars = read_bars(source_of(file, data).source_settings())
    closes = [str(np.datetime64(ts, "ns").astype("datetime64[m]")) for ts in bars["ts"]]
    assert closes == ["2020-02-01T22:00", "2020-02-02T22:00"]
    assert bars["volume"].to_list() == [0.0, 0.0]


def test_params_of_a_source_without_files_are_not_the_file_s(tmp_path: Path) -> None:
    data = DataSettings(source="layer_b", params={"symbols": 3})
    assert source_of(tmp_path / "ES.csv", data).params == {}
