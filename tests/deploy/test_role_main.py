"""A parent starts a role by the options of `assay run`, and hears the same when it cannot."""

from pathlib import Path

import pytest
import typer

from deploy.cli import app
from deploy.launch import role_commands
from deploy.role_main import main, parser
from deploy.role_runtime import ROLES
from deploy.state import StateDir
from tests.deploy.running import assay


def test_the_options_are_those_of_the_command_for_people():
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    theirs = {option for parameter in command.params for option in parameter.opts}
    ours = {option for action in parser()._actions for option in action.option_strings or ["role"]}
    assert ours - {"-h"} == theirs | {"--help"}


def test_every_command_of_a_run_is_understood():
    commands = role_commands(
        ROLES, Path("a.yaml"), ("x.y=1", "z=2"), "nats://h", StateDir(Path("s")), standby=True
    )
    orders = {name: parser().parse_args(command[3:]) for name, command in commands.items()}
    assert set(orders) == {*ROLES, "scorer-standby"}
    assert orders["scorer-standby"].standby
    assert not orders["labeller"].standby
    for order in orders.values():
        assert (order.config, order.nats, order.state_dir) == (
            Path("a.yaml"),
            "nats://h",
            Path("s"),
        )
        assert order.assignments == ["x.y=1", "z=2"]
        assert order.follow_parent


@pytest.mark.parametrize(
    "wrong",
    [("labeller", "--standby"), ("scorer", "--shard", "2", "--shards", "2"), ("nobody",)],
)
def test_what_cannot_be_run_is_told_as_people_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]
):
    where = ("--state-dir", str(tmp_path), "--nats", "nats://127.0.0.1:1")
    told = assay("run", *wrong, *where)
    status = main([*wrong, *where, "--config", "configs/quickstart.yaml"])
    assert (status, capsys.readouterr().err) == (told.returncode, told.stderr)
