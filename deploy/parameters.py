"""A settings Struct in words: its keys, their defaults, what is allowed, where to search.

>>> from typing import Annotated
>>> class Params(msgspec.Struct):
...     period: Annotated[int, msgspec.Meta(ge=2, le=50, extra={"search": (5, 20)})] = 2
...     entry: Annotated[float, msgspec.Meta(gt=0.0, lt=0.5)] = 0.25
>>> period, entry = parameters_of(Params)
>>> period["default"], period["allowed"], period["search"]
(2, '2 to 50', {'kind': 'int', 'low': 5, 'high': 20})
>>> entry["allowed"], entry["search"]
('above 0, below 0.5', None)
"""

from typing import Any

import msgspec
from msgspec import inspect

from engine.search_range import SearchRange, search_ranges


def parameters_of(struct: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """Return name, type, default, allowed values and search range of every field, in order."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    searched = search_ranges(struct)
    return [
        {
            "name": field.name,
            "type": _type(field.type),
            "default": field.default,
            "allowed": _allowed(field.type),
            "search": _search(searched.get(field.name)),
        }
        for field in info.fields
    ]


def words_of(value: Any) -> str:
    """Return a default or a bound as a configuration would have it.

    >>> words_of(True), words_of(2.0), words_of(0.005)
    ('true', '2', '0.005')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def search_in_words(search: dict[str, Any] | None) -> str:
    """Return a search range in words, empty for none.

    >>> search_in_words({"kind": "float", "low": 0.5, "high": 4.0})
    '0.5 to 4'
    """
    if search is None:
        return ""
    if "choices" in search:
        return _choices(search["choices"])
    return f"{words_of(search['low'])} to {words_of(search['high'])}"


def _type(type_: Any) -> str:
    if isinstance(type_, inspect.Metadata):
        return _type(type_.type)
    name = "choice" if isinstance(type_, inspect.LiteralType) else type(type_).__name__
    return name.removesuffix("Type").lower()


def _allowed(type_: Any) -> str:
    if isinstance(type_, inspect.Metadata):
        return _allowed(type_.type)
    if isinstance(type_, inspect.LiteralType):
        return _choices(sorted(type_.values))
    if isinstance(type_, inspect.BoolType):
        return "true or false"
    ge, gt = getattr(type_, "ge", None), getattr(type_, "gt", None)
    le, lt = getattr(type_, "le", None), getattr(type_, "lt", None)
    if ge is not None and le is not None:
        return f"{words_of(ge)} to {words_of(le)}"
    bounds = (("from", ge), ("above", gt), ("up to", le), ("below", lt))
    return ", ".join(f"{word} {words_of(bound)}" for word, bound in bounds if bound is not None)


def _search(found: SearchRange | None) -> dict[str, Any] | None:
    if found is None:
        return None
    if found.kind == "choice":
        return {"kind": found.kind, "choices": list(found.choices)}
    return {"kind": found.kind, "low": found.low, "high": found.high}


def _choices(values: Any) -> str:
    return "one of " + ", ".join(words_of(value) for value in values)
