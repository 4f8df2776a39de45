"""What both buses promise: every test runs on memory and on NATS."""

import asyncio

import pytest

from streams import topology
from streams.buffer import BATCH_MAX
from streams.bus import Bus, Message, Subscription
from streams.errors import BusError, ConflictError
from streams.limits import MESSAGE_BYTES_MAX
from streams.memory_bus import MemoryBus
from streams.topology import (
    BUCKET_MODELS,
    INPUT,
    OUTCOMES,
    SCORED,
    STORE_MODELS,
)

SOON_S = 0.15
PLENTY_S = 10.0


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def bus(request: pytest.FixtureRequest) -> Bus:
    return request.getfixturevalue(f"{request.param}_bus")


async def take(subscription: Subscription, count: int) -> list[Message]:
    """The next `count` messages; fewer only when they do not come."""
    messages: list[Message] = []
    while len(messages) < count:
        batch = await subscription.next_batch(PLENTY_S)
        if not batch:
            break
        messages += batch
    return messages


async def test_what_is_published_is_read_in_order_with_its_headers(bus: Bus):
    for number in range(3):
        seq = await bus.publish(
            f"bars.1d.S{number}", b"%d" % number, msg_id=f"m{number}", headers={"Assay-Error": "ä"}
        )
        assert seq == number + 1
    messages = await take(await bus.read(INPUT), 3)
    assert [m.seq for m in messages] == [1, 2, 3]
    assert [m.subject for m in messages] == ["bars.1d.S0", "bars.1d.S1", "bars.1d.S2"]
    assert [m.payload for m in messages] == [b"0", b"1", b"2"]
    assert messages[1].headers == {"Nats-Msg-Id": "m1", "Assay-Error": "ä"}
    assert 0 < messages[0].time_ns <= messages[1].time_ns <= messages[2].time_ns


async def test_a_repeated_id_is_stored_once_and_answers_the_first_sequence(bus: Bus):
    assert await bus.publish("bars.1d.A", b"one", msg_id="a") == 1
    assert await bus.publish("bars.1d.A", b"two", msg_id="b") == 2
    assert await bus.publish("bars.1d.A", b"one again", msg_id="a") == 1
    assert await bus.last_seq(INPUT) == 2


async def test_ids_are_remembered_per_stream(bus: Bus):
    assert await bus.publish("bars.1d.A", b"", msg_id="a") == 1
    assert await bus.publish("outcomes.s.A", b"", msg_id="a") == 1


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("nobody.takes.this", "no stream takes"),
        ("signals.scored", "no stream takes"),
        ("bars.1d.*", "wildcard"),
        ("bars.1d.>", "wildcard"),
        ("bars..A", "not empty"),
        ("bars.1d.A B", "without spaces"),
        ("bars.1d.A\r\nPUB x 0", "without spaces"),
        ("", "printable"),
    ],
)
async def test_a_subject_that_cannot_be_stored_is_an_error(bus: Bus, subject: str, text: str):
    with pytest.raises(BusError, match=text):
        await bus.publish(subject, b"{}")


async def test_a_message_that_is_too_large_is_an_error(bus: Bus):
    with pytest.raises(BusError, match=f"at most {MESSAGE_BYTES_MAX}"):
        await bus.publish("bars.1d.A", bytes(MESSAGE_BYTES_MAX + 1))
    assert await bus.publish("bars.1d.A", bytes(MESSAGE_BYTES_MAX - 1000)) == 1
    [message] = await take(await bus.read(INPUT), 1)
    assert len(message.payload) == MESSAGE_BYTES_MAX - 1000


async def test_a_header_cannot_smuggle_another_one(bus: Bus):
    await bus.publish("dlq.bars.1d.A", b"", headers={"Assay-Error": "x\r\nNats-Rollup: all"})
    [message] = await take(await bus.read(topology.DLQ), 1)
    assert message.headers == {"Assay-Error": "x  Nats-Rollup: all"}


@pytest.mark.parametrize("msg_id", ["", "a b", "a\nb", "x" * 2000])
async def test_an_id_that_would_not_arrive_as_it_is_is_an_error(bus: Bus, msg_id: str):
    with pytest.raises(BusError, match="msg_id"):
        await bus.publish("bars.1d.A", b"", msg_id=msg_id)


async def test_sends_keep_their_order_among_themselves_and_with_publishes(bus: Bus):
    for number in range(5000):
        await bus.send("bars.1d.A", b"%d" % number)
    assert await bus.publish("bars.1d.A", b"5000") == 5001
    await bus.flush()
    messages = await take(await bus.read(INPUT), 5001)
    assert [int(m.payload) for m in messages] == list(range(5001))
    assert [m.seq for m in messages] == list(range(1, 5002))


async def test_flush_tells_once_what_could_not_be_stored(bus: Bus):
    await bus.send("bars.1d.A", b"good")
    await bus.send("nobody.takes.this", b"bad")
    await bus.send("bars.1d.B", b"good")
    with pytest.raises(BusError, match=r"1 of the messages sent .*nobody\.takes\.this"):
        await bus.flush()
    await bus.flush()
    assert await bus.last_seq(INPUT) == 2


