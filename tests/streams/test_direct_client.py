"""The short way in and out: listeners are called where messages arrive, commands go out whole."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.errors import ConnectionClosedError

from streams.broker import EmbeddedBroker
from streams.direct_client import DirectClient

pytestmark = pytest.mark.broker


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[DirectClient]:
    with EmbeddedBroker.start(tmp_path) as broker:
        connection = DirectClient()
        errors: list[Exception] = []

        async def note(error: Exception) -> None:
            errors.append(error)

        await connection.connect(broker.url, error_cb=note)
        connection.noted = errors
        yield connection
        await connection.close()


async def test_a_listener_hears_subject_reply_payload_and_headers_in_order(client):
    heard: list[tuple] = []
    await client.listen("box.*", lambda *message: heard.append(message))
    await client.write("box.a", b"1", "back.1")
    await client.write("box.b", b"\x00\r\n2", "back.2", {"Assay-Id": "é:1", "Other": "x y"})
    await client.flush()
    assert heard == [
        ("box.a", "back.1", b"1", {}),
        ("box.b", "back.2", b"\x00\r\n2", {"Assay-Id": "é:1", "Other": "x y"}),
    ]


async def test_a_listener_that_fails_is_told_and_stops_nobody(client):
    heard: list[bytes] = []

    def fail_once(subject: str, reply: str, payload: bytes, headers: object) -> None:
        if payload == b"bad":
            raise ValueError("a defect")
        heard.append(payload)

    await client.listen("box", fail_once)
    for payload in (b"bad", b"good"):
        await client.write("box", payload, "back")
    await client.flush()
    assert heard == [b"good"]
    assert [str(error) for error in client.noted] == ["a defect"]


async def test_nothing_is_heard_after_unlisten_and_plain_subscriptions_work_beside(client):
    heard: list[bytes] = []
    subscription = await client.listen("box", lambda s, r, payload, h: heard.append(payload))
    plain = await client.subscribe("box")
    await client.write("box", b"1", "back")
    await client.flush()
    await client.unlisten(subscription)
    await client.write("box", b"2", "back")
    await client.flush()
    assert heard == [b"1"]
    assert [(await asyncio.wait_for(plain.next_msg(), 5)).data for _ in range(2)] == [b"1", b"2"]


async def test_a_closed_connection_takes_nothing(client):
    await client.close()
    with pytest.raises(ConnectionClosedError):
        await client.write("box", b"1", "back")
