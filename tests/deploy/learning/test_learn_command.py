"""`assay learn` says what is due, does what the live loop does, each thing once, and can be killed.

What it takes from a whole market, beside the live loop, is in test_learn_cycle.
"""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import execute
from deploy.file_lock import FileLock
from deploy.learning.history import history_of
from deploy.learning.learning_view import figure_words
from deploy.learning.needs import needs_of
from deploy.learning.standing_drift import StandingDrift, standing_drifts
from deploy.operations.model_shelf import ModelLine
from deploy.state import StateDir
from engine.drift.drift_words import CANARY_DETAIL
from engine.settings import StrategySettings
from models.settings import MlSettings
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.events import Policy, Progress
from tests.deploy.learning.learning_run import emptied, wait_less
from tests.deploy.operations.registry_stage import (
    FIRST,
    NOW,
    SECOND,
    STRATEGY,
    asked_for,
    decide,
    publish_bars,
    publish_drift,
    staged,
)
from tests.engine.market import DAY_NS, START_NS
from trainers.gate import NOT_BETTER_THAN_NULL, PROMOTED_AFTER_DRIFT
from trainers.retraining.request import check_request, is_alarm_about, is_persons

OWN = StrategySettings(STRATEGY)
HOLDS = """
import sys, time
from pathlib import Path
from deploy.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.take()
print("held", flush=True)
time.sleep(60)
"""


def line(version: str = "m-1", symbol: str | None = None, **changes) -> ModelLine:
    given = {"digest": "ab", "effective_ts": 1, "strategy": STRATEGY, "symbol": symbol}
    return ModelLine(scope=STRATEGY, version=version, **given | changes)


def drift(channel: str = "ranking", model: str = "m-1", strategy: str = STRATEGY) -> StandingDrift:
    return StandingDrift(strategy, model, channel, "slope", 77, 99)


@pytest.mark.parametrize(
    ("models", "standing", "expected"),
    [
        ([line()], [], []),
        ([], [], [("retrain", "no_model", 0, "")]),
        ([line(digest="")], [], [("retrain", "no_model", 0, "")]),
        ([line(strategy="other")], [], [("retrain", "no_model", 0, "")]),
        ([line()], [drift()], [("retrain", "refresh:slope", 77, "m-1")]),
        ([line()], [drift(strategy="other")], []),
        ([line()], [drift("calibration")], [("recalibrate", "calibration:slope", 77, "m-1")]),
        # A retrain answers both, and age.
        (
            [line(is_expired=True)],
            [drift("calibration"), drift()],
            [("retrain", "refresh:slope", 77, "m-1")],
        ),
        ([line(is_expired=True)], [], [("retrain", "schedule", 0, "m-1")]),
        ([line(), line("m-2", "X", is_expired=True)], [], [("retrain", "schedule", 0, "m-2")]),
    ],
)
def test_what_is_due_follows_from_what_a_strategy_lacks(models, standing, expected):
    found = needs_of(OWN, models, standing, forced=False)
    assert [(n.action, n.reason, n.since_ts, n.model) for n in found] == expected


def test_a_model_of_a_file_is_a_model():
    own = StrategySettings(STRATEGY, ml=MlSettings(model_path="m.bundle"))
    assert needs_of(own, [], [], forced=False) == []


def test_a_person_gets_a_model_from_the_changepoint_whatever_there_is():
    (need,) = needs_of(OWN, [line()], [drift()], forced=True)
    assert (need.reason, need.since_ts, need.model) == ("forced", 77, "")
    assert is_persons(need.request(100))


def test_a_request_is_named_by_what_it_asks_for_and_can_be_honoured():
    (need,) = needs_of(OWN, [line()], [drift()], forced=False)
    assert need.request(100) == need.request(100)
    assert need.request(100).request_id != need.request(101).request_id
    for ts in (0, 50, 100):
        check_request(need.request(ts))
    # It goes on with the account of alpha that the alarm began.
    assert not is_alarm_about(need.request(100), "m-1")


async def test_a_drift_stands_until_it_is_over_or_its_model_is_gone(memory_bus):
    bus = memory_bus
    await publish_bars(bus)
    assert await standing_drifts(bus) == []
    await publish_drift(bus, 10, model=FIRST.version)
    # Nobody was put in force: one of a file speaks.
    assert [one.model for one in await standing_drifts(bus)] == [FIRST.version]
    await decide(bus, FIRST, asked_for("r-1", 2))
    await publish_drift(bus, 11, model=FIRST.version, channel="inputs", detector="psi")
    await publish_drift(bus, 12, model=SECOND.version, detail=CANARY_DETAIL)
    await publish_drift(bus, 13, model=FIRST.version, detector="intercept", channel="calibration")
    assert [one.detector for one in await standing_drifts(bus)] == ["slope", "intercept"]
    assert await standing_drifts(bus, "other") == []
    gone = {"model": FIRST.version, "detector": "intercept", "channel": "calibration"}
    await publish_drift(bus, 14, level="recovered", **gone)
    assert [one.detector for one in await standing_drifts(bus, STRATEGY)] == ["slope"]
    await decide(bus, SECOND, asked_for("r-2", 3))
    assert await standing_drifts(bus) == []


