"""The codec: both encodings say the same, and what is no event is told apart."""

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.codec import PAYLOAD_BYTES_MAX, decode, decode_loosely, encode
from streams.errors import WireError
from streams.events import Bar, Event, Policy, Signal
from tests.streams.wire import EVENT_TYPES, any_event

SIGNAL = Signal("id", "s", "A", "1d", 5, 1, 0.5, 10.0, None, {"x": 1.5})
POLICY = {"type": "policy", "strategy": "s", "action": "block", "by": "b", "why": "w"}


@given(any_event())
def test_every_event_comes_back_from_both_encodings(event: Event):
    for encoding in ("json", "msgpack"):
        decoded = decode(encode(event, encoding))
        assert type(decoded) is type(event)
        assert decoded == event


@given(any_event())
def test_the_first_byte_tells_the_encodings_apart(event: Event):
    assert encode(event, "json")[:1] == b"{"
    assert encode(event, "msgpack")[0] >= 0x80


@given(any_event())
def test_json_has_no_second_spelling(event: Event):
    payload = encode(event)
    assert encode(decode(payload)) == payload
    assert encode(decode(encode(event, "msgpack"))) == payload


@given(any_event(), st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 9)))
def test_fields_we_do_not_know_are_ignored(event: Event, later: dict[str, int]):
    names = {field.encode_name for field in msgspec.structs.fields(event)} | {"type"}
    extra = {f"x_{name}": value for name, value in later.items() if f"x_{name}" not in names}
    assert decode(msgspec.json.encode(msgspec.to_builtins(event) | extra)) == event


def test_a_field_with_a_default_may_be_absent():
    payload = (
        b'{"type":"signal","signal_id":"i","strategy":"s","symbol":"A","interval":"1d",'
        b'"ts":1,"side":1,"score":0.5,"price":2.0}'
    )
    assert decode(payload) == Signal("i", "s", "A", "1d", 1, 1, 0.5, 2.0, None, {})


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_events_cannot_be_changed(event_type: type[Event]):
    assert event_type.__struct_config__.frozen
    assert event_type.__struct_config__.tag_field == "type"
    assert not event_type.__struct_config__.forbid_unknown_fields


def test_white_space_before_json_is_json():
    assert decode(b' \r\n\t{"type":"policy","strategy":"s","action":"a","by":"","why":""}') == (
        Policy("s", "a", "", "")
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"{", "unparseable"),
        (b"hello", "schema"),
        (b"{}{}", "schema"),
        (b"\x81", "unparseable"),
        (b"[1]", "schema"),
        (b'{"type":"bar\xff"}', "unparseable"),
        (b"{}", "schema"),
        (b'{"type":"nonsense"}', "schema"),
        (msgspec.json.encode({**POLICY, "action": 1}), "schema"),
        (msgspec.json.encode({**POLICY, "by": "x" * 257}), "schema"),
        (msgspec.json.encode({**POLICY, "strategy": ""}), "schema"),
        (msgspec.msgpack.encode({**POLICY, "why": None}), "schema"),
        (msgspec.msgpack.encode([1, 2]), "schema"),
        (b'{"x":' * 100_000, "unparseable"),
        (b" " * (PAYLOAD_BYTES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_event_has_a_reason(payload: bytes, reason: str):
    with pytest.raises(WireError) as caught:
        decode(payload)
    assert caught.value.reason == reason


def test_numbers_are_not_made_of_text():
    fields = msgspec.to_builtins(Bar("A", "1d", 1, 1.0, 1.0, 1.0, 1.0, 1.0))
    for name, value in (("ts", "1"), ("ts", 1.5), ("open", "1.0"), ("open", None), ("ts", True)):
        with pytest.raises(WireError, match="schema"):
            decode(msgspec.json.encode(fields | {name: value}))


@given(st.binary(max_size=200))
@example(b"\xdc\xff\xff")
@example(b'{"type":"bar"')
def test_no_bytes_break_the_decoders(payload: bytes):
    assert isinstance(decode_loosely(payload), dict)
    with contextlib.suppress(WireError):
        decode(payload)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_the_id_of_a_broken_signal_can_still_be_read(encoding: str):
    broken = msgspec.to_builtins(SIGNAL) | {"side": "buy"}
    payload = (msgspec.json if encoding == "json" else msgspec.msgpack).encode(broken)
    with pytest.raises(WireError, match="schema"):
        decode(payload)
    assert decode_loosely(payload)["signal_id"] == "id"


@pytest.mark.parametrize("payload", [b"", b"[1,2]", b"7", b"\xff", b'{"a', b'{"x":' * 100_000])
def test_what_has_no_fields_reads_loosely_as_none(payload: bytes):
    assert decode_loosely(payload) == {}
