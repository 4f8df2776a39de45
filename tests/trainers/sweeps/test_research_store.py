"""Runs are kept once, whoever brings them, in a file or on a server."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from streams.errors import DataError
from tests.trainers.sweeps.sweeps import a_run
from trainers.sweeps.research_store import ResearchStore


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "deep" / "research.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_a_run_comes_back_as_it_went_in_and_once(location):
    first, second = a_run("a"), a_run("b", symbol="*", params='{"entry":7.5,"period":3}')
    with ResearchStore(location) as store:
        assert store.add([first, second], sweep="s", recorded_ts=5) == 2
        assert store.add([replace(first, symbol="FB"), a_run("c")], sweep="t", recorded_ts=4) == 1
    with ResearchStore(location, must_exist=True) as store:
        # In the order of their sweeps, then by key.
        assert store.runs() == [a_run("c"), first, second]
        assert store.count() == 3
        assert store.finished(["a", "c", "z"]) == {"a", "c"}
        assert store.finished([]) == set()
    assert second.is_pooled
    assert second.param_values == {"entry": 7.5, "period": 3}


def test_more_keys_than_one_question_takes_are_all_looked_up(location, monkeypatch):
    monkeypatch.setattr("trainers.sweeps.research_store.KEYS_ASKED_MAX", 3)
    keys = [f"{number:02}" for number in range(10)]
    with ResearchStore(location) as store:
        store.add(map(a_run, keys[::2]), sweep="s", recorded_ts=1)
        assert store.finished(keys) == set(keys[::2])


def test_a_plan_is_kept_as_it_was_first(location):
    with ResearchStore(location) as store:
        store.add_sweep("d", '{"a":1}', 1)
        store.add_sweep("d", '{"a":1}', 2)
        store.add_sweep("e", "{}", 3)
        assert store.plans() == {"d": '{"a":1}', "e": "{}"}


def test_a_store_that_is_not_there_is_not_made_to_be_read(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(DataError, match=r"there is no research store .*none.db: assay sweep --db"):
        ResearchStore(path, must_exist=True)
    assert not path.exists()


def test_a_database_of_another_kind_is_told_from_a_store(tmp_path):
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE samples (x INTEGER)")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="is no research store, it has no table research_runs"):
        ResearchStore(other, must_exist=True)
    text = tmp_path / "notes.txt"
    text.write_text("no database at all, but long enough to be looked at twice" * 20)
    with pytest.raises(DataError, match=r"research store .*notes.txt cannot be used"):
        ResearchStore(text)


def test_the_name_of_a_store_has_no_password(postgres_url):
    with ResearchStore(postgres_url) as store:
        assert "***" in store.name
