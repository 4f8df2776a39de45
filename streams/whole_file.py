"""A file that appears whole or not at all, whoever is killed while it is written."""

import os
import tempfile
from pathlib import Path

MODE = 0o644
"""Readable like any file: what is written so is no secret."""


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, on disk before it has the name. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            partial.chmod(MODE)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
