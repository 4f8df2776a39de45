"""The state directory: everything a run keeps on this machine.

<state-dir>/
    broker/         the embedded server's store, 0700
    broker.json     where the server listens, while `assay up` runs
    keys/           the signing key, 0600
    models/         models exported as files
    jobs/           training jobs at work
    snapshots/      where each role goes on from
    logs/           one file per role
    features.db     training samples
    trials.db       search trials, all of them
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.errors import ConfigError

DEFAULT_STATE_DIR = Path(".assay")


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths below one state directory."""

    root: Path

    @property
    def broker(self) -> Path:
        """The embedded server's store."""
        return self.root / "broker"

    @property
    def keys(self) -> Path:
        """The signing key's folder."""
        return self.root / "keys"

    @property
    def models(self) -> Path:
        """Models exported as files."""
        return self.root / "models"

    @property
    def jobs(self) -> Path:
        """Training jobs at work."""
        return self.root / "jobs"

    @property
    def snapshots(self) -> Path:
        """Where each role goes on from."""
        return self.root / "snapshots"

    @property
    def logs(self) -> Path:
        """One log file per role."""
        return self.root / "logs"

    @property
    def trials(self) -> Path:
        """The ledger of search trials."""
        return self.root / "trials.db"

    def database(self, db_path: str) -> str | Path:
        """Return the feature database: a URL as it is; a relative path is below the root."""
        return db_path if "://" in db_path else self.root / db_path

    def make(self) -> None:
        """Create the directory and its folders, for this user only."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders = (self.broker, self.keys, self.models, self.jobs, self.snapshots, self.logs)
            for folder in folders:
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--state-dir must be a directory that can be written, was {self.root}: "
                f"{error.strerror}"
            ) from None

    def write_url(
        self, url: str, strategies: Sequence[str] = (), terms: Mapping[str, Any] | None = None
    ) -> None:
        """Record where the server listens and which strategies run there, for other commands.

        `terms`: by what the scorers there let models speak.
        """
        target = self.root / "broker.json"
        partial = target.with_suffix(".partial")
        partial.write_text(
            json.dumps({"url": url, "strategies": list(strategies), "terms": terms}),
            encoding="utf-8",
        )
        partial.replace(target)

    def read_url(self) -> str | None:
        """Return where the server listens, or None when nothing is recorded."""
        url = self._recorded("url")
        return url if isinstance(url, str) else None

    def read_strategies(self) -> tuple[str, ...]:
        """Return the strategies of the run that is recorded, () when nothing is."""
        found = self._recorded("strategies")
        names = found if isinstance(found, list) else []
        return tuple(name for name in names if isinstance(name, str))

    def read_terms(self) -> object:
        """Return what is recorded of the scorers' terms, None when nothing is."""
        return self._recorded("terms")

    def forget_url(self) -> None:
        """Say that no server listens any more."""
        (self.root / "broker.json").unlink(missing_ok=True)

    def _recorded(self, key: str) -> object:
        try:
            found = json.loads((self.root / "broker.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found.get(key) if isinstance(found, dict) else None
