"""What an optimiser searches: a strategy's declared ranges beside the portfolio's, narrowed.

A float is searched to SIGNIFICANT_DIGITS: what is written into a run file is what was tried.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from engine.backtests.portfolio_settings import PortfolioSettings
from engine.search_range import SearchRange, search_ranges
from engine.strategy import load_strategy
from streams.errors import ConfigError
from streams.strict import nearest

SIGNIFICANT_DIGITS = 6

Params = dict[str, Any]


class SearchSpace(NamedTuple):
    """`ranges` are searched, `fixed` is given to every trial; `portfolio_names` among both."""

    ranges: tuple[SearchRange, ...]
    fixed: Params
    portfolio_names: frozenset[str]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the ranges as the sampler takes them, by name."""
        return {one.name: _distribution(one) for one in self.ranges}

    def rounded(self, sampled: Mapping[str, Any]) -> Params:
        """Return all parameters of a trial, in a fixed order, floats to SIGNIFICANT_DIGITS.

        >>> one = SearchRange("stop", "float", 1.5, 4.0)
        >>> SearchSpace((one,), {"exit_ma": 20}, frozenset()).rounded({"stop": 2.123456789})
        {'exit_ma': 20, 'stop': 2.12346}
        """
        found = dict(self.fixed)
        for one in self.ranges:
            value = sampled[one.name]
            if one.kind == "float":
                value = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
                value = min(max(value, one.low), one.high)
            found[one.name] = value
        return dict(sorted(found.items()))

    def split(self, params: Mapping[str, Any]) -> tuple[Params, Params]:
        """Return the parameters of the strategy, and those of the portfolio."""
        own = {k: v for k, v in params.items() if k not in self.portfolio_names}
        return own, {k: v for k, v in params.items() if k in self.portfolio_names}

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether every range has a value in `params`, and holds it."""
        return all(one.name in params and _holds(one, params[one.name]) for one in self.ranges)


def params_key(params: Mapping[str, Any]) -> str:
    """Return the text that stands for parameters: two trials with the same are one.

    >>> params_key({"b": 2.5, "a": 1})
    '{"a":1,"b":2.5}'
    """
    return msgspec.json.encode(dict(params), order="sorted").decode()


def search_space(strategy: str, narrowed: Mapping[str, Any], origin: str) -> SearchSpace:
    """Return the space of a strategy on a portfolio, with the `narrowed` ranges of a run file.

    `origin` is named in errors. Raises ConfigError for a name without a declared range, values
    outside it, and a space in which nothing is left to search.
    """
    own = load_strategy(strategy).search_space()
    shared = search_ranges(PortfolioSettings)
    if twice := sorted(own.keys() & shared.keys()):
        raise ConfigError(f"strategy {strategy} and the portfolio both have {twice[0]}: rename it")
    declared = own | shared
    for name in narrowed:
        if name not in declared:
            known = nearest(name, declared)
            raise ConfigError(f"{strategy} declares no range for {name} ({origin}.{name}){known}")
    ranges, fixed = [], {}
    for name, one in declared.items():
        found = _narrowed(one, narrowed[name], f"{origin}.{name}") if name in narrowed else one
        if found.kind == "choice" and len(found.choices) == 1:
            fixed[name] = found.choices[0]
        elif found.kind != "choice" and found.low == found.high:
            fixed[name] = int(found.low) if found.kind == "int" else float(found.low)
        else:
            ranges.append(found)
    if not ranges:
        raise ConfigError(f"every parameter is fixed ({origin}): leave one a range to search")
    return SearchSpace(tuple(ranges), fixed, frozenset(shared))


def _narrowed(one: SearchRange, given: Any, where: str) -> SearchRange:
    values = given if isinstance(given, list) else [given]
    if one.kind == "choice":
        if not values or any(not _holds(one, value) for value in values):
            allowed = ", ".join(map(str, one.choices))
            raise ConfigError(f"{one.name} must be among {allowed}, was {given} ({where})")
        return one._replace(choices=tuple(c for c in one.choices if c in values))
    numbers = int if one.kind == "int" else (int, float)
    is_range = len(values) == 2 or not isinstance(given, list)
    is_sound = is_range and all(
        isinstance(value, numbers) and not isinstance(value, bool) and _holds(one, value)
        for value in values
    )
    if not is_sound or values[0] > values[-1]:
        raise ConfigError(
            f"{one.name} must be [low, high] or one {one.kind} within {one.low} to {one.high}, "
            f"was {given} ({where})"
        )
    return one._replace(low=values[0], high=values[-1])


def _holds(one: SearchRange, value: Any) -> bool:
    if one.kind == "choice":
        return value in one.choices
    return bool(one.low <= value <= one.high)


def _distribution(one: SearchRange) -> BaseDistribution:
    if one.kind == "choice":
        return CategoricalDistribution(one.choices)
    if one.kind == "int":
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)
