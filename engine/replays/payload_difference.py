"""Where a recorded payload and the expected event part: field by field, with both values."""

import msgspec
import numpy as np

from streams import codec
from streams.errors import WireError
from streams.events import Event, Scored

FIELDS_TOLD_MAX = 16
VALUE_CHARS_MAX = 200
INPUTS = "inputs"


class FieldDifference(msgspec.Struct, frozen=True):
    """One field with both values, as text.

    `field` is `inputs.<feature>` for one value of the served vector, `subject`, or `payload`
    where the fields themselves say nothing.
    """

    field: str
    recorded: str
    expected: str


def field_differences(
    recorded: bytes, expected: Event, vector_names: tuple[str, ...] = ()
) -> tuple[FieldDifference, ...]:
    """Return in which fields two unequal payloads differ: at least one, at most FIELDS_TOLD_MAX.

    `vector_names` name the values of a `scored` event's `inputs`.

    >>> from streams.events import Policy
    >>> ours = Policy("rsi2", "block", by="ops", why="halt")
    >>> theirs = Policy("rsi2", "block", by="ops", why="test")
    >>> field_differences(codec.encode(theirs), ours)
    (FieldDifference(field='why', recorded='"test"', expected='"halt"'),)
    """
    try:
        found: Event = codec.decode(recorded)
    except WireError as error:
        return (FieldDifference("payload", f"not readable: {error}", _text(expected)),)
    if type(found) is not type(expected):
        return (FieldDifference("type", _tag(found), _tag(expected)),)
    differences: list[FieldDifference] = []
    for name in expected.__struct_fields__:
        theirs, ours = getattr(found, name), getattr(expected, name)
        if _bits(theirs) == _bits(ours):
            continue
        if name == INPUTS and isinstance(expected, Scored):
            differences += _vector_differences(theirs, ours, vector_names)
        else:
            differences.append(FieldDifference(name, _text(theirs), _text(ours)))
    if not differences:
        # The same fields in other bytes: unknown fields, another order, white space.
        ours = codec.encode(expected, codec.encoding_of(recorded))
        differences = [FieldDifference("payload", _text(recorded), _text(ours))]
    return tuple(differences[:FIELDS_TOLD_MAX])


def _vector_differences(
    recorded: bytes, expected: bytes, names: tuple[str, ...]
) -> list[FieldDifference]:
    if len(recorded) != len(expected) or len(expected) % 4:
        sizes = (f"{len(recorded)} bytes", f"{len(expected)} bytes")
        return [FieldDifference(INPUTS, *sizes)]
    theirs, ours = np.frombuffer(recorded, "<f4"), np.frombuffer(expected, "<f4")
    places = np.flatnonzero(theirs.view("<u4") != ours.view("<u4"))
    return [
        FieldDifference(
            f"{INPUTS}.{names[place] if place < len(names) else place}",
            str(theirs[place]),
            str(ours[place]),
        )
        for place in places
    ]


def _bits(value: object) -> bytes:
    """Two values are the same when their bytes are: a NaN is itself, and -0.0 is not 0.0."""
    return msgspec.msgpack.encode(value)


def _text(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    text = repr(value) if isinstance(value, bytes) else msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"


def _tag(event: Event) -> str:
    return str(event.__struct_config__.tag)
