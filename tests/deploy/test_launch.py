"""Which processes a run is made of."""

import sys
from pathlib import Path

import pytest
import typer

from deploy.cli import app
from deploy.config import load_run
from deploy.launch import hidden_from_others, role_commands
from deploy.overrides import without_secrets
from deploy.role_process import RoleProcess
from deploy.role_runtime import NATS_VARIABLE
from deploy.state import StateDir
from tests.deploy.running import assay

ROLES = ("strategies", "scorer", "labeller")
SECRET_URL = "nats://ann:s3cret@host:4222"


def commands(url: str = "nats://x", **options: object) -> dict[str, tuple[str, ...]]:
    state = StateDir(Path("state"))
    return role_commands(ROLES, Path("run.yaml"), (), url, state, **options)  # type: ignore[arg-type]


def test_one_scorer_is_called_by_its_role():
    assert list(commands()) == list(ROLES)


def test_each_shard_is_a_process_of_its_own_name():
    found = commands(shards=3)
    assert list(found) == ["strategies", "scorer-0", "scorer-1", "scorer-2", "labeller"]
    assert found["scorer-2"][-4:] == ("--shard", "2", "--shards", "3")
    assert "--shards" not in found["labeller"]


def test_a_standby_is_a_second_process_with_the_same_command():
    found = commands(shards=2, standby=True)
    assert list(found)[1:5] == ["scorer-0", "scorer-0-standby", "scorer-1", "scorer-1-standby"]
    assert found["scorer-1"] == found["scorer-1-standby"]
    assert found["scorer-1"][-1] == "--standby"
    assert list(commands(standby=True))[1:3] == ["scorer", "scorer-standby"]


def test_a_password_reaches_the_roles_by_the_environment_and_no_argument(tmp_path: Path):
    url = "postgresql://ann:s3cret@db/assay"
    given = ("encoding=msgpack", f"ml_data_collection.db_path={url}")
    shown, hidden = without_secrets(given)
    assert shown == given[:1]
    settings = load_run(Path("quickstart"), shown, hidden)
    assert settings.ml_data_collection.db_path == url
    assert settings == load_run(Path("quickstart"), given, {})
    assert StateDir(tmp_path).database(url) == url


async def test_a_servers_secret_reaches_a_role_by_the_environment_and_no_argument(tmp_path: Path):
    for url in ("nats://s3cret@one,s3cret@two", SECRET_URL):
        assert not any("s3cret" in word for command in commands(url).values() for word in command)
    tell = "import sys; from deploy.role_main import parser; sys.stdout = sys.stderr;"
    tell += "print(parser().parse_args(['scorer', '-c', 'a', '--state-dir', 'b']).nats)"
    log = tmp_path / "scorer.log"
    told = hidden_from_others(SECRET_URL)
    role = RoleProcess("scorer", (sys.executable, "-c", tell), log, told)
    await role.start()
    await role.wait()
    await role.stop()
    assert log.read_text().strip() == SECRET_URL


@pytest.mark.parametrize("command", ["up", "status", "monitor", "policy", "replay", "run"])
def test_commands_for_people_find_their_server_in_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setenv(NATS_VARIABLE, SECRET_URL)
    assert server_of(command) == SECRET_URL


@pytest.mark.parametrize("command", ["demo", "train"])
def test_what_a_named_server_changes_altogether_needs_it_named(
    monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setenv(NATS_VARIABLE, SECRET_URL)
    assert server_of(command) is None


def server_of(command: str) -> str | None:
    context = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return context.make_context(command, [], resilient_parsing=True).params["nats"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "labeller", "--standby"), "--standby is for scorer, was given for labeller"),
        (("run", "scorer", "--shard", "2", "--shards", "2"), "--shard must be in 0..1, was 2"),
        (("up", "--shards", "65"), "should be less than or equal to 64"),
    ],
)
def test_what_cannot_be_run_is_told(tmp_path: Path, arguments: tuple[str, ...], said: str):
    done = assay(*arguments, "--state-dir", str(tmp_path), "--nats", "nats://127.0.0.1:1")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
