"""An optimisation of a run's strategy: what the command reads, runs and writes."""

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.config import RunSettings, check_run, run_of, run_tree
from deploy.output import Output
from deploy.research.account_backtest import make_folder
from deploy.research.optimisation_view import optimisation_view
from engine.instrument_book import InstrumentBook
from engine.settings import EXTERNAL, StrategySettings
from engine.symbol_costs import SymbolCosts
from streams.clock import Clock
from streams.errors import ConfigError
from streams.strict import nearest
from trainers.database.location import unlocked
from trainers.optimiser import optimiser
from trainers.optimiser.optimiser import OptimiserRun, optimise
from trainers.optimiser.optimiser_report import OptimiserReport
from trainers.research.histories import read_history
from trainers.research.instruments import read_instruments
from trainers.sweeps.sweep_workers import default_workers

STORAGE_FILE = "studies.db"
NAMES_MAX = 1_000
"""Results that are written into one folder within one second."""

DISTRIBUTION = "assay-signals"


class Optimisation(NamedTuple):
    """A run file as it stands, as settings, and which of its strategies is optimised."""

    origin: str
    tree: dict[str, Any]
    settings: RunSettings
    strategy: StrategySettings


def load_optimisation(
    file: Path,
    strategy: str | None,
    flags: Mapping[str, Any],
    assignments: Iterable[str],
    environment: Mapping[str, str],
) -> Optimisation:
    """Return what is to be optimised; `flags` are keys of `optimize` that were given beside it.

    Raises ConfigError that names the key, the value and what is allowed.
    """
    tree = run_tree(file, assignments, environment)
    given = tree.get("optimize")
    tree["optimize"] = {**(given if isinstance(given, dict) else {}), **flags}
    settings = run_of(tree, str(file))
    check_run(settings)
    known = [one.name for one in settings.strategies if one.rule_name != EXTERNAL]
    if strategy is None and len(known) != 1:
        raise ConfigError(
            f"--strategy must name one of the run's strategies: {', '.join(known) or 'none'}"
        )
    name = known[0] if strategy is None else strategy
    if name not in known:
        raise ConfigError(f"strategy {name!r} is not in {file}{nearest(name, known)}")
    chosen = next(one for one in settings.strategies if one.name == name)
    return Optimisation(str(file), tree, settings, chosen)


def run_optimisation(
    wanted: Optimisation,
    *,
    output_dir: Path,
    storage: str | None,
    ledger: str,
    study: str,
    workers: int,
    clock: Clock,
    output: Output,
) -> OptimiserReport:
    """Optimise, show and write what was found, and return it."""
    settings, strategy = wanted.settings, wanted.strategy
    make_folder(output_dir)
    location = storage or output_dir / STORAGE_FILE
    history = read_history(settings.data.source_settings())
    given = strategy.instruments or read_instruments()
    book = InstrumentBook(msgspec.structs.replace(given, session=settings.data.session))
    run = OptimiserRun(
        history=history,
        strategy=strategy,
        portfolio=settings.portfolio,
        instruments=tuple(book.of(symbol) for symbol in history.symbols),
        costs=tuple(SymbolCosts(strategy).each(history.symbols)),
        settings=settings.optimize,
        location=location,
        ledger=ledger,
        release=importlib.metadata.version(DISTRIBUTION),
        study=study,
        workers=workers or default_workers(),
    )
    with _progress(output.console) as tell:
        report = optimise(run, now_ns=clock.now_ns, on_progress=tell)
    output.show(optimisation_view(report))
    stamp = datetime.fromtimestamp(clock.now_ns() // 10**9, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    files = write(report, wanted, output_dir, stamp)
    output.say(f"written: {', '.join(str(path) for path in files)}")
    output.document({**msgspec.to_builtins(report), "files": [str(path) for path in files]})
    return report


def optimised_tree(report: OptimiserReport, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a run file with the strategy and the portfolio as they were found.

    A password is left out; a database's driver looks for it in PGPASSWORD.
    """
    found = dict(tree)
    found.pop("optimize", None)
    collection = found.get("ml_data_collection")
    if isinstance(collection, dict) and "db_path" in collection:
        # It may come from the environment, and the file is to be handed on.
        path = unlocked(collection["db_path"])
        found["ml_data_collection"] = {**collection, "db_path": path}
    found["portfolio"] = {**(found.get("portfolio") or {}), **report.portfolio}
    if found.get("strategy") is not None:
        found["params"] = {**(found.get("params") or {}), **report.params}
        return found
    found["strategies"] = [
        {**one, "params": {**(one.get("params") or {}), **report.params}}
        if one.get("name") == report.strategy
        else one
        for one in found["strategies"]
    ]
    return found


def write(
    report: OptimiserReport, wanted: Optimisation, folder: Path, stamp: str
) -> tuple[Path, Path]:
    """Write what was found, and the run file; return their paths, which are new.

    Raises ConfigError for a folder that cannot be written.
    """
    # What was overridden is in the tree; dates and such become what YAML reads again.
    tree = msgspec.to_builtins(optimised_tree(report, wanted.tree))
    told = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    head = (
        f"# {report.strategy}, optimised for {report.objective}: study {report.study}, "
        f"trial {report.trial} of {report.trials.complete}.\n# {report.sentence}\n"
    )
    try:
        found = _first_free(folder, stamp, told)
        config = found.with_name(f"{found.stem}_config.yaml")
        head += f"#\n#   assay backtest --config {config.name}\n"
        config.write_text(head + yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--output-dir must be a folder that can be written, was {folder}: {error.strerror}"
        ) from None
    return found, config


def _first_free(folder: Path, stamp: str, content: bytes) -> Path:
    """Write into a file of its own, also where another process ends in the same second."""
    for number in range(1, NAMES_MAX + 1):
        path = folder / f"strategy_opt_{stamp}{f'-{number}' if number > 1 else ''}.json"
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return path
    raise ConfigError(f"--output-dir {folder} has {NAMES_MAX} results of one second: empty it")


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[optimiser.Progress], None]]:
    """Yield what is told how far a study is; only a terminal shows it."""
    with Progress(
        TextColumn("optimize"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("trials, ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[best]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("optimize", total=None, best="")

        def tell(at: optimiser.Progress) -> None:
            best = "" if at.best is None else f"best {at.best:.3f}"
            progress.update(task, completed=at.done, total=at.total, best=best)

        yield tell
