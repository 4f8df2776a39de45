"""Samples through the command line, in a file and on a server."""

import json
from pathlib import Path

import polars as pl
import pytest

from deploy.cli import execute
from deploy.config import CollectionSettings

RUN = ("--config", "quickstart", "--set", "data.symbols=[IBM]")
NAME = "rsi2_mean_reversion"


def period_of(summary: dict) -> int:
    return summary["params"]["params"]["period"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What --db is given; the run gets a URL from its environment."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("ASSAY_ML_DATA_COLLECTION__DB_PATH", url)
    return url


class Line:
    """Runs commands in one state directory."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str, ends: int = 0) -> tuple[dict, str]:
        assert execute([*arguments, "--state-dir", str(self.folder), "--json"]) == ends
        captured = self._capsys.readouterr()
        assert "s3cret" not in captured.out + captured.err
        return json.loads(captured.out.splitlines()[-1]), captured.err


@pytest.fixture
def assay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(tmp_path, capsys)


def test_samples_are_collected_once_listed_and_exported(assay: Line, database: str, tmp_path: Path):
    first, said = assay("train", "--accumulate", *RUN, "--set", "data.end=2003-12-31")
    added = first["samples_added"]
    assert added > 10
    assert ("postgresql://assay:***@/" in said) == bool(database)
    assert assay("train", "--accumulate", *RUN, "--set", "data.end=2003-12-31")[0] == {
        "samples_added": 0
    }
    # A longer history adds what is new in it, other parameters make other samples.
    longer, _ = assay("train", "--accumulate", *RUN, "--set", "data.end=2005-12-31")
    assert longer["samples_added"] > 0
    added += longer["samples_added"]
    other = ("--set", "strategies.0.params.period=3", "--set", "data.end=2003-12-31")
    others = assay("train", "--accumulate", *RUN, *other)[0]["samples_added"]
    assert others > 0

    which = ("--db", database) if database else ("--config", "quickstart")
    listed, told = assay("samples", "list", *which)
    assert sum(one["samples"] for one in listed["samples"]) == added + others
    mine = [one for one in listed["samples"] if one["strategy"] == NAME]
    assert [one["params"]["params"]["period"] for one in sorted(mine, key=period_of)] == [2, 3]
    assert "period=2" in told
    first_set, second_set = sorted(mine, key=period_of)
    assert second_set["samples"] == others

    digest, count = first_set["params_digest"], first_set["samples"]
    target = tmp_path / "out" / "samples.parquet"
    export = ("samples", "export", "--strategy", NAME, "--output", str(target), *which)
    assert assay(*export, "--params", digest[:8])[0]["samples"] == count
    table = pl.read_parquet(target)
    assert len(table) == count
    assert table["params_digest"].unique().to_list() == [digest]
    assert table["ts"].dtype == pl.Datetime("ns", "UTC")
    assert table["ts"].is_sorted()
    assert table["data_digest"].n_unique() == 2
    assert "" not in table["code_version"].to_list()
    assert table["signal_score"].dtype == pl.Float32
    whole, _ = assay(*export)
    assert len(pl.read_parquet(target)) == whole["samples"]
    assert whole["samples"] + whole["left_out"] == count + others
    assert pl.read_parquet(target)["signal_id"].n_unique() == whole["samples"]


def test_what_is_not_there_is_said_and_nothing_is_made(assay: Line, tmp_path: Path):
    missing = str(tmp_path / "no.db")
    assert "there is no feature database" in assay("samples", "list", "--db", missing, ends=2)[1]
    assert not Path(missing).exists()
    assay("train", "--accumulate", *RUN, "--set", "data.end=2000-12-31")
    out = ("--output", str(tmp_path / "x.parquet"))
    said = assay("samples", "export", "--strategy", "other", *out, ends=2)[1]
    assert "there are no samples of strategy 'other'" in said
    said = assay("samples", "export", "--strategy", NAME, *out, "--params", "zz", ends=2)[1]
    assert "--params must begin one digest" in said
    assert list(tmp_path.glob("x.parquet*")) == []


def test_a_server_that_is_away_is_said_without_its_password(assay: Line, tmp_path: Path):
    url = f"postgresql://ann:s3cret@/assay?host={tmp_path}"
    said = assay("samples", "list", "--db", url, ends=2)[1]
    assert "the feature database postgresql://ann:***@/assay" in said
    said = assay(
        "train", "--accumulate", *RUN, "--set", f"ml_data_collection.db_path={url}", ends=2
    )[1]
    assert "cannot be used" in said


def test_the_settings_do_not_show_a_password():
    settings = CollectionSettings(db_path="postgresql://ann:s3cret@db/assay")
    assert repr(settings) == "CollectionSettings(enabled=True, db_path='postgresql://***')"
    assert "features.db" in repr(CollectionSettings())


@pytest.mark.parametrize(
    "assignment",
    [
        "ml_data_collection.db_pth={url}",
        "ml_data_collection.db_path=[{url}]",
        "ml_data_collection.db_path.user={url}",
        "ml_data_collection={url}",
        "ml_data_collection={{'{url}': 1}}",
        "ml_data_collection.db_path=[{url}",
        "{url}",
    ],
)
def test_a_key_that_is_wrong_is_said_without_the_password_beside_it(
    assignment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    monkeypatch.setenv("ASSAY_ML_DATA_COLLECTION__DB_PATH", "postgresql://ann:0therpw@db/assay")
    # So long that it is cut short where it is shown.
    url = f"postgresql://ann:{'s3cret' * 20}@db/assay"
    given = ["--config", "configs/quickstart.yaml", "--set", assignment.format(url=url)]
    assert execute(["samples", "list", *given, "--json"]) == 2
    said = capsys.readouterr()
    assert "s3cret" not in said.err + said.out
    assert "0therpw" not in said.err + said.out
    assert "***" in said.err