async def test_history_tells_alarm_request_and_decision_in_this_order(memory_bus):
    bus = memory_bus
    await publish_bars(bus)
    await decide(bus, FIRST, asked_for("r-1", 2, "initial"))
    ts = START_NS + 5 * DAY_NS
    await publish_drift(bus, ts, model=FIRST.version)
    await bus.publish(
        subjects.policy(STRATEGY), codec.encode(Policy(STRATEGY, "block", "ann", "x"))
    )
    await decide(bus, SECOND, asked_for("r-2", 5, "drift:slope"))
    waiting = asked_for("r-3", 8)
    await bus.publish(subjects.retrain(STRATEGY), codec.encode(waiting))
    entries = await history_of(bus, STRATEGY)
    assert [one.kind for one in entries] == [
        *("retrain", "deployed", "drift", "retrain", "policy", "deployed", "waiting"),
    ]
    assert [one.request_id for one in entries if one.request_id] == [
        *("r-1", "r-1", "r-2", "r-2", "r-3"),
    ]
    assert entries[5].figures["p"] == 0.03
    assert entries[4].text == "policy block by ann: x"
    assert [one.kind for one in await history_of(bus, STRATEGY, 2)] == ["deployed", "waiting"]
    assert await history_of(bus, "other") == []


async def test_history_of_all_strategies_has_each(memory_bus):
    bus = await staged(memory_bus)
    assert {one.strategy for one in await history_of(bus)} == {STRATEGY}
    assert [one.ts for one in await history_of(bus)][-1] <= NOW


