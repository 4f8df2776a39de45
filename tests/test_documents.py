"""What the documents tell people to do works; what they name exists."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer.main

from models.history import HISTORY_SIZE, push
from tests import file_map
from tests.documents import DOCUMENTS, Block, blocks, code_spans, command_lines, links
from tests.house import PACKAGES, ROOT

COMMAND_TIMEOUT_S = 100


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
    [guide] = [block for block in blocks("python") if block.document == "CONTRIBUTING.md"]
    family: dict = {}
    exec(guide.body, family)
    history, out = history_of(high=12.0, low=9.0, close=10.0), np.zeros(1)
    family["step"](np.zeros(family["STATE_SIZE"]), history, np.zeros(1), out)
    assert out.tolist() == [0.3]
    assert len(family["FEATURES"]) == 1


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
