"""Which parameters a sweep tries of a strategy: lists, ranges cut into points, or seeded draws.

What is `fixed` stays; what has a list takes its values; with `points` or `draws` every other
parameter with a declared range (`engine.search_range`) is searched too. All else has its default.
A combination that a strategy refuses (a fast mean slower than the slow one) is left out and
counted.
"""

import itertools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.search_range import SearchRange
from engine.strategy import Strategy
from streams.errors import ConfigError
from streams.strict import nearest

PARAM_SETS_MAX = 100_000
"""Of one strategy, whatever becomes of them."""

POINTS_MAX = 1_000
DRAWS_PER_SET_MAX = 20
"""How often a random search tries for each set it wants, as small spaces repeat themselves."""

SIGNIFICANT_DIGITS = 6
"""Of a float that is searched: nobody reads, or types, all sixteen."""

Values = tuple[Any, ...]


class ParamSets(NamedTuple):
    """All parameters of each set, in a fixed order, each set once; `refused` were left out."""

    sets: tuple[dict[str, Any], ...]
    refused: int


def grid_sets(
    strategy: Strategy,
    *,
    fixed: Mapping[str, Any],
    lists: Mapping[str, Sequence[Any]],
    points: int = 0,
) -> ParamSets:
    """Return every combination of the lists and, with `points` > 0, of the ranges cut into it.

    A range's points include both ends; whole numbers are rounded, choices all taken. Raises
    ConfigError for an unknown parameter, a value that no combination can have, or more than
    PARAM_SETS_MAX combinations.
    """
    axes = {name: tuple(values) for name, values in lists.items()}
    _check_names(strategy, fixed, axes)
    if not 0 <= points <= POINTS_MAX:
        raise ConfigError(f"grid points must be 0 to {POINTS_MAX}, was {points}")
    if points:
        for one in _searched(strategy, fixed, axes):
            axes[one.name] = _points_of(one, points)
    names = [name for name in strategy.params_type.__struct_fields__ if name in axes]
    count = math.prod(len(axes[name]) for name in names)
    if count > PARAM_SETS_MAX:
        raise ConfigError(
            f"the grid of {strategy.name} has {count} combinations ({', '.join(names)}), a sweep "
            f"takes {PARAM_SETS_MAX}: give fewer points or shorter lists, or draw with random"
        )
    combinations = itertools.product(*(axes[name] for name in names))
    given = (dict(fixed) | dict(zip(names, values, strict=True)) for values in combinations)
    return _allowed(strategy, given, axes)


def random_sets(
    strategy: Strategy,
    *,
    fixed: Mapping[str, Any],
    lists: Mapping[str, Sequence[Any]],
    draws: int,
    seed: int,
) -> ParamSets:
    """Return `draws` different combinations, drawn uniformly; fewer where there are not so many.

    The draws of a strategy depend on the seed and its name alone. Errors as `grid_sets`.
    """
    axes: dict[str, Values] = {name: tuple(values) for name, values in lists.items()}
    _check_names(strategy, fixed, axes)
    if not 1 <= draws <= PARAM_SETS_MAX:
        raise ConfigError(f"random draws must be 1 to {PARAM_SETS_MAX}, was {draws}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or above, was {seed}")
    ranges = {one.name: one for one in _searched(strategy, fixed, axes)}
    rng = np.random.default_rng([seed, zlib.crc32(strategy.name.encode())])
    found: dict[bytes, dict[str, Any]] = {}
    refused: set[bytes] = set()
    why = ""
    for _ in range(draws * DRAWS_PER_SET_MAX):
        if len(found) == draws:
            break
        given = dict(fixed)
        for name in strategy.params_type.__struct_fields__:
            if name in axes:
                given[name] = axes[name][int(rng.integers(len(axes[name])))]
            elif name in ranges:
                given[name] = _drawn(ranges[name], rng)
        key = msgspec.json.encode(given, order="sorted")
        try:
            params = decoded(strategy, given)
        except ConfigError as error:
            refused.add(key)
            why = why or str(error)
        else:
            found.setdefault(msgspec.json.encode(params, order="sorted"), params)
    if not found:
        raise ConfigError(f"no parameters of {strategy.name} that were drawn are allowed: {why}")
    return ParamSets(tuple(found.values()), len(refused))


def decoded(strategy: Strategy, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters, those not given with their defaults. Raises ConfigError."""
    params = strategy.decode_params(dict(given), f"strategies.{strategy.name}.params")
    return msgspec.structs.asdict(params)


def _allowed(
    strategy: Strategy, given: Iterable[dict[str, Any]], axes: Mapping[str, Values]
) -> ParamSets:
    found: dict[bytes, dict[str, Any]] = {}
    refused = 0
    # By what it says, as a value may be anything that YAML has.
    errors: dict[tuple[str, str], ConfigError] = {}
    taken: set[tuple[str, str]] = set()
    for one in given:
        values = [(name, repr(one[name])) for name in axes] or [("", "")]
        try:
            params = decoded(strategy, one)
        except ConfigError as error:
            refused += 1
            for value in values:
                errors.setdefault(value, error)
        else:
            taken.update(values)
            found.setdefault(msgspec.json.encode(params, order="sorted"), params)
    for value, why in errors.items():
        if value not in taken:
            raise why
    return ParamSets(tuple(found.values()), refused)


def _check_names(strategy: Strategy, fixed: Mapping[str, Any], lists: Mapping[str, Values]) -> None:
    known = strategy.params_type.__struct_fields__
    for name in (*fixed, *lists):
        if name not in known:
            raise ConfigError(
                f"strategy {strategy.name} has no parameter {name}{nearest(name, known)}"
            )
    for name, values in lists.items():
        if name in fixed:
            raise ConfigError(
                f"parameter {name} of {strategy.name} is given as fixed and as a list: choose one"
            )
        if not values:
            raise ConfigError(f"parameter {name} of {strategy.name} needs values, had none")


def _searched(
    strategy: Strategy, fixed: Mapping[str, Any], lists: Mapping[str, Values]
) -> list[SearchRange]:
    space = strategy.search_space()
    return [one for name, one in space.items() if name not in fixed and name not in lists]


def _points_of(one: SearchRange, points: int) -> Values:
    if one.kind == "choice":
        return one.choices
    cut = np.linspace(one.low, one.high, points) if points > 1 else [(one.low + one.high) / 2.0]
    if one.kind == "int":
        return tuple(sorted({round(float(value)) for value in cut}))
    return tuple(sorted({_rounded(one, float(value)) for value in cut}))


def _drawn(one: SearchRange, rng: np.random.Generator) -> Any:
    if one.kind == "choice":
        return one.choices[int(rng.integers(len(one.choices)))]
    if one.kind == "int":
        return int(rng.integers(int(one.low), int(one.high), endpoint=True))
    return _rounded(one, float(rng.uniform(one.low, one.high)))


def _rounded(one: SearchRange, value: float) -> float:
    return min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), one.low), one.high)
