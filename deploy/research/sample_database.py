"""The feature database that a command means: named, or that of a run."""

from collections.abc import Sequence
from pathlib import Path

from deploy.config import load_run
from deploy.state import StateDir
from streams.errors import ConfigError
from trainers.database.feature_database import FeatureDatabase
from trainers.database.location import is_url, name_of
from trainers.database.sample_summary import summaries_of


def open_samples(
    db: str | None, config: Path, assignments: Sequence[str], state_dir: Path
) -> FeatureDatabase:
    """Open the database `db`, or without one that of the run in `config`; a context manager.

    Raises ConfigError for a file that there is not: looking makes none.
    """
    location: str | Path
    if db is None:
        settings = load_run(config, assignments)
        location = StateDir(state_dir).database(settings.ml_data_collection.db_path)
    else:
        location = db if is_url(db) else Path(db)
    if not is_url(location) and not Path(location).is_file():
        raise ConfigError(
            f"there is no feature database {name_of(location)}: assay train --accumulate makes "
            "one; --db, or --config and --state-dir, name another"
        )
    return FeatureDatabase(location)


def full_digest(database: FeatureDatabase, strategy: str, source: str, start: str) -> str:
    """Return the one parameters' digest of a strategy's samples that begins with `start`.

    Raises ConfigError where none does, or several do.
    """
    known = [
        one.params_digest
        for one in summaries_of(database)
        if (one.strategy, one.source) == (strategy, source)
    ]
    found = [digest for digest in known if digest == start or (start and digest.startswith(start))]
    if len(found) != 1:
        listed = ", ".join(repr(digest[:12]) for digest in known) or "none"
        raise ConfigError(
            f"--params must begin one digest of {strategy!r}, was {start!r}, which begins "
            f"{len(found)}; there are: {listed}"
        )
    return found[0]
