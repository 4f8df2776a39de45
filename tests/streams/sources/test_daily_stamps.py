"""When a daily bar is known that is stamped with more than a date."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from streams.source import read_bars
from streams.source_settings import SourceSettings

NEW_YORK = "America/New_York"


def closes(place: SourceSettings) -> list[str]:
    return read_bars(place)["ts"].cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M").to_list()


@pytest.mark.parametrize(
    ("stamp", "settings", "close"),
    [
        # A day of FX or futures that begins at 17:00 in New York is known a day later, not then.
        ("2020-01-01T22:00:00Z", {"session": "fx"}, "2020-01-02T22:00"),
        ("2020-01-01 22:00", {"session": "fx"}, "2020-01-02T22:00"),
        ("2020-01-01 17:00:00-05:00", {"session": "futures"}, "2020-01-02T22:00"),
        ("2020-01-01 17:00", {"session": "fx", "timezone": NEW_YORK}, "2020-01-02T22:00"),
        ("01/13/2020 17:00", {"session": "fx", "timezone": NEW_YORK}, "2020-01-14T22:00"),
        # Stamped with its close, it is known then.
        (
            "2020-01-02 17:00",
            {"session": "fx", "timezone": NEW_YORK, "stamp": "close"},
            "2020-01-02T22:00",
        ),
        ("2020-01-02 23:59:59.999", {"session": "crypto", "stamp": "close"}, "2020-01-03T00:00"),
        ("2020-01-02 16:00", {"timezone": NEW_YORK}, "2020-01-02T21:00"),
        # At midnight the date stands as written, in whatever zone.
        ("2020-01-02 00:00:00-05:00", {}, "2020-01-02T21:00"),
        ("2020-01-02 00:00:00+09:00", {}, "2020-01-02T21:00"),
        ("2020-01-02 00:00", {"session": "fx", "timezone": "Asia/Tokyo"}, "2020-01-02T22:00"),
    ],
)
def test_a_daily_bar_stamped_at_a_time_of_day_lies_within_its_session(
    tmp_path: Path, stamp: str, settings: dict[str, Any], close: str
) -> None:
    file = tmp_path / "A.csv"
    file.write_text(f"Time,Open,High,Low,Close,Volume\n{stamp},1,3,.5,2,10\n")
    place = SourceSettings(kind="csv", path=str(file), **settings)
    assert closes(place) == [close]
    parquet = tmp_path / "A.parquet"
    columns = {"Open": [1.0], "High": [3.0], "Low": [0.5], "Close": [2.0], "Volume": [10]}
    pl.DataFrame({"Time": [stamp], **columns}).write_parquet(parquet)
    place = SourceSettings(kind="parquet", path=str(parquet), **settings)
    assert closes(place) == [close]
