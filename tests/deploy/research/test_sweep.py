"""`assay sweep` and `assay winners` from the command line."""

import json
from pathlib import Path

import pytest

from deploy.cli import execute
from deploy.research.sweep_file import load_sweep
from streams.errors import ConfigError
from trainers.sweeps.winners import read_winners

QUICK = ("--strategy", "rsi2_mean_reversion", "--workers", "1", "--param", "entry=5,15")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says so, trials are counted below the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "research.db")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict, str]:
    status = execute([*arguments, "--json"])
    captured = capsys.readouterr()
    assert status in (0, 1), captured.err
    return json.loads(captured.out.splitlines()[-1]) | {"status": status}, captured.err


def test_a_sweep_is_kept_told_and_not_done_twice(db, capsys):
    first, told = document(capsys, "sweep", *QUICK, "--db", db)
    assert (first["runs"], first["added"], first["found"]) == (12, 12, 0)
    assert first["trials"] == 12
    assert "12 trials: the best, rsi2_mean_reversion on" in told
    assert {one["verdict"] for one in first["best"]} <= {"no skill", "significant"}
    assert {one["winner"]["symbol"] for one in first["best"]} >= {"*", "IBM"}
    again, told = document(capsys, "sweep", *QUICK, "--db", db)
    assert (again["added"], again["found"], again["trials"]) == (0, 12, 12)
    assert "0 runs done, 12 were in" in told
    assert again["best"] == first["best"]


def test_every_search_counts_in_one_ledger(tmp_path, capsys):
    """Another store on the same symbols: what was tried before counts with it."""
    document(capsys, "sweep", *QUICK, "--db", str(tmp_path / "one.db"))
    third = (*QUICK[:-1], "entry=7")
    found, _ = document(capsys, "sweep", *third, "--db", str(tmp_path / "two.db"))
    assert (found["runs"], found["trials"]) == (6, 18)
    alone = ("--db", str(tmp_path / "three.db"), "--ledger", str(tmp_path / "other.db"))
    found, _ = document(capsys, "sweep", *third, *alone)
    assert (found["runs"], found["trials"]) == (6, 6)
    # Over other days as well, as for an optimisation: they share most of what they look at.
    shorter = ("--db", str(tmp_path / "four.db"), "--end", "2012-12-31")
    found, _ = document(capsys, "sweep", *third, *shorter)
    assert (found["runs"], found["trials"]) == (6, 24)
    alone = ("--db", str(tmp_path / "five.db"), "--symbol", "IBM")
    found, _ = document(capsys, "sweep", *third, *alone)
    assert (found["runs"], found["added"], found["trials"]) == (1, 1, 4)
    searched = ("--config", "configs/optimize_breakout.yaml", "--set", "data.symbols=[IBM]")
    place = ("--output-dir", str(tmp_path / "optimised"))
    found, _ = document(capsys, "optimize", *searched, "--trials", "2", *place)
    found, _ = document(capsys, "winners", "--db", str(tmp_path / "five.db"))
    assert found["trials"] == 4 + 2


def test_a_file_flags_and_overrides_say_together_what_is_tried(db, tmp_path, capsys):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "strategies:\n"
        "  - name: breakout\n"
        "    params: {exit_ma: 50}\n"
        "    values: {trend_ma: [20, 100]}\n"
        "  - name: rsi2_mean_reversion\n"
        "data: {source: sample}\n"
        "instruments: bundled\n"
        "pooled: false\n"
    )
    given = ("--config", str(file), "--symbol", "IBM", "--symbol", "AAPL", "--start", "2004-01-01")
    found, _ = document(
        capsys, "sweep", *given, "--db", db, "--workers", "1", "--param", "breakout.trend_ma=50"
    )
    assert found["runs"] == 2 * 2
    for one in found["best"]:
        winner = one["winner"]
        assert winner["symbol"] in ("IBM", "AAPL")
        assert winner["span"]["started_ts"] > 1_072_900_000_000_000_000
        if winner["strategy"] == "breakout":
            assert (winner["params"]["exit_ma"], winner["params"]["trend_ma"]) == (50, 50)


