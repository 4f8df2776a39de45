"""The command line: help with an example everywhere, exit codes, errors of one line."""

import json
import socket
from pathlib import Path

import msgspec
import pytest
import typer.main

from deploy import program
from deploy.cli import app, execute
from tests.deploy.running import assay


def all_commands() -> dict[str, object]:
    found: dict[str, object] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[" ".join(path)] = command
            return
        for name, child in children.items():
            walk(child, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


COMMANDS = all_commands()
UNCOLLECTED = ("--set", "ml_data_collection.enabled=false")
NO_MODEL = (
    *("--set", "strategies.0.ml.model_path=nope"),
    *("--set", f"trusted_keys=[{'a' * 64}]"),
    *UNCOLLECTED,
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert execute([*name.split(), "--help"]) == 0
    help_text = capsys.readouterr().out
    assert f"Example: assay {name}" in help_text


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"run"}))
def test_every_command_that_ends_speaks_json(name: str):
    options = {option for p in COMMANDS[name].params for option in p.opts}  # type: ignore[attr-defined]
    assert "--json" in options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["up", "--without", "nobody"], "--without must be one of strategies, scorer"),
        (["train", "--config", "configs/quickstart.yaml"], "--train, --evaluate or --full"),
        (["backtest", "--config", "nope.yaml"], "no configuration file nope.yaml"),
        (["replay", "--bars", "x.xls", "--nats", "nats://127.0.0.1:1"], "ending in .csv, .txt"),
        (["status", "--state-dir", "/nowhere"], "no broker is known"),
        (["demo", "--scenario", "other"], "'other' is not one of 'real', 'flip'"),
        (["run", "nobody"], "role must be one of strategies, scorer"),
        (["demo", *UNCOLLECTED], "assay demo collects training samples"),
        (
            ["train", "--accumulate", "--config", "quickstart", *UNCOLLECTED],
            "--accumulate collects",
        ),
        (["up", "--set", "train.learners=[nosuch]"], "learner 'nosuch' is not known"),
        (["backtest", "--config", "quickstart", *NO_MODEL], "ml.model_path nope cannot be used"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert execute(arguments) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith("assay: ")
    assert words in line
    assert "Traceback" not in captured.err


def test_a_wrong_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert execute(["up", "--port", "99999", "--state-dir", str(tmp_path)]) == 2
    assert "port must be in [0, 65535], was 99999" in capsys.readouterr().err


def test_a_port_in_use_is_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert execute(["up", "--port", str(port), "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"assay: --port {port} is in use by another program: choose another, or 0 for a free one\n"
    )


@pytest.mark.parametrize("group", ["", "models", "strategies"])
def test_without_a_command_the_help_is_shown_in_lines(
    group: str, capsys: pytest.CaptureFixture[str]
):
    assert execute(group.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"Usage: assay {group}".rstrip())
    assert "Commands:" in lines


@pytest.mark.parametrize("ending", [typer.Exit(130), KeyboardInterrupt(), 130])
def test_a_ctrl_c_is_told_and_exits_1(
    ending: BaseException | int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def interrupted(*_: object, **__: object) -> int:
        if isinstance(ending, BaseException):
            raise ending
        return ending

    monkeypatch.setattr("deploy.cli.app", interrupted)
    assert execute(["status", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "assay: stopped\n"
    assert json.loads(captured.out) == {"error": "stopped", "exit_code": 1}


def test_a_ctrl_c_while_the_program_loads_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(name: str, *_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.__import__", interrupted)
    with pytest.raises(SystemExit, match="1"):
        program.main()
    monkeypatch.undo()
    assert capsys.readouterr().err == "assay: stopped\n"


def test_an_error_is_the_json_document_too(capsys: pytest.CaptureFixture[str]):
    assert execute(["status", "--state-dir", "/nowhere", "--json"]) == 2
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["exit_code"] == 2
    assert "no broker is known" in document["error"]


def test_a_defect_is_told_in_one_line_and_its_place_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("deploy.cli.app", broken)
    assert execute(["status"]) == 1
    assert capsys.readouterr().err == (
        "assay: RuntimeError: boom; this is a defect of Assay; ASSAY_DEBUG=1 shows where\n"
    )
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    assert execute(["status"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_what_the_system_refuses_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/kernels")

    monkeypatch.setattr("deploy.cli.app", refused)
    assert execute(["status"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("assay: the system refused: [Errno 13] Permission denied: '/kernels'")
    assert "defect" not in line


def test_strategies_are_listed_with_parameters_and_ranges(capsys: pytest.CaptureFixture[str]):
    assert execute(["strategies", "list", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    found = {strategy["name"]: strategy for strategy in document["strategies"]}
    assert {"breakout", "rsi2_mean_reversion"} <= set(found)
    names = [parameter["name"] for parameter in found["breakout"]["parameters"]]
    assert names[0] == "hard_stop_atr_mult"
    assert all(strategy["summary"] for strategy in found.values())


def test_the_program_itself_keeps_the_exit_codes():
    done = assay("backtest", "--config", "nope.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert assay("--help").returncode == 0
