"""Where a role keeps its snapshots, and on what its state rests beside its input."""

import hashlib
import importlib.metadata
from pathlib import Path

import msgspec

import engine
import models
import streams
from deploy.config import RunSettings
from deploy.role_runtime import RoleContext
from deploy.state import StateDir
from deploy.trust import trusted_keys
from engine.shells.snapshot import SnapshotFile
from models.artifact import load_artifact

SCORER = "scorer"
DRIFT = "drift"
# What is computed with may round otherwise in another version.
LIBRARIES = ("numba", "llvmlite", "numpy", "onnxruntime", "msgspec")
DRIFT_LIBRARIES = ("river", "scipy")


def snapshot_file(context: RoleContext, role: str) -> SnapshotFile:
    """Return the file of this shard's snapshots."""
    name = f"{role}-{context.shard}-of-{context.shards}.snapshot"
    basis = basis_of(role, context.settings, context.state)
    return SnapshotFile(context.state.snapshots / name, basis)


def basis_of(role: str, settings: RunSettings, state: StateDir) -> str:
    """Return a digest of everything that decides what a role makes of its input.

    That is its configuration, the code of the online half, its libraries and, for a scorer, whose
    models may speak and which one it starts with; for the drift monitor, how it watches.
    """
    libraries: tuple[str, ...] = LIBRARIES
    parts: list[object] = [role, settings.strategies, settings.data.session, settings.context]
    if role == SCORER:
        first = [one.ml.model_path for one in settings.strategies if one.ml.model_path]
        parts.append(sorted(trusted_keys(state, settings)))
        parts.append([load_artifact(Path(path)).digest for path in first])
    if role == DRIFT:
        parts.append(settings.drift)
        libraries += DRIFT_LIBRARIES
    parts += [(name, importlib.metadata.version(name)) for name in libraries]
    digest = hashlib.sha256(msgspec.msgpack.encode(parts, order="deterministic"))
    for package in (streams, models, engine):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder.parent).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
