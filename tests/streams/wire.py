"""Hypothesis strategies for every wire event, read from the types themselves."""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from streams.events import Event, WireEvent

EVENT_TYPES: tuple[type[Event], ...] = get_args(WireEvent)
INT64 = (-(2**63), 2**63 - 1)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for one msgspec field type."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.StrType):
        return st.text(min_size=kind.min_length or 0, max_size=min(kind.max_length or 20, 20))
    if isinstance(kind, inspect.IntType):
        return st.integers(*INT64)
    if isinstance(kind, inspect.FloatType):
        return st.floats(allow_nan=False, allow_infinity=False)
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    if isinstance(kind, inspect.BytesType):
        return st.binary(max_size=32)
    if isinstance(kind, inspect.NoneType):
        return st.none()
    if isinstance(kind, inspect.UnionType):
        return st.one_of(*map(values, kind.types))
    if isinstance(kind, inspect.VarTupleType):
        return st.lists(values(kind.item_type), max_size=4).map(tuple)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=4)
    if isinstance(kind, inspect.AnyType):
        return st.one_of(st.integers(*INT64), st.text(max_size=9), st.booleans(), st.none())
    raise NotImplementedError(f"no strategy for {kind}")


def events_of(event_type: type[Event]) -> st.SearchStrategy[Event]:
    """A strategy for one event type."""
    fields = msgspec.inspect.type_info(event_type).fields  # type: ignore[attr-defined]
    return st.builds(event_type, **{field.name: values(field.type) for field in fields})


def any_event() -> st.SearchStrategy[Event]:
    """A strategy for all of them."""
    return st.one_of(*map(events_of, EVENT_TYPES))