async def test_reading_begins_at_the_sequence_asked_for(bus: Bus):
    for number in range(1, 6):
        await bus.publish("bars.1d.A", b"%d" % number)
    assert [m.seq for m in await take(await bus.read(INPUT, 4), 2)] == [4, 5]


async def test_reading_can_begin_at_a_sequence_that_does_not_exist_yet(bus: Bus):
    await bus.publish("bars.1d.A", b"1")
    subscription = await bus.read(INPUT, 3)
    assert await subscription.next_batch(SOON_S) == []
    await bus.publish("bars.1d.A", b"2")
    await bus.publish("bars.1d.A", b"3")
    assert [m.seq for m in await take(subscription, 1)] == [3]


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        (("bars.>",), [1, 2]),
        (("signals.raw.s.*",), [3]),
        (("bars.1d.B", "signals.raw.>"), [2, 3]),
        ((), [1, 2, 3, 4]),
    ],
)
async def test_reading_can_be_filtered(bus: Bus, subjects: tuple[str, ...], expected: list[int]):
    for subject in ("bars.1d.A", "bars.1d.B", "signals.raw.s.A", "policy.s"):
        await bus.publish(subject, b"")
    subscription = await bus.read(INPUT, 1, subjects)
    assert [m.seq for m in await take(subscription, len(expected))] == expected
    assert await subscription.next_batch(SOON_S) == []


async def test_a_reader_is_woken_by_a_later_message(bus: Bus):
    subscription = await bus.read(INPUT)
    waiting = asyncio.create_task(subscription.next_batch(PLENTY_S))
    await asyncio.sleep(SOON_S)
    assert not waiting.done()
    await bus.publish("bars.1d.A", b"now")
    assert [m.payload for m in await waiting] == [b"now"]


async def test_batches_are_bounded(bus: Bus):
    for _ in range(BATCH_MAX + 500):
        await bus.send("bars.1d.A", b"")
    await bus.flush()
    subscription = await bus.read(INPUT)
    sizes = []
    while sum(sizes) < BATCH_MAX + 500:
        sizes.append(len(await subscription.next_batch(PLENTY_S)))
    assert max(sizes) <= BATCH_MAX


async def test_two_readers_see_everything_each(bus: Bus):
    first, second = await bus.read(INPUT), await bus.read(INPUT)
    await bus.publish("bars.1d.A", b"x")
    assert await take(first, 1) == await take(second, 1)


async def test_an_empty_stream_has_no_last_sequence(bus: Bus):
    assert await bus.last_seq(INPUT) == 0
    await bus.publish("bars.1d.A", b"")
    assert await bus.last_seq(INPUT) == 1
    assert await bus.last_seq(OUTCOMES) == 0


async def test_the_newest_of_some_subjects_is_told_apart_from_that_of_the_stream(bus: Bus):
    for subject in ("bars.1d.A", "policy.a", "bars.1d.B", "models.deployed.a"):
        await bus.publish(subject, b"")
    assert await bus.last_seq(INPUT) == 4
    assert await bus.last_seq(INPUT, ("bars.>",)) == 3
    assert await bus.last_seq(INPUT, ("policy.a", "bars.1d.A")) == 2
    assert await bus.last_seq(INPUT, (">",)) == 4
    assert await bus.last_seq(INPUT, ("policy.b",)) == 0
    with pytest.raises(BusError):
        await bus.last_seq("NOTHING", ("policy.a",))


async def test_the_incarnation_stays_as_long_as_the_stream(bus: Bus):
    token = await bus.incarnation(INPUT)
    await bus.publish("bars.1d.A", b"")
    assert token
    assert token == await bus.incarnation(INPUT)
    assert " " not in token


async def test_an_unknown_stream_is_an_error(bus: Bus):
    for call in (bus.read("NOTHING"), bus.last_seq("NOTHING"), bus.incarnation("NOTHING")):
        with pytest.raises(BusError):
            await call


async def test_plain_messages_reach_who_listens_now(bus: Bus):
    await bus.publish_plain("ops.hello", b"nobody hears this")
    one = await bus.subscribe_plain("ops.*")
    two = await bus.subscribe_plain("ops.>")
    deaf = await bus.subscribe_plain("other.>")
    await bus.publish_plain("ops.hello", b"1")
    await bus.publish_plain("ops.hello.you", b"2")
    assert [(m.subject, m.payload, m.seq) for m in await take(one, 1)] == [("ops.hello", b"1", 0)]
    assert [m.payload for m in await take(two, 2)] == [b"1", b"2"]
    assert await deaf.next_batch(SOON_S) == []


async def test_plain_listeners_also_hear_what_is_stored(bus: Bus):
    listener = await bus.subscribe_plain("bars.>")
    await bus.publish("bars.1d.A", b"x")
    assert [m.payload for m in await take(listener, 1)] == [b"x"]


