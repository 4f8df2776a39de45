"""What the documents tell people to do works; what they name exists."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer.main

from engine import strategies
from engine.strategy import DECISION_SIZE, load_strategy
from models.history import HISTORY_SIZE, push
from tests import file_map
from tests.documents import DOCUMENTS, Block, blocks, code_spans, command_lines, links
from tests.house import PACKAGES, ROOT

COMMAND_TIMEOUT_S = 280


def commands() -> dict[str, set[str]]:
    """Every command of the `assay` program and its options."""
    from deploy.cli import app

    found: dict[str, set[str]] = {}

    def walk(command, path: tuple[str, ...]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))
        if not getattr(command, "commands", {}):
            found[" ".join(path)] = {
                option for parameter in command.params for option in parameter.opts
            }

    walk(typer.main.get_command(app), ())
    return found


def test_every_command_is_told_of_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in commands() if f"assay {name}" not in readme]
    assert not missing, f"README.md does not mention: {', '.join(missing)}"


def test_documents_name_only_commands_and_options_that_exist():
    known = commands()
    wrong = []
    for line in command_lines():
        if not line.startswith("assay "):
            continue
        words = line.split()[1:]
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        named = [name for name in known if words[: len(name.split())] == name.split()]
        if not named:
            wrong.append(f"{line}: no such command")
        elif unknown := options - known[named[0]] - {"--help"}:
            wrong.append(f"{line}: no such option {', '.join(sorted(unknown))}")
    assert not wrong, "\n".join(wrong)


def test_documents_name_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in command_lines() if line.startswith("make ")}
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_point_at_files_that_exist(document: str):
    tops = (*PACKAGES, "configs", "tests", ".ci")
    paths = [span for span in code_spans(document) if span.startswith(tuple(f"{t}/" for t in tops))]
    paths += [target for target in links(document) if "://" not in target]
    missing = [
        path for path in paths if not re.search(r"[<*…]", path) and not (ROOT / path).exists()
    ]
    assert not missing, f"{document} names what is not there: {', '.join(missing)}"


def test_every_file_has_its_line_in_the_file_map():
    assert file_map.written() == file_map.file_map(), "run: make format"


@pytest.mark.timeout(COMMAND_TIMEOUT_S + 20)
@pytest.mark.parametrize("block", blocks("sh run"), ids=lambda block: block.body.split("\n")[0])
def test_command_blocks_run(block: Block, tmp_path: Path):
    # In an empty folder: the bundled configurations are found by their names.
    script = block.body.replace("assay ", f"{sys.executable} -m deploy.cli ")
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.document)
def test_python_blocks_compile(block: Block):
    compile(block.body, block.document, "exec")


def test_the_feature_family_of_the_guide_computes_what_it_says():
    family = guide_to("FEATURES")
    history, out = history_of(high=12.0, low=9.0, close=10.0), np.zeros(1)
    family["step"](np.zeros(family["STATE_SIZE"]), history, np.zeros(1), out)
    assert out.tolist() == [0.3]
    assert len(family["FEATURES"]) == 1


def test_the_strategy_of_the_guide_decides_what_it_says(tmp_path: Path, monkeypatch):
    name = "lower_close_for_tests"
    (tmp_path / f"{name}.py").write_text(guide_to("INDICATORS")["source"])
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    strategy = load_strategy(name)
    bars = np.array([(c, c + 1.0, c - 1.0, c, 1.0) for c in (100.0, 98.0, 99.0)])
    decided, measured = np.empty((3, DECISION_SIZE)), np.empty((3, 1))
    params = strategy.vector(strategy.decode_params({"hard_stop_atr_mult": 2.0}, name))
    strategy.indicators_many(
        strategy.new_states(1), np.zeros(3, int), np.arange(3), bars, params, decided, measured
    )
    # True ranges of 2 and 3: an ATR of 2.5.
    assert decided[1, :5].tolist() == [1.0, 2.0 / 4.5, 93.0, 0.0, 0.0]
    assert decided[[0, 2], 0].tolist() == [0.0, 0.0]
    assert decided[:, 3].tolist() == [0.0, 0.0, 1.0]
    assert np.isnan(measured[0, 0])
    assert measured[1:, 0].tolist() == [-2.0, 1.0]
    assert set(strategy.search_space()) == {"hard_stop_atr_mult"}


def guide_to(constant: str) -> dict:
    """What the example of CONTRIBUTING.md that has this constant defines, and its source."""
    guides = [block.body for block in blocks("python") if block.document == "CONTRIBUTING.md"]
    [source] = [body for body in guides if f"\n{constant} = " in body]
    found: dict = {"source": source}
    exec(source, found)
    return found


def history_of(*, high: float, low: float, close: float):
    return push(np.zeros(HISTORY_SIZE), 1, low, high, low, close, 1e6)


def test_the_limits_that_are_told_are_those_that_hold():
    table = re.findall(
        r"^\| `([\w/]+)\.py` `([A-Z_]+)` \| ([\d_]+) \|",
        (ROOT / "ARCHITECTURE.md").read_text(),
        re.M,
    )
    assert len(table) > 10
    for module, name, value in table:
        found = getattr(importlib.import_module(module.replace("/", ".")), name)
        assert found == int(value), f"{module}.{name} is {found}, ARCHITECTURE.md says {value}"