def test_winners_are_written_for_extraction(db, tmp_path, capsys):
    document(capsys, "sweep", *QUICK, "--db", db)
    target = tmp_path / "winners.json"
    given = ("--db", db, "--output", str(target))
    found, told = document(capsys, "winners", *given, "--top-n", "1", "--min-trades", "20")
    assert found["status"] == 0
    assert found["trials"] == 12
    assert "12 trials: the best" in told
    written = read_winners(target)
    assert [one.symbol for one in written.winners] == ["AAPL", "GOOG", "IBM", "MSFT"]
    assert all(one.metrics["trades"] >= 20 for one in written.winners)
    pooled, _ = document(capsys, "winners", *given, "--pooled", "--per", "overall")
    assert [one["symbol"] for one in pooled["winners"]] == ["*", "*"]


def test_no_run_with_enough_trades_is_a_negative_result(db, tmp_path, capsys):
    document(capsys, "sweep", *QUICK, "--db", db)
    target = tmp_path / "winners.json"
    given = ("--db", db, "--output", str(target), "--min-trades", "9000")
    found, told = document(capsys, "winners", *given)
    assert found["status"] == 1
    assert found["winners"] == []
    assert "none of 12 runs" in told
    assert "lower --min-trades" in told
    assert not target.exists()


def test_a_store_that_is_missing_or_empty_is_told_in_words(db, tmp_path, capsys):
    target = ("--output", str(tmp_path / "winners.json"))
    assert execute(["winners", "--db", db, *target]) == 2
    assert "there is no research store" in capsys.readouterr().err
    from trainers.sweeps.research_store import ResearchStore

    ResearchStore(db).close()
    assert execute(["winners", "--db", db, *target]) == 2
    assert "holds no runs yet: assay sweep --db" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a strategy with --strategy, or --strategy all"),
        (("--strategy", "breakot"), "did you mean breakout"),
        (("--strategy", "breakout", "--param", "entry=3"), "no strategy of the sweep takes it"),
        (("--strategy", "breakout", "--param", "entry"), "must look like name=v1,v2"),
        (("--strategy", "breakout", "--param", "exit_ma=21"), "exit_ma was 21"),
        (("--strategy", "breakout", "--grid", "2", "--random", "3"), "a grid or random, not both"),
        (("--strategy", "breakout", "--symbol", "IBN"), "IBN"),
        (("--strategy", "breakout", "--start", "yesterday"), "start"),
        (("--strategy", "breakout", "--objective", "luck"), "objective 'luck' is unknown"),
        (("--config", "none.yaml"), "none.yaml cannot be read: No such file"),
        (("--strategy", "breakout", "--set", "pool=true"), "pool is not a known key"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_stored(arguments, told, db, capsys):
    assert execute(["sweep", *arguments, "--db", db, "--workers", "1"]) == 2
    assert told in capsys.readouterr().err
    assert not Path(db).exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("strategies: [{params: {}}]", "name is required"),
        ("strategies: 3", "strategies.0"),
        ("data: none", "data must be object"),
        ("- 1", "must hold a mapping of keys, was list"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_file_that_is_no_sweep_is_refused_with_its_place(text, told, tmp_path, db, capsys):
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    arguments = ("--config", str(file), "--symbol", "IBM", "--param", "exit_ma=20", "--db", db)
    assert execute(["sweep", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_the_environment_gives_keys_of_a_sweep_and_no_others():
    flags = {"strategies": ["all"], "grid": 2}
    given = {"ASSAY_GRID": "3", "ASSAY_DATA__INTERVAL": "1h", "ASSAY_TRAIN__X": "1"}
    found = load_sweep(None, flags, (), ("data.interval=1d",), given)
    assert len(found.strategies) > 10
    # A flag has the last word, --set the one before.
    assert (found.grid, found.data.interval) == (2, "1d")
    with pytest.raises(ConfigError, match="give `costs` or `instruments`, not both"):
        load_sweep(None, flags, (), ("instruments=bundled", "costs.bps_per_side=1"), {})
