"""The best runs win, by a stated rule, and their file is read as strictly as it is written."""

import msgspec
import pytest
from msgspec.structs import replace

from streams.errors import ConfigError, DataError
from tests.trainers.sweeps.sweeps import a_run
from trainers.sweeps.sweep_skill import Trials
from trainers.sweeps.winners import (
    Choice,
    WinnersFile,
    choose_winners,
    read_winners,
    write_winners,
)

RUNS = [
    a_run("1", sharpe=0.5, params='{"entry":5.0}'),
    a_run("2", sharpe=1.5, params='{"entry":6.0}'),
    a_run("3", sharpe=1.0, strategy="breakout", params="{}"),
    a_run("4", sharpe=2.5, trades=29, params='{"entry":7.0}'),
    a_run("5", sharpe=0.9, symbol="FB", params='{"entry":5.0}'),
    a_run("6", sharpe=0.8, symbol="FB", strategy="breakout", params="{}"),
    a_run("7", sharpe=3.0, symbol="*", params='{"entry":5.0}'),
    a_run("8", sharpe=None, trades=0, symbol="GE", params='{"entry":5.0}'),
]


def chosen(runs=RUNS, **changes) -> list[tuple]:
    found = choose_winners(runs, Trials(runs), Choice(**changes), "research.db")
    return [(one.rank, one.symbol, one.strategy, one.params) for one in found.winners]


def test_the_best_of_each_symbol_win_if_they_trade_enough():
    assert chosen(top=2) == [
        (1, "FB", "rsi2_mean_reversion", {"entry": 5.0}),
        (2, "FB", "breakout", {}),
        (1, "IBM", "rsi2_mean_reversion", {"entry": 6.0}),
        (2, "IBM", "breakout", {}),
    ]
    assert chosen(top=1, trades_min=29)[1][3] == {"entry": 7.0}


@pytest.mark.parametrize(
    ("per", "winners"),
    [
        ("strategy", [("breakout", "IBM"), ("rsi2_mean_reversion", "IBM")]),
        (
            "pair",
            [
                ("breakout", "FB"),
                ("breakout", "IBM"),
                ("rsi2_mean_reversion", "FB"),
                ("rsi2_mean_reversion", "IBM"),
            ],
        ),
        ("overall", [("rsi2_mean_reversion", "IBM")]),
    ],
)
def test_runs_compete_within_their_group(per, winners):
    assert [(one[2], one[1]) for one in chosen(top=1, per=per)] == winners


def test_pooled_runs_compete_among_themselves():
    assert chosen(pooled=True) == [(1, "*", "rsi2_mean_reversion", {"entry": 5.0})]


def test_ties_go_to_the_sharpe_ratio_then_the_trades_then_the_name():
    def tied(key: str, sharpe: float, trades: int, params: str):
        run = a_run(key, sharpe=sharpe, trades=trades, params=params)
        # Above its bound one profit factor is as good as another.
        return replace(run, performance=replace(run.performance, profit_factor=50.0 + sharpe))

    runs = [
        tied("a", 1.0, 40, '{"entry":4}'),
        tied("b", 1.0, 40, '{"entry":3}'),
        tied("c", 1.0, 41, '{"entry":2}'),
        tied("d", 1.1, 30, '{"entry":1}'),
    ]
    order = [one[3]["entry"] for one in chosen(runs, top=9, objective="profit_factor")]
    assert order == [1, 2, 3, 4]
    assert [
        one[3]["entry"] for one in chosen(runs[::-1], top=9, objective="profit_factor")
    ] == order


def test_of_the_same_run_on_other_bars_the_last_one_competes():
    older = a_run("1", sharpe=2.0, data_digest="old")
    newer = a_run("2", sharpe=0.5, data_digest="new")
    found = choose_winners([older, newer], Trials([older, newer]), Choice(), "db")
    assert [one.data_digest for one in found.winners] == ["new"]
    # Both were tried.
    assert found.trials == 2


def test_other_bars_of_a_symbol_are_another_run():
    runs = [a_run("1", sharpe=2.0, interval="1h"), a_run("2", sharpe=0.5)]
    found = choose_winners(runs, Trials(runs), Choice(), "db")
    assert [(one.interval, one.rank) for one in found.winners] == [("1h", 1), ("1d", 2)]


def test_the_file_says_what_was_chosen_and_what_it_is_worth(tmp_path):
    path = tmp_path / "deep" / "winners.json"
    found = choose_winners(RUNS, Trials(RUNS), Choice(objective="sharpe"), "postgresql://a:***@b/c")
    write_winners(found, path)
    assert read_winners(path) == found
    tree = msgspec.json.decode(path.read_bytes())
    assert tree["version"] == 1
    assert tree["created_from"] == "postgresql://a:***@b/c"
    assert tree["objective"] == "sharpe_ratio"
    assert tree["trials"] == len(RUNS)
    first = tree["winners"][0]
    assert set(first) >= {"strategy", "symbol", "params", "rank", "metrics", "deflated_sharpe"}
    assert first["metrics"]["sharpe_ratio"] == 0.9
    assert first["data_digest"] == "d" * 64
    assert first["span"]["started_ts"] < first["span"]["ended_ts"]
    assert 0.0 < first["deflated_sharpe"] < 1.0


def test_a_file_is_replaced_whole_and_no_half_is_left(tmp_path, monkeypatch):
    path = tmp_path / "winners.json"
    empty = WinnersFile(1, "db", "sharpe_ratio", 0, ())
    write_winners(empty, path)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    full = choose_winners(RUNS, Trials(RUNS), Choice(), "db")
    with pytest.raises(DataError, match=r"winners.json: No space left on device; name another"):
        write_winners(full, path)
    assert read_winners(path) == empty
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory; assay winners --db FILE"),
        ("{", "is not JSON"),
        ("[]", "must be object, was"),
        ('{"version": 2, "winners": []}', "has version 2, this program reads 1: write it anew"),
        ('{"version": 1, "winer": []}', "winer is not a known key.*did you mean winners"),
        ('{"version": 1, "created_from": "x"}', "is required and was not given"),
        (
            '{"version": 1, "created_from": "x", "objective": "y", "trials": 1, "winners": [3]}',
            "must be object, was 3",
        ),
    ],
)
def test_a_file_that_is_no_winners_file_is_refused_in_words(tmp_path, content, told):
    path = tmp_path / "winners.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=told):
        read_winners(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"per": "symbols"}, "--per was 'symbols': did you mean symbol"),
        ({"top": 0}, "--top-n must be 1 to 10000, was 0"),
        ({"trades_min": -1}, "--min-trades must be 0 or above, was -1"),
        ({"objective": "sharpy"}, "objective 'sharpy' is unknown: did you mean sharpe"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        chosen(**changes)
