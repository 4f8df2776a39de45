"""The rules of the house that no linter knows. Each failure names the file and the line."""

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterator

import pytest

from tests.house import (
    PACKAGES,
    ROOT,
    functions,
    parse,
    relative,
    source_files,
    used_names,
)

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400

WALL_CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "time.ctime",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}
STOPWATCHES = {
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.process_time",
    "time.sleep",
    "asyncio.sleep",
}
RANDOM_MODULES = ("random.", "secrets.", "numpy.random.")
RANDOM_FUNCTIONS = {"uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom"}
SEEDED = {
    "numpy.random.default_rng",
    "numpy.random.SeedSequence",
    "numpy.random.PCG64",
    "numpy.random.Philox",
    "numpy.random.RandomState",
    "random.Random",
}
RANDOM_TYPES = {"numpy.random.Generator", "numpy.random.BitGenerator"}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}

# The pure cores: no clock of any kind, no event loop, no sockets.
SHELLS = (
    "engine/shells/already_out.py",
    "engine/shells/inlet.py",
    "engine/shells/lease.py",
    "engine/shells/outlet.py",
    "engine/roles/",
    "engine/replays/replay.py",
    "engine/replays/rerun.py",
    "engine/shells/shell.py",
    "engine/shells/shell_readings.py",
    "engine/shells/snapshot_keeper.py",
    "engine/shells/standby.py",
    "engine/replays/verifier.py",
)


def core_files() -> Iterator[str]:
    for path in source_files("engine", "models"):
        if not relative(path).startswith(SHELLS):
            yield relative(path)


def offences(paths: list[str], banned: set[str]) -> list[str]:
    return [
        f"{path}:{line} uses {name}"
        for path in paths
        for name, line, _ in used_names(parse(ROOT / path))
        if name in banned
    ]


def all_paths(*folders: str) -> list[str]:
    return [relative(path) for path in source_files(*folders)]


def test_functions_fit_on_a_screen():
    long = [
        f"{path}:{node.lineno} {node.name} has {length} lines"
        for path in all_paths(*PACKAGES, "tests")
        for node in functions(parse(ROOT / path))
        if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_files_hold_one_noun():
    long = [
        f"{path} has {length} lines"
        for path in all_paths(*PACKAGES, "tests")
        if (length := len((ROOT / path).read_text().splitlines())) > FILE_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_packages_are_introduced_by_a_docstring_and_nothing_else():
    wrong = []
    for path in source_files(*PACKAGES):
        if path.name == "__init__.py":
            body = parse(path).body
            if len(body) != 1 or not ast.get_docstring(parse(path)):
                wrong.append(relative(path))
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in source_files(*PACKAGES)}
    missing = [relative(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not missing, "\n".join(sorted(missing))


def test_below_deploy_only_one_file_looks_at_the_wall_clock():
    paths = all_paths("streams", "models", "engine", "trainers")
    found = offences([path for path in paths if path != "streams/clock.py"], WALL_CLOCKS)
    assert not found, "\n".join(found)


def test_cores_have_no_clock_and_no_event_loop():
    paths = list(core_files())
    assert "engine/scorer.py" in paths
    found = offences(paths, WALL_CLOCKS | STOPWATCHES)
    found += [
        f"{path}:{node.lineno} {node.name} is async"
        for path in paths
        if path != "models/registry.py"  # the one door of models to the bus
        for node in functions(parse(ROOT / path))
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert not found, "\n".join(found)


def test_below_deploy_chance_comes_in_with_a_seed():
    found = []
    for path in all_paths("streams", "models", "engine", "trainers"):
        for name, line, call in used_names(parse(ROOT / path)):
            random = name.startswith(RANDOM_MODULES) or name in RANDOM_FUNCTIONS
            # An attribute chain is seen whole and in parts; only the whole is judged.
            if not random or name in RANDOM_TYPES:
                continue
            if name in SEEDED and (call is None or call.args or call.keywords):
                continue
            found.append(f"{path}:{line} uses {name} without a seed")
    assert not found, "\n".join(found)


def test_online_nothing_is_unpickled():
    found = []
    for path in all_paths("streams", "models", "engine"):
        for node in ast.walk(parse(ROOT / path)):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found.append(f"{path}:{node.value.lineno} says allow_pickle")
            found += [
                f"{path}:{node.lineno} imports {module}"
                for module in modules
                if module.partition(".")[0] in UNPICKLERS
            ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", [*PACKAGES, "configs"])
def test_no_other_distribution_owns_our_names(package: str):
    owners = set(importlib.metadata.packages_distributions().get(package, ()))
    assert owners <= {"assay-signals"}, (
        f"{owners - {'assay-signals'}} installs a package called {package!r} beside ours"
    )
    spec = importlib.util.find_spec(package)
    assert spec is not None
    found = set(spec.submodule_search_locations or ())
    assert found == {str(ROOT / package)}, f"import {package} finds {found}"


def test_the_rules_themselves_see_what_they_forbid():
    source = (
        "import time, random\n"
        "import numpy as np\n"
        "from datetime import datetime as dt\n"
        "from time import time_ns as now\n"
        "a = time.time(); b = dt.now(); c = now(); d = np.random.default_rng()\n"
        "e = np.random.default_rng(7); f = random.random()\n"
    )
    names = {name for name, _, call in used_names(ast.parse(source)) if call is not None}
    assert names == {
        "time.time",
        "datetime.datetime.now",
        "time.time_ns",
        "numpy.random.default_rng",
        "random.random",
    }
