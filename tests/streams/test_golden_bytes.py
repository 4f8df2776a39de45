"""The wire contract, byte by byte: what was ever published must stay readable.

A change that makes one of these tests fail breaks engines in other languages and streams on
disk. New fields come last, with a default: then add an event that carries them and leave the
old bytes where they are, for they must still decode.
"""

import pytest

from streams.codec import decode, encode
from streams.events import Progress
from tests.streams.golden_bytes import JSON, MSGPACK, OLD
from tests.streams.golden_events import EVENTS
from tests.streams.wire import EVENT_TYPES


def test_every_type_has_golden_bytes():
    assert {type(event) for event in EVENTS.values()} == set(EVENT_TYPES)
    assert JSON.keys() == MSGPACK.keys() == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
def test_json_is_written_as_ever(name: str):
    assert encode(EVENTS[name], "json") == JSON[name]


@pytest.mark.parametrize("name", EVENTS)
def test_messagepack_is_written_as_ever(name: str):
    assert encode(EVENTS[name], "msgpack") == MSGPACK[name]


@pytest.mark.parametrize("name", EVENTS)
def test_old_bytes_are_read_as_ever(name: str):
    assert decode(JSON[name]) == EVENTS[name]
    assert decode(MSGPACK[name]) == EVENTS[name]


def test_progress_from_before_there_were_shards_is_that_of_one():
    old = b'{"type":"progress","role":"scorer","shard":0,"event_ts":5,"seq":17}'
    assert decode(old) == Progress("scorer", 0, 5, 17, shards=1)


@pytest.mark.parametrize("name", OLD)
def test_bytes_from_before_a_field_was_added_mean_its_default(name: str):
    for payload in OLD[name]:
        assert decode(payload) == EVENTS[name]
