"""Where a parameter of a strategy is worth searching, read from its `Params`.

A Literal is a choice; a number whose `msgspec.Meta` carries `extra={"search": (low, high)}` is a
range, both ends included; with `"log": True` beside it, it is searched by its logarithm. What has
neither is not searched.

>>> from typing import Annotated, Literal
>>> class Params(msgspec.Struct):
...     period: Annotated[int, msgspec.Meta(ge=2, extra={"search": (5, 40)})] = 20
...     exit_ma: Literal[20, 50] = 20
...     max_hold_bars: int = 0
>>> search_ranges(Params)["period"]
SearchRange(name='period', kind='int', low=5, high=40, choices=(), log=False)
>>> search_ranges(Params)["exit_ma"].choices
(20, 50)
"""

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import inspect


class SearchRange(NamedTuple):
    """The values of one parameter that a search may try.

    `low` and `high` bound an `int` or a `float`, both included; `choices` are those of a
    `choice`, whose bounds are 0. Values are in the parameter's own unit. `log`: a search should
    step by ratios, not by differences.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    low: float
    high: float
    choices: tuple[Any, ...] = ()
    log: bool = False


def search_ranges(params_type: type[msgspec.Struct]) -> dict[str, SearchRange]:
    """Return the search range of every parameter that has one, in field order."""
    info = inspect.type_info(params_type)
    assert isinstance(info, inspect.StructType)
    found = (_range_of(field.name, field.type) for field in info.fields)
    return {one.name: one for one in found if one is not None}


def _range_of(name: str, type_: Any) -> SearchRange | None:
    extra: dict[str, Any] = {}
    while isinstance(type_, inspect.Metadata):
        extra |= type_.extra or {}
        type_ = type_.type
    if isinstance(type_, inspect.LiteralType):
        # msgspec hands a Literal's values out in an order of its own.
        return SearchRange(name, "choice", 0, 0, tuple(sorted(type_.values)))
    if "search" not in extra:
        return None
    low, high = extra["search"]
    log = bool(extra.get("log", False))
    if isinstance(type_, inspect.IntType):
        return SearchRange(name, "int", int(low), int(high), log=log)
    return SearchRange(name, "float", float(low), float(high), log=log)