def test_a_lock_has_one_owner_and_none_when_that_is_killed(tmp_path):
    path = tmp_path / "a.lock"
    lock, other = FileLock(path), FileLock(path)
    holder = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            assert not lock.take()
            assert lock.owner() == str(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
    assert lock.take()
    assert not other.take()
    lock.release()
    assert other.take()
    other.release()


@pytest.mark.parametrize("given", [[], ["--status", "--cycle"], ["--retrain", "--history"]])
def test_exactly_one_of_the_five_says_what_to_do(given, capsys, tmp_path):
    assert execute(["learn", *given, "--state-dir", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    for name in ("--status", "--check-drift", "--retrain", "--cycle", "--history"):
        assert name in told


def test_force_is_for_retrain(capsys):
    assert execute(["learn", "--cycle", "--force"]) == 2
    assert "--force is for --retrain, was given for --cycle" in capsys.readouterr().err


def told_by(broker: EmbeddedBroker, state: Path, capsys, *mode: str) -> tuple[int, dict]:
    """Return the exit status and the document of one command line."""
    where = ["--nats", broker.url, "--state-dir", str(state), "--json"]
    status = execute(["learn", *mode, "--config", "configs/rsi2_walk_forward.yaml", *where])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.broker
def test_a_drift_that_stands_is_the_exit_status_and_is_told(
    broker: EmbeddedBroker, tmp_path: Path, capsys, monkeypatch
):
    async def stage() -> None:
        async with emptied(broker.url) as bus:
            await staged(bus)
            await publish_drift(bus, NOW, model=SECOND.version)

    wait_less(monkeypatch)
    asyncio.run(stage())
    for mode in ("--check-drift", "--cycle"):
        status, document = told_by(broker, tmp_path, capsys, mode)
        assert status == 1
        assert [one["model"] for one in document["standing"]] == [SECOND.version]
    given = ["--nats", broker.url, "--state-dir", str(tmp_path)]
    assert execute(["learn", "--check-drift", *given]) == 1
    shown = capsys.readouterr().out
    assert f"alpha: drift stands on {SECOND.version.removeprefix('alpha-')}" in shown
    assert execute(["learn", "--history", *given, "--limit", "2"]) == 0
    kept, drift_line = capsys.readouterr().out.splitlines()
    assert "alpha: drift detected (ranking, slope)" in drift_line
    assert "not deployed" in kept
    assert execute(["learn", "--status", *given]) == 0
    assert "last alpha: retrain (manual, as of" in capsys.readouterr().out


@pytest.mark.broker
def test_an_empty_broker_is_quiet_and_has_nothing_to_learn_from(
    broker: EmbeddedBroker, tmp_path: Path, capsys, monkeypatch
):
    wait_less(monkeypatch)

    async def empty() -> None:
        async with emptied(broker.url):
            pass

    asyncio.run(empty())

    def told(*mode: str) -> tuple[int, dict]:
        return told_by(broker, tmp_path, capsys, *mode)

    assert told("--history") == (0, {"entries": []})
    status, document = told("--status")
    assert status == 0
    assert [(one["seen"], one["last"]) for one in document["strategies"]] == [(None, None)]
    status, document = told("--check-drift")
    assert (status, document["standing"], document["checked"]["watches"]) == (0, [], [])
    status, document = told("--cycle")
    assert (status, document["answers"]) == (0, [])
    for mode in (("--retrain",), ("--retrain", "--force")):
        status, document = told(*mode)
        assert (status, document["asked"], len(document["too_early"])) == (1, [], 1)
    assert told("--history") == (0, {"entries": []})


@pytest.mark.broker
def test_what_is_due_in_vain_is_asked_for_once_and_changes_no_policy(
    broker: EmbeddedBroker, tmp_path: Path, capsys, monkeypatch
):
    wait_less(monkeypatch)

    async def begin() -> None:
        async with emptied(broker.url) as bus:
            await publish_bars(bus)
            await bus.publish(
                subjects.progress("labeller", 0),
                codec.encode(Progress("labeller", 0, NOW, await bus.last_seq(topology.INPUT))),
            )

    asyncio.run(begin())
    status, document = told_by(broker, tmp_path, capsys, "--retrain")
    (answer,) = document["answers"]
    assert (status, answer["reason"], answer["asked"]) == (1, "too_few_samples", "no_model")
    # Nothing new is known: it was asked for, and is answered, once.
    assert told_by(broker, tmp_path, capsys, "--retrain") == (status, document)
    _, document = told_by(broker, tmp_path, capsys, "--history")
    assert [one["kind"] for one in document["entries"]] == ["retrain", "kept"]
    assert document["entries"][-1]["text"] == "no model deployed: too few samples to train"


def test_another_runs_configuration_changes_nothing(capsys, tmp_path: Path):
    state = StateDir(tmp_path)
    state.make()
    state.write_url("nats://127.0.0.1:1", ("breakout", "elsewhere"))
    given = ["--config", "configs/rsi2_walk_forward.yaml", "--state-dir", str(tmp_path)]
    for mode in ("--cycle", "--check-drift", "--retrain"):
        assert execute(["learn", mode, *given]) == 2
        told = capsys.readouterr().err
        assert "there breakout, elsewhere run; give the run's own" in told


def test_a_level_stands_beside_each_test_that_decided():
    figures = {
        "p_value_vs_null": 0.0138,
        "p_value_vs_champion": 0.0025,
        "alpha": 0.0333,
        "skill_alpha": 0.05,
    }
    assert figure_words(figures) == (
        "p 0.0138 of being no better than the null model (below 0.05 is asked); p 0.0025 of being "
        "no better than the champion (below 0.0333 is asked)"
    )
    assert figure_words(figures | {"reason": PROMOTED_AFTER_DRIFT}).count("asked") == 1


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"log_loss_gain_vs_null": -0.001}, "; its probabilities are no better than one constant"),
        ({"log_loss_gain_vs_level": 0.0}, "; its probabilities are no better than one constant"),
        ({"utility_gain_r_vs_null": -0.3}, "; what it accepts earns less than taking every signal"),
        ({"p_value_vs_null": 0.2}, "(below 0.05 is asked)"),
        ({}, "(below 0.05 is asked)"),
    ],
)
def test_a_model_that_ranks_and_was_refused_is_told_what_else_failed(refused, why: str):
    figures = {"reason": NOT_BETTER_THAN_NULL, "p_value_vs_null": 0.004, "skill_alpha": 0.05}
    good = {"log_loss_gain_vs_null": 0.01, "log_loss_gain_vs_level": 0.01}
    good |= {"utility_gain_r_vs_null": -0.1, "utility_gain_error_vs_null": 0.2}
    assert figure_words(figures | good | refused).endswith(why)


@pytest.mark.broker
def test_a_second_one_ends_at_once(broker: EmbeddedBroker, tmp_path: Path, capsys):
    lock = FileLock(tmp_path / "learn.lock")
    assert lock.take()
    given = ["--nats", broker.url, "--state-dir", str(tmp_path)]
    for mode in ("--cycle", "--check-drift", "--retrain"):
        assert execute(["learn", mode, *given]) == 2
        assert f"another assay learn (process {lock.owner()}) is at work" in capsys.readouterr().err
    lock.release()
