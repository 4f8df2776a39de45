"""A run: which bars, which strategies, how models are trained and drift is watched.

YAML, decoded strictly; a strategy file of the original's form (`strategy`, `params`, `ml` at the
top) is a run of one strategy.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from deploy.overrides import apply_overrides, cause_of
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.context_settings import ContextSettings
from engine.settings import (
    EXTERNAL,
    CostSettings,
    DriftSettings,
    LabelSettings,
    StrategySettings,
)
from models.settings import MlSettings
from streams.errors import ConfigError
from streams.source_settings import SourceSettings
from streams.strict import decode_strict
from trainers.optimiser.optimiser_settings import OptimiseSettings
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.settings import TrainSettings

BUNDLED = Path(__file__).resolve().parent.parent / "configs"
FILE_BYTES_MAX = 1_000_000
PARQUET_SUFFIXES = (".parquet", ".pq")
BUNDLED_INSTRUMENTS = "bundled"
INSTRUMENTS_FILE = "instruments.yaml"


class DataSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where bars come from: `streams.source.SourceSettings`, its `kind` called `source` here.

    Without a `source`, a `dir` is read as folder, a `path` by its ending, and else the sample.
    """

    source: str = ""
    dir: str = ""
    path: str = ""
    symbols: tuple[str, ...] = ()
    interval: str = "1d"
    session: str = "us_equity"
    timezone: str = "UTC"
    stamp: Literal["start", "close"] = "start"
    start: date | None = None
    end: date | None = None
    params: dict[str, Any] = {}
    validation: Literal["strict", "repair", "drop"] = "strict"

    def source_settings(self) -> SourceSettings:
        """Return the same as what a bar source is given."""
        values = msgspec.structs.asdict(self)
        kind = values.pop("source") or self._source_of_place()
        return SourceSettings(kind=kind, **values)

    def _source_of_place(self) -> str:
        if self.dir:
            return "folder"
        if self.path:
            return "parquet" if Path(self.path).suffix.lower() in PARQUET_SUFFIXES else "csv"
        return "sample"


class CollectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether live signals and their outcomes become training samples, and in which database.

    `db_path`: a SQLite file, relative to the state directory, or a PostgreSQL database,
    `postgresql://user:password@host/database`. The password may be left to the environment
    (PGPASSWORD) or to `~/.pgpass`; it is never shown.
    """

    enabled: bool = True
    db_path: Annotated[str, msgspec.Meta(min_length=1)] = "features.db"

    def __repr__(self) -> str:
        """Say all but what may hold a password."""
        scheme, mark, _ = self.db_path.partition("://")
        shown = f"{scheme}://***" if mark else self.db_path
        return f"CollectionSettings(enabled={self.enabled}, db_path={shown!r})"


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run knows. `trusted_keys`: further signers (hex) whose models may speak."""

    name: str
    data: DataSettings
    strategies: tuple[StrategySettings, ...]
    context: ContextSettings
    portfolio: PortfolioSettings
    optimize: OptimiseSettings
    drift: DriftSettings
    train: TrainSettings
    pipeline: PipelineSettings
    ml_data_collection: CollectionSettings
    encoding: Literal["json", "msgpack"]
    trusted_keys: tuple[str, ...]


class RunFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a run file; those of one strategy may stand at its top.

    `instruments`: a file of instruments, or `bundled`; every symbol then has its own costs.
    """

    name: str = ""
    data: DataSettings = DataSettings()
    strategies: tuple[StrategySettings, ...] = ()
    context: ContextSettings = ContextSettings()
    portfolio: PortfolioSettings = PortfolioSettings()
    optimize: OptimiseSettings = OptimiseSettings()
    instruments: str = ""
    drift: DriftSettings = DriftSettings()
    train: TrainSettings = TrainSettings()
    pipeline: PipelineSettings = PipelineSettings()
    ml_data_collection: CollectionSettings = CollectionSettings()
    encoding: Literal["json", "msgpack"] = "json"
    trusted_keys: tuple[str, ...] = ()
    strategy: str | None = None
    kind: str = ""
    params: dict[str, Any] = {}
    features: tuple[str, ...] = ()
    overlapping: bool = False
    ml: MlSettings = MlSettings()
    label: LabelSettings = LabelSettings()
    costs: CostSettings = CostSettings()


SINGLE_KEYS = ("kind", "params", "features", "overlapping", "ml", "label", "costs")


def load_run(
    file: Path,
    assignments: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> RunSettings:
    """Return the run in `file`, with the environment's and the command line's overrides.

    A name that is no file here is looked for among the bundled configurations. Raises
    ConfigError that names the path, the value, what is allowed, and the file.
    """
    return run_of(run_tree(file, assignments, environment), str(file))


def run_tree(
    file: Path,
    assignments: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Return the keys of a run file as they stand there, with the overrides. As `load_run`."""
    tree = _read(find_config(file))
    apply_overrides(tree, assignments, environment, RunFile.__struct_fields__)
    return tree


