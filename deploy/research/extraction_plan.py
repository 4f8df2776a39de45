"""What a command that extracts is asked for: which bars, which strategies on which symbols."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from deploy.config import CollectionSettings, DataSettings, RunSettings, load_run
from deploy.research.params_text import params_of
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import EXTERNAL, LabelSettings, StrategySettings
from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.extraction.feature_extractor import bundled_instruments
from trainers.sweeps.winners import Winner, read_winners

ORIGIN = "command line"
EVERY_SYMBOL = "*"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were given; None, or empty, is what was not.

    `data` and `label` hold keys of DataSettings and LabelSettings, `terms` those of
    `feature_extractor.Terms`. `from_record`: what the stream recorded is asked for, which external
    strategies have too. `winners_option` is what messages call the option.
    """

    config: Path | None = None
    assignments: tuple[str, ...] = ()
    strategy: str | None = None
    params: str | None = None
    winners: Path | None = None
    data: dict[str, Any] = {}
    label: dict[str, Any] = {}
    terms: dict[str, Any] = {}
    overlapping: bool | None = None
    to_database: bool | None = None
    from_record: bool = False
    winners_option: str = "--from-winners"


class Job(NamedTuple):
    """One strategy on some symbols (none: all there are); `mark` goes into its files' names.

    `winner` is the one that it is, of a winners file.
    """

    settings: StrategySettings
    symbols: tuple[str, ...]
    mark: str = ""
    winner: Winner | None = None


class Plan(NamedTuple):
    """What is to be extracted. `is_session_known`: it was told, not taken for granted."""

    data: DataSettings
    is_session_known: bool
    context: ContextSettings
    collection: CollectionSettings | None
    run: RunSettings | None
    jobs: tuple[Job, ...]
    terms: dict[str, Any]


def plan_of(asked: Asked) -> Plan:
    """Return what to extract. Raises ConfigError for options that make no sense together."""
    run = load_run(asked.config, asked.assignments) if asked.config is not None else None
    if run is None and asked.assignments:
        raise ConfigError("--set changes a key of a run file: name one with --config")
    base = run.data if run is not None else DataSettings()
    params = {**base.params, **asked.data.get("params", {})}
    told = msgspec.to_builtins(base) | asked.data | {"params": params}
    data = decode_strict(told, DataSettings, ORIGIN)
    # A place that is given is read by what it is, not by the run file's source.
    if {"dir", "path"} & asked.data.keys():
        place = {"dir": "", "path": "", "source": ""} | asked.data
        data = decode_strict(told | place | {"params": params}, DataSettings, ORIGIN)
    collection = run.ml_data_collection if run is not None else CollectionSettings()
    is_collecting = asked.to_database
    if is_collecting is None:
        is_collecting = run is not None and collection.enabled
    return Plan(
        data=_with_references(data, run),
        is_session_known=run is not None or "session" in asked.data,
        context=run.context if run is not None else NO_CONTEXT,
        collection=collection if is_collecting else None,
        run=run,
        jobs=tuple(_jobs(asked, run, data)),
        terms=asked.terms,
    )


def _with_references(data: DataSettings, run: RunSettings | None) -> DataSettings:
    """Return whose bars to read: what the context looks at is read beside what is extracted."""
    if run is None or run.context.is_empty:
        return data
    own = run.data.symbols
    # Without any, all that there are.
    symbols = tuple(sorted({*own, *data.symbols})) if own else ()
    return msgspec.structs.replace(data, symbols=symbols)


def _jobs(asked: Asked, run: RunSettings | None, data: DataSettings) -> list[Job]:
    if asked.winners is not None:
        if asked.strategy is not None or asked.params is not None:
            raise ConfigError(
                f"{asked.winners_option} brings strategies and parameters: leave out others"
            )
        return _winning(asked, run, data, read_winners(asked.winners).winners)
    params = params_of(asked.params) if asked.params is not None else {}
    if asked.strategy is not None:
        settings = _settings(asked.strategy, run, data)
        settings = msgspec.structs.replace(settings, params=settings.params | params)
        # Its own symbols are those of the run's bars, not of others that are named here.
        is_own = not asked.data.keys() & {"symbols", "source", "dir", "path"}
        symbols = (settings.symbols if is_own else ()) or data.symbols
        return [Job(_asked_of(settings, asked), symbols)]
    if params:
        raise ConfigError("--params are those of a strategy: name it with --strategy")
    if run is None:
        raise ConfigError(
            f"say what to extract: --strategy NAME, {asked.winners_option} FILE, or --config FILE "
            "for the strategies of a run"
        )
    chosen = [one for one in run.strategies if asked.from_record or one.rule_name != EXTERNAL]
    if not chosen:
        raise ConfigError(f"{asked.config} has no built-in strategy: name one with --strategy")
    symbols = data.symbols if "symbols" in asked.data else ()
    return [Job(_asked_of(one, asked), symbols or one.symbols) for one in chosen]


def _winning(
    asked: Asked, run: RunSettings | None, data: DataSettings, winners: tuple[Winner, ...]
) -> list[Job]:
    jobs: list[Job] = []
    seen: dict[tuple[str, str], int] = {}
    for winner in winners:
        if data.symbols and winner.symbol not in (*data.symbols, EVERY_SYMBOL):
            continue
        count = seen[winner.strategy, winner.symbol] = (
            seen.get((winner.strategy, winner.symbol), 0) + 1
        )
        settings = _settings(winner.strategy, run, data)
        settings = msgspec.structs.replace(settings, params=winner.params, interval=winner.interval)
        symbols = data.symbols if winner.symbol == EVERY_SYMBOL else (winner.symbol,)
        # The best of a pair has the plain name; others are told apart.
        mark = "" if count == 1 else f"rank{winner.rank}"
        jobs.append(Job(_asked_of(settings, asked), symbols, mark, winner))
    if not jobs:
        raise ConfigError(f"{asked.winners} has no winner to extract: look at it, or at --symbol")
    return jobs


def _settings(name: str, run: RunSettings | None, data: DataSettings) -> StrategySettings:
    """Return the run's strategy of that name, or a plain one that pays its instruments' costs."""
    for one in run.strategies if run is not None else ():
        if one.name == name:
            return one
    return StrategySettings(name, interval=data.interval, instruments=bundled_instruments())


def _asked_of(settings: StrategySettings, asked: Asked) -> StrategySettings:
    """Return a strategy with label and overlap as asked for; which symbols is the job's word."""
    label = msgspec.to_builtins(settings.label) | asked.label
    if asked.label.keys() - {"rule"} and label["rule"] != "triple_barrier":
        raise ConfigError(
            "--target-r and --max-hold-bars are those of a triple barrier: say --label "
            "triple_barrier, or give the strategy's own in --params"
        )
    overlapping = settings.overlapping if asked.overlapping is None else asked.overlapping
    return msgspec.structs.replace(
        settings,
        symbols=(),
        label=decode_strict(label, LabelSettings, ORIGIN),
        overlapping=overlapping,
    )
