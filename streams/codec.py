"""One codec for the wire: JSON and MessagePack, told apart by the first byte.

>>> from streams.events import Policy
>>> payload = encode(Policy("rsi2", "block", by="ops", why="halt"))
>>> payload
b'{"type":"policy","strategy":"rsi2","action":"block","by":"ops","why":"halt","effective_ts":0}'
>>> decode(payload) == decode(encode(decode(payload), "msgpack"))
True
"""

from typing import Any, Literal

import msgspec

from streams.errors import WireError
from streams.events import Event, WireEvent

Encoding = Literal["json", "msgpack"]

PAYLOAD_BYTES_MAX = 1_000_000

_json_encoder = msgspec.json.Encoder()
_msgpack_encoder = msgspec.msgpack.Encoder()
_decode_json = msgspec.json.Decoder(WireEvent).decode
_decode_msgpack = msgspec.msgpack.Decoder(WireEvent).decode
_JSON_START = frozenset(b"{ \t\r\n")


def encode(event: Event, encoding: Encoding = "json") -> bytes:
    """Return the wire bytes of `event`."""
    return (_json_encoder if encoding == "json" else _msgpack_encoder).encode(event)


def decode(payload: bytes) -> Any:
    """Return the event in `payload`, whichever encoding it is in.

    Raises WireError with reason `empty`, `too_large`, `unparseable` (not JSON or MessagePack)
    or `schema` (parses, but is not an event of the contract).
    """
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        _check_size(payload)
    try:
        return _decode_json(payload) if payload[0] in _JSON_START else _decode_msgpack(payload)
    except msgspec.ValidationError as error:
        raise WireError("schema", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("unparseable", str(error)) from None


def encoding_of(payload: bytes) -> Encoding:
    """Return which encoding a payload is in, by its first byte."""
    return "json" if payload and payload[0] in _JSON_START else "msgpack"


def decode_loosely(payload: bytes) -> dict[str, Any]:
    """Return the fields of a payload that is no valid event, or {} where none are readable.

    For one purpose: to find the `signal_id` of a signal that cannot be honoured.
    """
    try:
        _check_size(payload)
        is_json = encoding_of(payload) == "json"
        value = (msgspec.json if is_json else msgspec.msgpack).decode(payload)
    except (WireError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(key, str)}


def _check_size(payload: bytes) -> None:
    if not payload:
        raise WireError("empty", "the payload has no bytes")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise WireError(
            "too_large", f"the payload has {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}"
        )
