"""A settings Struct in words: its keys, their defaults and what is allowed.

>>> from typing import Annotated
>>> class Params(msgspec.Struct):
...     period: Annotated[int, msgspec.Meta(ge=2, le=50)] = 2
>>> parameters_of(Params)
[{'name': 'period', 'default': 2, 'allowed': 'int, >= 2, <= 50'}]
"""

from typing import Any

import msgspec
from msgspec import inspect

_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


def parameters_of(struct: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """Return name, default and allowed values of every field of `struct`, in order."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return [
        {"name": field.name, "default": field.default, "allowed": _allowed(field.type)}
        for field in info.fields
    ]


def _allowed(type_: Any) -> str:
    if isinstance(type_, inspect.Metadata):
        return _allowed(type_.type)
    if isinstance(type_, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in type_.values)
    name = type(type_).__name__.removesuffix("Type").lower()
    bounds = [
        f"{sign} {getattr(type_, key)}"
        for key, sign in _BOUNDS
        if getattr(type_, key, None) is not None
    ]
    return ", ".join((name, *bounds))
