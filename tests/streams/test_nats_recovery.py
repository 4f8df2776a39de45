"""What becomes of reads and writes when the server crashes, freezes or forgets."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from streams import publisher
from streams.broker import EmbeddedBroker
from streams.bus import Message, Subscription
from streams.errors import BusError
from streams.nats_bus import NatsBus
from streams.provision import provision, remove_all
from streams.pull_loop import BUFFER_BYTES_MAX, BUFFER_MESSAGES_MAX, PULL_BYTES_MIN, PullLoop
from streams.topology import BUCKET_MODELS, INPUT, RETRAIN, STORE_MODELS

pytestmark = pytest.mark.broker
PLENTY_S = 20.0


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A server of this test's own."""
    with EmbeddedBroker.start(tmp_path) as broker:
        yield broker


@pytest.fixture
async def bus(mortal: EmbeddedBroker) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(mortal.url, name="survivor")
    await provision(bus.jetstream)
    yield bus
    with contextlib.suppress(BusError):
        await bus.close()


def reborn(broker: EmbeddedBroker) -> EmbeddedBroker:
    """Kill the server as a crash would and start it on the same folder and port."""
    broker.kill()
    return EmbeddedBroker.start(broker.folder.parent, port=broker.port)


@contextlib.asynccontextmanager
async def frozen(broker: EmbeddedBroker) -> AsyncIterator[None]:
    """The server stopped in its tracks: connected, but silent."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        # A busy machine takes a moment to stop every thread.
        await asyncio.sleep(0.2)
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PLENTY_S):
        while not condition():
            await asyncio.sleep(0.02)


async def take(subscription: Subscription, count: int) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(PLENTY_S):
        while len(messages) < count:
            messages += await subscription.next_batch(1.0)
    return messages


async def test_nothing_acknowledged_is_lost_and_nothing_is_stored_twice_in_a_crash(
    mortal: EmbeddedBroker, bus: NatsBus
):
    acked = 0

    async def write() -> None:
        nonlocal acked
        for number in range(6000):
            await bus.send("bars.1d.A", b"%d" % number, msg_id=f"n{number}")
            if number % 500 == 499:
                acked = await bus.publish("bars.1d.A", b"mark", msg_id=f"mark{number}")

    writing = asyncio.create_task(write())
    await until(lambda: acked >= 1500)
    with reborn(mortal):
        await writing
        await bus.flush()
        messages = await take(await bus.read(INPUT), 6012)
        numbers = [int(m.payload) for m in messages if m.payload != b"mark"]
        assert numbers == list(range(6000))
        assert await bus.last_seq(INPUT) == 6012
        await bus.close()


async def test_an_ordered_read_goes_on_after_a_crash_without_gap_or_repeat(
    mortal: EmbeddedBroker, bus: NatsBus
):
    for number in range(3000):
        await bus.send("bars.1d.A", b"%d" % number, msg_id=f"n{number}")
    await bus.flush()
    reader = await bus.read(INPUT)
    messages = await take(reader, 500)
    with reborn(mortal):
        for number in range(3000, 3500):
            await bus.send("bars.1d.A", b"%d" % number, msg_id=f"n{number}")
        messages += await take(reader, 3500 - len(messages))
        assert [m.seq for m in messages] == list(range(1, 3501))
        assert [int(m.payload) for m in messages] == list(range(3500))
        assert bus.reconnects == 1
        await bus.close()


async def test_plain_subscriptions_and_work_queues_go_on_after_a_crash(
    mortal: EmbeddedBroker, bus: NatsBus
):
    await bus.publish("models.retrain.s", b"unit")
    queue = await bus.work_queue(RETRAIN, "trainer")
    plain = await bus.subscribe_plain("ops.>")
    with reborn(mortal):
        await until(lambda: bus.reconnects == 1)
        work = await queue.next(PLENTY_S)
        assert work is not None
        await work.done()
        assert await queue.pending() == 0
        await bus.publish_plain("ops.hello", b"1")
        assert [m.payload for m in await take(plain, 1)] == [b"1"]
        await bus.key_put(BUCKET_MODELS, "k", b"v", expected=0)
        await bus.close()


async def test_an_object_that_is_read_as_the_server_crashes_is_read_anew(
    mortal: EmbeddedBroker, bus: NatsBus
):
    data = os.urandom(20_000_000)
    await bus.object_put(STORE_MODELS, "x", data)
    reading = asyncio.create_task(bus.object_get(STORE_MODELS, "x"))
    await asyncio.sleep(0.03)
    assert not reading.done()
    with reborn(mortal):
        # Long before the limits on an answer: a scorer stands still until it has its model.
        async with asyncio.timeout(PLENTY_S / 4):
            assert await reading == data
        await bus.close()


async def test_a_publish_begun_while_the_server_is_away_is_stored_when_it_is_back(
    mortal: EmbeddedBroker, bus: NatsBus
):
    mortal.kill()
    await until(lambda: not bus.connected)
    # Without an id too: it was never sent, so it cannot be stored twice.
    waiting = [asyncio.create_task(bus.publish("bars.1d.A", b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0.2)
    with EmbeddedBroker.start(mortal.folder.parent, port=mortal.port):
        assert await asyncio.gather(*waiting) == [1, 2, 3]
        await bus.close()


async def test_a_frozen_server_is_noticed_within_seconds(mortal: EmbeddedBroker, bus: NatsBus):
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with frozen(mortal):
        await until(lambda: not bus.connected)
    assert loop.time() - began < 8.0
    assert await bus.publish("bars.1d.A", b"x", msg_id="a") == 1


# nats-py leaves the socket of an attempt that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_a_frozen_server_did_not_take_holds_nobody_up_and_is_sent_again(
    mortal: EmbeddedBroker, bus: NatsBus
):
    payload = bytes(100_000)
    async with frozen(mortal):
        for number in range(120):
            await bus.send("bars.1d.A", payload, msg_id=str(number))
        await until(lambda: not bus.connected)
        lost = len(bus.errors)
        await until(lambda: len(bus.errors) > lost)
    await bus.flush()
    assert await bus.last_seq(INPUT) == 120


async def test_a_late_acknowledgement_is_tried_again_under_the_same_id(
    mortal: EmbeddedBroker, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publisher, "ACK_WAIT_S", 0.3)
    async with frozen(mortal):
        waiting = asyncio.create_task(bus.publish("bars.1d.A", b"x", msg_id="a"))
        await asyncio.sleep(1.2)
        assert not waiting.done()
    assert await waiting == 1
    assert await bus.publish("bars.1d.A", b"y", msg_id="b") == 2
    assert await bus.last_seq(INPUT) == 2


async def test_a_lost_acknowledgement_without_an_id_is_an_error(
    mortal: EmbeddedBroker, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publisher, "ACK_WAIT_S", 0.3)
    async with frozen(mortal):
        with pytest.raises(BusError, match="may or may not be stored"):
            await bus.publish("bars.1d.A", b"x")


async def test_publishing_gives_up_in_the_end(
    mortal: EmbeddedBroker, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publisher, "GIVE_UP_S", 0.5)
    mortal.kill()
    with pytest.raises(BusError, match=r"'bars\.1d\.A' was not acknowledged within"):
        await bus.publish("bars.1d.A", b"x", msg_id="a")
    await bus.send("bars.1d.A", b"x", msg_id="b")
    with pytest.raises(BusError, match="1 of the messages sent"):
        await bus.flush()


async def test_a_reader_survives_the_loss_of_its_consumer(bus: NatsBus):
    reader = await bus.read(INPUT)
    assert isinstance(reader, PullLoop)
    await bus.publish("bars.1d.A", b"1")
    assert len(await take(reader, 1)) == 1
    listed = await bus.jetstream.call(f"CONSUMER.LIST.{INPUT}")
    [name] = [consumer["name"] for consumer in listed["consumers"]]
    assert name.startswith("survivor-")
    await bus.jetstream.forget_consumer(INPUT, name)
    await bus.publish("bars.1d.A", b"2")
    assert [m.seq for m in await take(reader, 1)] == [2]


async def test_a_consumer_is_asked_only_when_it_has_been_made(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
):
    reader = await bus.read(INPUT)
    await bus.publish("bars.1d.A", b"1")
    await asyncio.sleep(0.2)
    make, write = bus.jetstream.make_consumer, bus.connection.write
    asked: list[bytes] = []

    async def take_meanwhile(*arguments: object) -> None:
        assert len(reader.take()) == 1
        assert not asked
        await make(*arguments)

    monkeypatch.setattr(bus.jetstream, "make_consumer", take_meanwhile)
    monkeypatch.setattr(bus.connection, "write", lambda line: (asked.append(line), write(line)))
    reader.reconnected()
    await until(lambda: bool(asked))
    await bus.publish("bars.1d.A", b"2")
    assert [m.seq for m in await take(reader, 1)] == [2]


async def test_closing_a_reader_deletes_its_consumer(bus: NatsBus):
    reader = await bus.read(INPUT)
    await reader.close()
    assert (await bus.jetstream.call(f"CONSUMER.LIST.{INPUT}"))["total"] == 0


async def test_a_message_lost_on_the_way_is_fetched_again(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
):
    deliver = PullLoop._on_message
    dropped: list[bytes] = []

    def lossy(self: PullLoop, subject: bytes, reply: bytes, payload: bytes, block: bytes) -> None:
        if payload in (b"700", b"1999") and payload not in dropped:
            dropped.append(payload)
            return
        deliver(self, subject, reply, payload, block)

    monkeypatch.setattr(PullLoop, "_on_message", lossy)
    for number in range(2000):
        await bus.send("bars.1d.A", b"%d" % number)
    await bus.flush()
    messages = await take(await bus.read(INPUT), 2000)
    # The loss of the very last one shows in the next heartbeat only.
    assert dropped == [b"700", b"1999"]
    assert [int(m.payload) for m in messages] == list(range(2000))


async def test_a_reader_that_stands_still_is_sent_no_more_than_its_buffer_holds(bus: NatsBus):
    count = 3 * BUFFER_MESSAGES_MAX
    reader = await bus.read(INPUT)
    assert isinstance(reader, PullLoop)
    for number in range(count):
        await bus.send("bars.1d.A", b"%d" % number)
    await bus.flush()
    await asyncio.sleep(0.3)
    assert 1024 <= len(reader._buffer) <= BUFFER_MESSAGES_MAX
    assert [m.seq for m in await take(reader, count)] == list(range(1, count + 1))


async def test_headers_count_within_the_bound_on_bytes(bus: NatsBus):
    count, block = 1_500, b"NATS/1.0\r\nAssay-Note: %b\r\n\r\n" % (b"x" * 60_000)
    reader = await bus.read(INPUT)
    assert isinstance(reader, PullLoop)
    command = b"HPUB bars.1d.A %d %d\r\n%b\r\n" % (len(block), len(block), block)
    for _ in range(count):
        # Whoever publishes past this bus is bound by the server alone.
        bus._connection.write(command)
        await asyncio.sleep(0)
    await until(lambda: len(reader._buffer) * len(block) > BUFFER_BYTES_MAX)
    await asyncio.sleep(0.3)
    held = len(reader._buffer) * len(block)
    assert held <= BUFFER_BYTES_MAX + 2 * PULL_BYTES_MIN
    assert [m.seq for m in await take(reader, count)] == list(range(1, count + 1))


async def test_large_messages_are_read_within_the_bound_on_bytes(bus: NatsBus):
    for number in range(40):
        await bus.send("bars.1d.A", bytes([number]) * 3_000_000)
    await bus.flush()
    messages = await take(await bus.read(INPUT), 40)
    assert [m.payload[0] for m in messages] == list(range(40))


async def test_a_stream_made_anew_ends_the_read(mortal: EmbeddedBroker, bus: NatsBus):
    token = await bus.incarnation(INPUT)
    reader = await bus.read(INPUT)
    await remove_all(bus.jetstream)
    await provision(bus.jetstream)
    assert await bus.incarnation(INPUT) != token
    with pytest.raises(BusError, match=r"made anew|gone"):
        await take(reader, 1)


async def test_a_stream_that_is_deleted_ends_the_read(bus: NatsBus):
    reader = await bus.read(INPUT)
    await remove_all(bus.jetstream)
    with pytest.raises(BusError, match="gone"):
        await take(reader, 1)


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        (b"bars.1d.\xff\xfe", b""),
        (b"bars.1d.A\x0bB", b""),
        (b"bars.1d.A\x0cB", b"NATS/1.0\r\na: b\r\n\r\n"),
        (b"bars.1d.A", b"N"),
        (b"bars.1d.A", b"NATS/1.0"),
        (b"bars.1d.A", b"NATS/1.0 \xff\xfe\r\nb\r\n\r\n"),
        (b"bars.1d." + b"A" * 4_000, b""),
    ],
)
async def test_a_reader_gets_past_whatever_a_server_passes_on(bus, mortal, subject, headers):
    _, writer = await asyncio.open_connection("127.0.0.1", mortal.port)
    sizes = b"%d %d" % (len(headers), len(headers) + 1) if headers else b"1"
    verb = b"HPUB" if headers else b"PUB"
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n')
    writer.write(b"%b %b %b\r\n%bx\r\n" % (verb, subject, sizes, headers))
    await writer.drain()
    await until_stored(bus, 1)
    await bus.publish("bars.1d.AFTER", b"y")
    subscription = await bus.read(INPUT)
    messages: list[Message] = []
    async with asyncio.timeout(PLENTY_S):
        while len(messages) < 2:
            messages += await subscription.next_batch(1)
    assert [message.payload for message in messages] == [b"x", b"y"]
    writer.close()


async def until_stored(bus: NatsBus, seq: int) -> None:
    async with asyncio.timeout(PLENTY_S):
        while await bus.last_seq(INPUT) < seq:
            await asyncio.sleep(0.01)


async def test_closing_ends_who_looks_for_the_server_also_where_it_missed_being_told(bus: NatsBus):
    async def looking() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(looking())
    await asyncio.sleep(0)
    bus.connection._reconnection_task = task
    await bus.close()
    assert task.cancelled()
