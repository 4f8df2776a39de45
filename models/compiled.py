"""Composed kernels: generated source, compiled once, cached by digest.

Numba's cache does not notice when a function that was inlined changes in another file. So the
composed function lives in a generated module whose name is the digest of its own text and of
every source file it draws on: a changed family is a new module, never a stale one.

The cache folder is `$ASSAY_CACHE_DIR`, else `assay` under `$XDG_CACHE_HOME` or `~/.cache`;
it is private to the user, like any compiled code.
"""

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numba
import numpy as np

from streams.errors import ConfigError


def cache_folder() -> Path:
    """Return the folder of composed kernels, made with mode 0700.

    Raises ConfigError if it cannot be.
    """
    root = os.environ.get("ASSAY_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (Path(root) if root else base / "assay") / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(_unwritable(folder, error)) from None
    return folder


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"compiled kernels cannot be kept in {folder}: {error.strerror}; set ASSAY_CACHE_DIR to "
        "a folder that can be written"
    )


def load_compiled(name: str, source: str, drawn_from: Iterable[ModuleType]) -> ModuleType:
    """Import `source` as a module of its own, named by the digest of all it depends on."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {sys.version}".encode())
    digest.update(source.encode())
    for module in drawn_from:
        digest.update(Path(str(module.__file__)).read_bytes())
    module_name = f"assay_{name}_{digest.hexdigest()[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    path = cache_folder() / f"{module_name}.py"
    if not path.exists() or path.read_text() != source:
        try:
            _write_whole(path, source)
        except OSError as error:
            raise ConfigError(_unwritable(path.parent, error)) from None
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the composed kernel {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def drawn_from(
    modules: Iterable[ModuleType], packages: tuple[str, ...] = ("models.",)
) -> list[ModuleType]:
    """Return `modules` and all that they import from `packages`, however far, sorted by name.

    Read from their source, so that a module which lends but a number is found too.
    """
    found: dict[str, ModuleType] = {}
    open_ends = list(modules)
    while open_ends:
        module = open_ends.pop()
        if module.__name__ in found:
            continue
        found[module.__name__] = module
        tree = ast.parse(Path(str(module.__file__)).read_bytes())
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        open_ends += [
            importlib.import_module(name) for name in names if name and name.startswith(packages)
        ]
    return [found[name] for name in sorted(found)]


def _write_whole(path: Path, source: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as partial:
        partial.write(source)
    Path(partial.name).replace(path)
