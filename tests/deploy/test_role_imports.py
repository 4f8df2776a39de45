"""A role's process loads what it works with and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import ROOT

NEVER_ONLINE = {
    "lightgbm",
    "onnx",
    "onnxmltools",
    "optuna",
    "pandas",
    "plotly",
    "polars",
    # Only where metrics are asked for.
    "prometheus_client",
    "pydantic",
    "rich",
    "river",
    "scipy",
    "sklearn",
    "skl2onnx",
    "typer",
}
# The drift monitor's detectors come from river, which brings pandas and scipy.
ALLOWED = {"drift": {"river", "pandas", "scipy"}}
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
import deploy.role_main
from deploy.config import load_run
from deploy.role_runtime import RoleContext, load_wiring
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from streams.memory_bus import MemoryBus

async def main(role, folder):
    state = StateDir(Path(folder))
    state.make()
    ensure_signing_key(state)
    settings = load_run(Path("configs/quickstart.yaml"), environment={})
    stop = asyncio.Event()
    context = RoleContext(settings, state, MemoryBus(), 0, 1, on_ready=stop.set)
    built = load_wiring(role).build(context)
    # It has said that it is ready: whatever it loads to work is loaded.
    await asyncio.wait_for(built.run(stop), 60)

asyncio.run(main(*sys.argv[1:]))
from models.feature_set import load_feature_set
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
if load_feature_set.cache_info().currsize:
    loaded.add("compiled features")
print(json.dumps(sorted(loaded)))
"""


def loaded_by(role: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, role, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("role", ["scorer", "strategies", "labeller", "drift"])
def test_a_role_loads_no_offline_library(role: str, tmp_path: Path):
    loaded = loaded_by(role, tmp_path)
    assert {"deploy", "msgspec"} <= loaded
    # The drift monitor only names them.
    assert ("compiled features" in loaded) is (role in ("scorer", "labeller"))
    assert not loaded & (NEVER_ONLINE - ALLOWED.get(role, set()))
