"""What `assay sweep` is to try: a sweep file, and the flags that change it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from deploy.config import BUNDLED_INSTRUMENTS, DataSettings
from deploy.overrides import ENV_PREFIX, ENV_SEPARATOR, apply_overrides, parse_value
from engine.settings import CostSettings, StrategySettings
from engine.strategy import load_strategy, strategy_names
from engine.symbol_costs import SymbolCosts
from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.research.histories import read_history
from trainers.research.instruments import read_instruments
from trainers.sweeps.sweep_plan import SweepPlan, SweepWork, work_of

EVERY_STRATEGY = "all"
FILE_BYTES_MAX = 1_000_000


class SweepFile(SweepPlan, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a sweep file: those of SweepPlan, the bars, and what a trade costs.

    `instruments`: a file of instruments, or `bundled`; every symbol then has its own costs.
    """

    data: DataSettings = DataSettings()
    costs: CostSettings = CostSettings()
    instruments: str = ""

    @property
    def plan(self) -> SweepPlan:
        """What is tried, without where and at which costs."""
        return SweepPlan(**{name: getattr(self, name) for name in SweepPlan.__struct_fields__})


def load_sweep(
    file: Path | None,
    flags: Mapping[str, Any],
    lists: Iterable[str],
    assignments: Iterable[str],
    environment: Mapping[str, str],
) -> SweepFile:
    """Return the sweep of a file, changed by the environment, `--set`, flags and `--param`.

    `flags` are paths of keys (`data.start`) with their values, `lists` texts like `entry=5,10`.
    Raises ConfigError that names the key, the value and what is allowed.
    """
    origin = str(file) if file is not None else "the command line"
    tree = _read(file) if file is not None else {}
    ours = SweepFile.__struct_fields__
    known = {name: text for name, text in environment.items() if _key_of(name) in ours}
    apply_overrides(tree, assignments, known, ours)
    tree["strategies"] = _every_strategy(tree.get("strategies", []))
    # What is wrong in the file is told before flags are written into it.
    decode_strict(tree, SweepFile, origin)
    for path, value in flags.items():
        *parents, key = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value
    tree["strategies"] = _every_strategy(tree["strategies"])
    for text in lists:
        _give_list(tree["strategies"], text)
    found = decode_strict(tree, SweepFile, origin)
    if "costs" in tree and found.instruments:
        raise ConfigError(f"give `costs` or `instruments`, not both ({origin})")
    if not found.strategies:
        raise ConfigError(f"name a strategy with --strategy, or --strategy {EVERY_STRATEGY}")
    return found


def work_of_file(sweep: SweepFile, release: str) -> SweepWork:
    """Return the runs that a sweep file asks for, over its bars."""
    plan = sweep.plan
    # What is wrong with the plan is told before bars are read.
    plan.param_sets()
    history = read_history(sweep.data.source_settings())
    book = None
    if sweep.instruments:
        path = None if sweep.instruments == BUNDLED_INSTRUMENTS else Path(sweep.instruments)
        book = msgspec.structs.replace(read_instruments(path), session=sweep.data.session)
    costs = SymbolCosts(StrategySettings(name="sweep", costs=sweep.costs, instruments=book))
    by_symbol = dict(zip(history.symbols, costs.each(history.symbols), strict=True))
    return work_of(plan, history, by_symbol, release)


def _key_of(variable: str) -> str:
    return variable.removeprefix(ENV_PREFIX).lower().partition(ENV_SEPARATOR)[0]


def _every_strategy(given: Any) -> list[Any]:
    """`all`, as a name or an entry, is every strategy; a name alone is one without values."""
    found: list[Any] = []
    for one in given if isinstance(given, list) else [given]:
        if one == EVERY_STRATEGY:
            found += [{"name": name} for name in strategy_names()]
        else:
            found.append({"name": one} if isinstance(one, str) else one)
    return found


def _give_list(strategies: list[dict[str, Any]], text: str) -> None:
    """Write `name=v1,v2` into every strategy that has the parameter, `strategy.name=` into one."""
    name, separator, values_text = text.partition("=")
    if not separator or not name.strip() or not values_text.strip():
        raise ConfigError(f"--param must look like name=v1,v2 or strategy.name=v1,v2, was {text!r}")
    owner, _, parameter = name.strip().rpartition(".")
    values = parse_value(f"[{values_text}]", f"--param {name}")
    given = 0
    for one in strategies:
        takes = parameter in load_strategy(one["name"]).params_type.__struct_fields__
        if owner == one["name"] or (not owner and takes):
            one.setdefault("values", {})[parameter] = values
            given += 1
    if not given:
        names = ", ".join(one["name"] for one in strategies)
        raise ConfigError(f"--param {text}: no strategy of the sweep takes it ({names})")


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{file} has more than {FILE_BYTES_MAX} bytes: is it a sweep?")
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the sweep file {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold a mapping of keys, was {type(tree).__name__}")
    return tree