async def test_accepted_answers_come_again_on_the_plain_subject_but_repeats_do_not(bus: Bus):
    plain = await bus.subscribe_plain("signals.scored")
    direct = await bus.subscribe_plain("signals.scored.>")
    await bus.publish("signals.scored.s.A", b"1", msg_id="a")
    await bus.publish("signals.scored.s.A", b"1", msg_id="a")
    await bus.publish("signals.rejected.s.A", b"2", msg_id="b")
    await bus.publish("signals.scored.s.B", b"3", msg_id="c")
    assert [(m.subject, m.payload) for m in await take(plain, 2)] == [
        ("signals.scored", b"1"),
        ("signals.scored", b"3"),
    ]
    assert [m.payload for m in await take(direct, 3)] == [b"1", b"1", b"3"]
    assert await bus.last_seq(SCORED) == 3


async def test_a_closed_subscription_stops(bus: Bus):
    subscription = await bus.read(INPUT)
    plain = await bus.subscribe_plain("ops.>")
    for open_one in (subscription, plain):
        await open_one.close()
        await open_one.close()
        with pytest.raises(BusError, match="closed"):
            await open_one.next_batch(SOON_S)


async def test_a_closed_bus_refuses(bus: Bus):
    subscription = await bus.read(INPUT)
    await bus.send("bars.1d.A", b"")
    await bus.close()
    await bus.close()
    for call in (bus.publish("bars.1d.A", b""), bus.send("bars.1d.A", b""), bus.read(INPUT)):
        with pytest.raises(BusError, match="closed"):
            await call
    with pytest.raises(BusError, match="closed"):
        await take(subscription, 2)


async def test_a_key_is_written_on_the_condition_of_its_revision(bus: Bus):
    key = "breakout.BRK%2EB"
    assert await bus.key_get(BUCKET_MODELS, key) is None
    first = await bus.key_put(BUCKET_MODELS, key, b"1", expected=0)
    with pytest.raises(ConflictError, match="revision"):
        await bus.key_put(BUCKET_MODELS, key, b"2", expected=0)
    second = await bus.key_put(BUCKET_MODELS, key, b"2", expected=first)
    with pytest.raises(ConflictError, match="revision"):
        await bus.key_put(BUCKET_MODELS, key, b"3", expected=first)
    assert second > first
    third = await bus.key_put(BUCKET_MODELS, key, b"")
    entry = await bus.key_get(BUCKET_MODELS, key)
    assert entry is not None
    assert (entry.value, entry.revision) == (b"", third)


async def test_of_two_writers_at_once_one_loses(bus: Bus):
    results = await asyncio.gather(
        *(bus.key_put(BUCKET_MODELS, "k", b"%d" % n, expected=0) for n in range(2)),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, ConflictError) for result in results) == [False, True]


async def test_keys_are_listed_as_they_were_written(bus: Bus):
    assert await bus.keys(BUCKET_MODELS) == []
    for key in ("b.X%2EY", "a", "b", "a"):
        await bus.key_put(BUCKET_MODELS, key, b"")
    assert await bus.keys(BUCKET_MODELS) == ["a", "b", "b.X%2EY"]
    assert await bus.keys(topology.BUCKET_LEDGER) == []


@pytest.mark.parametrize("key", ["", ".", "a.", "a b", "a*", ">", "a=b", "a\n"])
async def test_a_key_is_made_of_tokens(bus: Bus, key: str):
    with pytest.raises(BusError, match="key"):
        await bus.key_put(BUCKET_MODELS, key, b"")
    with pytest.raises(BusError, match="key"):
        await bus.key_get(BUCKET_MODELS, key)


async def test_unknown_buckets_and_stores_are_errors(bus: Bus):
    for call in (
        bus.key_get("nothing", "k"),
        bus.key_put("nothing", "k", b""),
        bus.keys("nothing"),
        bus.object_get("nothing", "o"),
        bus.object_put("nothing", "o", b""),
    ):
        with pytest.raises(BusError):
            await call


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 700_001])
async def test_an_object_is_read_as_it_was_stored(bus: Bus, size: int):
    data = bytes(number % 251 for number in range(size))
    assert await bus.object_get(STORE_MODELS, "digest") is None
    await bus.object_put(STORE_MODELS, "digest", data)
    assert await bus.object_get(STORE_MODELS, "digest") == data


async def test_an_object_that_is_there_is_left_alone(bus: Bus):
    await bus.object_put(STORE_MODELS, "digest", b"first")
    await bus.object_put(STORE_MODELS, "digest", b"second")
    assert await bus.object_get(STORE_MODELS, "digest") == b"first"


async def test_handles_of_the_memory_bus_share_what_is_stored(memory_bus: MemoryBus):
    other = memory_bus.handle()
    listener = await memory_bus.subscribe_plain("bars.>")
    await other.publish("bars.1d.A", b"x")
    await other.close()
    assert len(await take(listener, 1)) == 1
    assert await memory_bus.last_seq(INPUT) == 1
