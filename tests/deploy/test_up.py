"""`assay up` as its users meet it: status, a killed role, Ctrl-C, a killed parent."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import execute
from tests.deploy.plain_client import PlainClient
from tests.deploy.plain_client import signal as raw_signal
from tests.deploy.running import STOP_TIMEOUT_S, Up, assay, assay_up, is_alive

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

ROLES = ("drift", "labeller", "scorer", "strategies", "trainer")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with assay_up(tmp_path_factory.mktemp("up")) as running:
        yield running


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, f"still alive: {[p for p in pids if is_alive(p)]}"
        time.sleep(0.05)


def test_all_roles_run_each_in_its_own_process(up: Up):
    pids = up.role_pids()
    assert tuple(sorted(pids)) == ROLES
    assert len(set(pids.values())) == len(ROLES)


async def test_status_finds_the_run_by_its_state_directory(up: Up):
    client = await PlainClient.connect(up.url)
    await client.publish_bars("STAT", range(3))
    await client.publish_signal(raw_signal("my_engine", "STAT", 2, "stat-1"))
    await client.wait_for(["stat-1"])
    await client.close()
    done = assay("status", "--state-dir", str(up.state_dir), "--json")
    found = json.loads(done.stdout.splitlines()[-1])
    messages = {stream["name"]: stream["messages"] for stream in found["streams"]}
    assert messages["INPUT"] >= 4
    assert messages["SCORED"] >= 1
    assert {"scorer", "strategies"} <= {role["role"] for role in found["roles"]}
    assert done.returncode == 0


def test_without_a_model_the_registry_is_empty(up: Up, capsys: pytest.CaptureFixture[str]):
    state = ("--state-dir", str(up.state_dir))
    assert execute(["models", "list", *state, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"models": []}
    assert execute(["models", "show", "nothing", *state]) == 2
    assert "no model in the registry is called 'nothing'" in capsys.readouterr().err


async def test_a_killed_scorer_comes_back_and_answers_each_signal_once(up: Up):
    client = await PlainClient.connect(up.url)
    await client.publish_bars("KILL", range(10))
    sent = [raw_signal("my_engine", "KILL", day, f"kill-{day}") for day in range(10)]
    for values in sent[:5]:
        await client.publish_signal(values)
    await client.wait_for(["kill-4"])
    os.kill(up.role_pids()["scorer"], signal.SIGKILL)
    for values in sent[5:]:
        await client.publish_signal(values)
    await client.wait_for([values["signal_id"] for values in sent])
    assert [len(client.answers[values["signal_id"]]) for values in sent] == [1] * len(sent)
    up.wait_for_line("role scorer ended with status -9")
    await client.close()


async def test_several_scorers_share_the_symbols_and_status_says_how_far_each_is(tmp_path: Path):
    left_out = [part for role in ROLES if role != "scorer" for part in ("--without", role)]
    with assay_up(tmp_path, "--shards", "3", "--standby", *left_out) as running:
        scorers = [f"scorer-{shard}{kind}" for shard in range(3) for kind in ("", "-standby")]
        assert sorted(running.role_pids()) == sorted(scorers)
        assert all((tmp_path / "logs" / f"{name}.log").exists() for name in scorers)
        client = await PlainClient.connect(running.url)
        symbols = ("AAA", "AAPL", "BRK.B", "KO")
        for symbol in symbols:
            await client.publish_bars(symbol, range(3))
            await client.publish_signal(raw_signal("my_engine", symbol, 2, f"shared-{symbol}"))
        await client.wait_for([f"shared-{symbol}" for symbol in symbols])
        assert all(len(client.answers[f"shared-{symbol}"]) == 1 for symbol in symbols)
        await client.close()
        lines = shards_at_rest(tmp_path)
        assert [(line["shard"], line["shards"]) for line in lines] == [(0, 3), (1, 3), (2, 3)]
        assert {line["lag_s"] for line in lines} == {86_400.0}
        told = assay("status", "--state-dir", str(tmp_path))
        assert "scorer-2    at 20" in told.stdout
        assert "behind by 0 messages, 1 day of event time" in told.stdout


def shards_at_rest(state_dir: Path) -> list[dict[str, Any]]:
    """The scorers' lines of `assay status`, once none of them is behind in messages."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while True:
        done = assay("status", "--state-dir", str(state_dir), "--json")
        lines = [line for line in json.loads(done.stdout)["roles"] if line["role"] == "scorer"]
        if len(lines) == 3 and not any(line["lag_messages"] for line in lines):
            return lines
        assert time.monotonic() < deadline, lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_everything_in_order(tmp_path: Path, number: signal.Signals):
    with assay_up(tmp_path) as running:
        pids = list(running.role_pids().values())
        assert running.stop(number) == 0
        assert running.lines[-1] == "stopped"
        assert not [line for line in running.lines if "was killed" in line]
        wait_until_gone(pids)
    assert execute(["status", "--state-dir", str(tmp_path)]) == 2


def test_a_second_run_in_the_same_state_directory_is_refused(up: Up):
    done = assay("up", "--state-dir", str(up.state_dir))
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_history_is_replayed_through_the_roles_that_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with assay_up(tmp_path, "--without", "trainer", "--without", "drift") as running:
        options = ("--state-dir", str(tmp_path), "--config", "configs/quickstart.yaml")
        done = assay(
            *("replay", *options, "--without", "trainer", "--without", "drift", "--json"),
            *("--set", "data.symbols=[IBM]", "--set", "data.end=2001-06-30"),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["bars"] == 337
        assert execute(["status", "--state-dir", str(tmp_path), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        roles = {line["role"]: line for line in told["roles"]}
        assert set(roles) == {"labeller", "scorer", "strategies"}
        assert roles["strategies"]["event_time"].startswith("2001-06-28")
        assert running.process.poll() is None


def test_roles_do_not_outlive_a_parent_that_was_killed(up: Up):
    # The last of all: it ends the run that the others share.
    pids = list(up.role_pids().values())
    up.process.kill()
    up.process.wait()
    wait_until_gone(pids)
