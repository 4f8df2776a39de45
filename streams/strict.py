"""Strict decoding of configuration: every error names the key, the value and what is allowed.

>>> class Risk(msgspec.Struct, forbid_unknown_fields=True):
...     max_hold_bars: int = 10
>>> decode_strict({"max_hold_bars": 3}, Risk, "run.yaml")
Risk(max_hold_bars=3)
>>> decode_strict({"max_hold": 3}, Risk, "run.yaml")
Traceback (most recent call last):
    ...
streams.errors.ConfigError: max_hold is not a known key, was 3 (run.yaml: max_hold): \
did you mean max_hold_bars? allowed: max_hold_bars
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from streams.errors import ConfigError, without_passwords

NAMES_LISTED_MAX = 40
VALUE_SHOWN_MAX = 80

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WHERE = re.compile(r" - at `(key in )?\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def decode_strict(value: Any, type_: type[T], path: str) -> T:
    """Return `value` (plain dicts, lists and scalars) as a `type_`.

    `path` names where the value came from, as `file` or `file: key`. Raises ConfigError that
    names the key, the value, what is allowed and, for an unknown name, the nearest known one.
    """
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        # Not from the error: what it quotes may be a password.
        raise ConfigError(_explained(str(error), value, type_, path)) from None


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return ": did you mean X? allowed: …" for an unknown `name`, naming the `most` nearest."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    listed = ", ".join(names[:NAMES_LISTED_MAX]) + (", …" if len(names) > NAMES_LISTED_MAX else "")
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f": {hint}allowed: {listed or 'none'}"


def _explained(message: str, value: Any, type_: Any, path: str) -> str:
    where = _WHERE.search(message)
    cause = message[: where.start()] if where else message
    steps = [key or index for key, index in _STEP.findall(where.group(2))] if where else []
    found, known = _walk(value, inspect.type_info(type_), steps)
    unknown, missing = _UNKNOWN.match(cause), _MISSING.match(cause)
    if unknown:
        key = unknown.group(1)
        shown = _shown(found[key]) if isinstance(found, dict) and key in found else "given"
        place = _place(path, [*steps, key])
        return f"{key} is not a known key, was {shown} {place}{nearest(key, _fields(known))}"
    if missing:
        key = missing.group(1)
        return f"{key} is required and was not given {_place(path, [*steps, key])}"
    name = steps[-1] if steps else "the value"
    place = _place(path, steps)
    choices = [str(choice) for choice in _choices(known)]
    if "enum value" in cause and choices:
        return f"{name} was {_shown(found)} {place}{nearest(str(found), choices)}"
    allowed = re.sub(r", got .*$", "", cause).replace("Expected ", "").replace("`", "")
    allowed = allowed.replace("Invalid ", "a valid ")
    return f"{name} must be {allowed}, was {_shown(found)} {place}"


def _shown(value: Any) -> str:
    # Before it is cut short: a half of a password is one too.
    text = without_passwords(repr(value))
    return text if len(text) <= VALUE_SHOWN_MAX else text[: VALUE_SHOWN_MAX - 1] + "…"


def _place(path: str, steps: list[str]) -> str:
    dotted = ".".join(steps)
    if not dotted:
        return f"({path})"
    # `path` may name a key within a file already: "run.yaml: ml".
    return f"({path}.{dotted})" if ": " in path else f"({path}: {dotted})"


def _walk(value: Any, type_: Any, steps: list[str]) -> tuple[Any, Any]:
    """Follow the error's path through the value and its type, side by side."""
    for step in steps:
        inner = [i for choice in _alternatives(type_) for i in _inner(choice, step)]
        type_ = inner[0] if len(inner) == 1 else inspect.UnionType(tuple(inner))
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list | tuple) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
    return value, type_


def _alternatives(type_: Any) -> Iterator[Any]:
    if isinstance(type_, inspect.Metadata):
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        yield from type_.types
    else:
        yield type_


def _inner(type_: Any, step: str) -> Iterator[Any]:
    if isinstance(type_, inspect.StructType):
        yield from (field.type for field in type_.fields if field.encode_name == step)
    elif isinstance(type_, inspect.DictType):
        yield type_.value_type
    elif isinstance(type_, inspect.ListType | inspect.VarTupleType):
        yield type_.item_type


def _fields(type_: Any) -> list[str]:
    structs = (t for t in _alternatives(type_) if isinstance(t, inspect.StructType))
    return [field.encode_name for struct in structs for field in struct.fields]


def _choices(type_: Any) -> list[Any]:
    literals = (t for t in _alternatives(type_) if isinstance(t, inspect.LiteralType))
    return [choice for literal in literals for choice in literal.values]