def bundled_runs() -> tuple[str, ...]:
    """Return the file names of the bundled configurations, sorted."""
    return tuple(sorted({path.name for path in BUNDLED.glob("*.yaml")} - {INSTRUMENTS_FILE}))


def find_config(file: Path) -> Path:
    """Return where `file` is: as given, or among the bundled configurations."""
    for candidate in (file, BUNDLED / file.name, BUNDLED / f"{file.name}.yaml"):
        if candidate.is_file():
            return candidate
    bundled = ", ".join(f"configs/{name}" for name in bundled_runs())
    raise ConfigError(f"there is no configuration file {file}; bundled: {bundled}")


def run_of(tree: dict[str, Any], origin: str) -> RunSettings:
    """Return the run that a YAML mapping describes; `origin` is named in errors."""
    _inherit_interval(tree)
    file = decode_strict(tree, RunFile, origin)
    strategies = _with_instruments(_strategies(file, tree, origin), file, tree, origin)
    _check_context(file, origin)
    return RunSettings(
        name=file.name or strategies[0].name,
        data=file.data,
        strategies=strategies,
        context=file.context,
        portfolio=file.portfolio,
        optimize=file.optimize,
        drift=file.drift,
        train=file.train,
        pipeline=file.pipeline,
        ml_data_collection=file.ml_data_collection,
        encoding=file.encoding,
        trusted_keys=file.trusted_keys,
    )


def check_run(settings: RunSettings) -> None:
    """Raise ConfigError for a strategy or a learner that there is not, or parameters not taken.

    It loads the strategies' files, which the configuration alone does not.
    """
    from engine.strategy import load_strategy
    from trainers.learner import check_learner

    for strategy in settings.strategies:
        if strategy.rule_name != EXTERNAL:
            path = f"strategies.{strategy.name}.params"
            load_strategy(strategy.rule_name).decode_params(strategy.params, path)
    for learner in (*settings.train.learners, *settings.pipeline.learners):
        check_learner(learner)


def require_collecting(settings: RunSettings, command: str) -> None:
    """Raise ConfigError where `command` needs samples and the run is not to collect any."""
    if not settings.ml_data_collection.enabled:
        raise ConfigError(
            f"{command} collects training samples, and ml_data_collection.enabled was false: "
            "set it to true"
        )


def _strategies(file: RunFile, tree: dict[str, Any], origin: str) -> tuple[StrategySettings, ...]:
    if file.strategy is None:
        stray = [key for key in SINGLE_KEYS if key in tree]
        if stray:
            raise ConfigError(f"{stray[0]} at the top needs `strategy: NAME` beside it ({origin})")
        strategies = file.strategies
    elif file.strategies:
        raise ConfigError(f"give `strategy` or `strategies`, not both ({origin})")
    else:
        single = StrategySettings(
            name=file.strategy,
            interval=file.data.interval,
            symbols=file.data.symbols,
            **{key: getattr(file, key) for key in SINGLE_KEYS},
        )
        strategies = (single,)
    if not strategies:
        raise ConfigError(f"strategies must name at least one strategy, was empty ({origin})")
    names = [strategy.name for strategy in strategies]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigError(
                f"each of strategies needs a name of its own, was {name!r} ({origin})"
            )
    return strategies


def _with_instruments(
    strategies: tuple[StrategySettings, ...], file: RunFile, tree: dict[str, Any], origin: str
) -> tuple[StrategySettings, ...]:
    """Let every symbol have its instrument's costs, where the run asks for that."""
    if not file.instruments:
        return strategies
    given = [tree, *tree.get("strategies", ())]
    if any("costs" in one for one in given):
        raise ConfigError(f"give `costs` or `instruments`, not both ({origin})")
    path = None if file.instruments == BUNDLED_INSTRUMENTS else Path(file.instruments)
    from trainers.research.instruments import read_instruments

    book = msgspec.structs.replace(read_instruments(path), session=file.data.session)
    return tuple(msgspec.structs.replace(one, instruments=book) for one in strategies)


def _check_context(file: RunFile, origin: str) -> None:
    """A reference whose bars the run leaves out would be unknown at every bar."""
    read = file.data.symbols
    for symbol in file.context.references if read else ():
        if symbol not in read:
            raise ConfigError(
                f"context holds symbols against {symbol!r}, which is not among data.symbols "
                f"({', '.join(read)}): add it there ({origin})"
            )


def _inherit_interval(tree: dict[str, Any]) -> None:
    """A strategy that names no interval trades the bars that the run reads."""
    data, strategies = tree.get("data"), tree.get("strategies")
    if not (isinstance(data, dict) and "interval" in data and isinstance(strategies, list)):
        return
    for strategy in strategies:
        if isinstance(strategy, dict):
            strategy.setdefault("interval", data["interval"])


def _read(file: Path) -> dict[str, Any]:
    size = file.stat().st_size
    if size > FILE_BYTES_MAX:
        raise ConfigError(f"{file} has {size} bytes, a configuration at most {FILE_BYTES_MAX}")
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not YAML: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {cause_of(error)}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold a mapping of keys, was {type(tree).__name__}")
    return tree
