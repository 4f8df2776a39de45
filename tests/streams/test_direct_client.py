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
    block = "NATS/1.0\r\nAssay-Id: é:1\r\n\r\n".encode()
    client.write(b"PUB box.a back.1 1\r\n1\r\n")
    client.write(b"HPUB box.b back.2 %d %d\r\n" % (len(block), len(block) + 4))
    client.write(block + b"\x00\r\n2\r\n")
    await client.flush()
    assert heard == [
        (b"box.a", b"back.1", b"1", b""),
        (b"box.b", b"back.2", b"\x00\r\n2", block),
    ]


async def test_a_listener_that_fails_is_told_and_stops_nobody(client):
    heard: list[bytes] = []

    def fail_once(subject: bytes, reply: bytes, payload: bytes, block: bytes) -> None:
        if payload == b"bad":
            raise ValueError("a defect")
        heard.append(payload)

    await client.listen("box", fail_once)
    for payload in (b"bad", b"good"):
        client.write(b"PUB box back %d\r\n%b\r\n" % (len(payload), payload))
    await client.flush()
    assert heard == [b"good"]
    assert [str(error) for error in client.noted] == ["a defect"]


async def test_nothing_is_heard_after_unlisten_and_plain_subscriptions_work_beside(client):
    heard: list[bytes] = []
    subscription = await client.listen("box", lambda s, r, payload, h: heard.append(payload))
    plain = await client.subscribe("box")
    client.write(b"PUB box back 1\r\n1\r\n")
    await client.flush()
    await client.unlisten(subscription)
    client.write(b"PUB box back 1\r\n2\r\n")
    await client.flush()
    assert heard == [b"1"]
    assert [(await asyncio.wait_for(plain.next_msg(), 5)).data for _ in range(2)] == [b"1", b"2"]


async def test_a_closed_connection_takes_nothing(client):
    await client.close()
    with pytest.raises(ConnectionClosedError):
        client.write(b"PUB box back 1\r\n1\r\n")


async def test_what_goes_to_a_socket_that_has_just_broken_is_dropped_quietly(client, monkeypatch):
    told: list[dict] = []

    def closed(data: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    with monkeypatch.context() as patch:
        patch.setattr(client._transport, "write", closed)
        client.write(b"PUB box 1\r\n1\r\n")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert told == []
    await client.flush()
