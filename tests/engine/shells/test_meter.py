"""A meter counts what passes through a shell, and nobody can make it grow without end."""

import asyncio

import pytest

from engine.answer import Answer
from engine.shells import meter as meter_module
from engine.shells.meter import BOUNDS_S, OTHER, UNREADABLE, Meter
from engine.shells.reading import Reading
from streams import codec, subjects, topology
from streams.bus import Message
from streams.clock import ManualClock
from streams.columns import pack_bars
from streams.errors import BusError, WireError
from streams.events import Progress, Scored
from streams.memory_bus import MemoryBus
from tests.engine.adding_shell import FEEDS, TWO_FEEDS, Adder, file_in, make_shell, publish
from tests.engine.market import random_bars

_S = 1_000_000_000


def metered(*strategies: str) -> tuple[Meter, ManualClock]:
    clock = ManualClock(100 * _S)
    return Meter(strategies or ("alpha",), clock), clock


def scored(**changes) -> Scored:
    values = {
        "signal_id": "s",
        "strategy": "alpha",
        "symbol": "AAA",
        "interval": "1d",
        "ts": 1,
        "side": 1,
        "score": 0.5,
        "price": 1.0,
        "stop": None,
        "features": {},
        "probability": None,
        "final_score": 0.5,
        "accepted": True,
        "mode": "filter",
        "threshold": 0.5,
        "weight": 0.3,
        "model": None,
        "reasons": (),
        "inputs": b"",
        "features_digest": "",
    }
    return Scored(**(values | changes))


def answered(event: Scored, error: str = "") -> Answer:
    return Answer(subjects.scored(event.strategy, event.symbol), event, error)


def values(readings, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in reading.labels): reading.value
        for reading in readings
        if reading.name == name
    }


def test_messages_are_counted_by_stream_and_type_and_what_is_unreadable_too():
    meter, _ = metered()
    bar, message = random_bars(count=1)[0], Message("bars.1d.A", b"")
    for _ in range(3):
        meter.take("INPUT", message, bar, 0)
    meter.take("INPUT", message, WireError("schema", "no event"), 0)
    meter.take("SCORED", message, Progress("scorer", 0, 1, 1), 0)
    assert values(meter.readings(), "taken_messages") == {
        ("INPUT", "bar"): 3,
        ("INPUT", UNREADABLE): 1,
        ("SCORED", "progress"): 1,
    }


def test_answers_are_counted_by_strategy_mode_and_by_each_reason():
    meter, _ = metered("alpha", "beta")
    meter.publish(answered(scored()))
    meter.publish(answered(scored(accepted=False, reasons=("warming", "below_threshold"))))
    meter.publish(answered(scored(strategy="beta", mode="observe", reasons=("warming",))))
    found = list(meter.readings())
    assert values(found, "answers") == {
        ("alpha", "filter", "true"): 1,
        ("alpha", "filter", "false"): 1,
        ("beta", "observe", "true"): 1,
    }
    assert values(found, "answer_reasons") == {
        ("alpha", "warming"): 1,
        ("alpha", "below_threshold"): 1,
        ("beta", "warming"): 1,
    }
    assert values(found, "published_messages") == {("signals.scored",): 3}


def test_a_strategy_that_nobody_configured_has_no_line_of_its_own():
    meter, _ = metered("alpha")
    for number in range(50):
        meter.publish(answered(scored(strategy=f"stranger-{number}")))
    assert values(meter.readings(), "answers") == {(OTHER, "filter", "true"): 50}


def test_no_publisher_makes_it_grow_beyond_its_limit(monkeypatch):
    monkeypatch.setattr(meter_module, "LABELS_MAX", 10)
    meter, _ = metered("alpha")
    for number in range(100):
        meter.publish(answered(scored(reasons=(f"invalid:{number}",))))
        meter.publish(Answer("dlq.a", b"", f"reason-{number}: why"))
    found = list(meter.readings())
    reasons = values(found, "answer_reasons")
    assert len(reasons) == 11
    assert (reasons["alpha", OTHER], sum(reasons.values())) == (90, 100)
    letters = values(found, "dead_letters")
    assert (len(letters), letters[OTHER,], letters["reason-3",]) == (11, 90, 1)


def test_the_wait_for_an_answer_is_a_histogram_of_the_broker_to_this_clock():
    meter, clock = metered()
    bar = random_bars(count=1)[0]
    stored = Message("signals.raw.alpha.A", b"", 1, 100 * _S)
    clock.advance(3_000_000)
    meter.take("INPUT", stored, bar, 2)
    meter.take("INPUT", stored, bar, 0)
    clock.advance(60 * _S)
    meter.take("INPUT", stored, bar, 1)
    [wait] = [one for one in meter.readings() if one.kind == "histogram"]
    counts = dict(wait.buckets)
    assert (counts[0.002], counts[0.005], counts[BOUNDS_S[-1]], counts[float("inf")]) == (
        *(0, 2, 2),
        3,
    )
    assert wait.value == pytest.approx(60.003 + 2 * 0.003)


def test_a_broker_whose_clock_is_ahead_makes_no_negative_wait():
    meter, _ = metered()
    meter.take("INPUT", Message("a", b"", 1, 200 * _S), random_bars(count=1)[0], 1)
    [wait] = [one for one in meter.readings() if one.kind == "histogram"]
    assert (wait.value, wait.buckets[0][1]) == (0.0, 1)


def test_the_newest_event_time_is_read_of_bars_frames_and_progress():
    meter, _ = metered()
    assert meter.newest_ts() == 0
    bars = random_bars(count=4)
    meter.take("INPUT", Message("a", b""), pack_bars(bars), 0)
    assert meter.newest_ts() == bars[-1].ts
    meter.take("SCORED", Message("a", b""), Progress("scorer", 0, bars[-1].ts + 5, 1), 0)
    assert meter.newest_ts() == bars[-1].ts + 5


async def readings_behind(bus: MemoryBus, feeds, meter: Meter, **options) -> list[Reading]:
    """What a shell tells that has taken all that `bus` holds."""
    shell = make_shell(bus, Adder(), feeds=feeds, meter=meter, **options)
    stop = asyncio.Event()
    running = asyncio.create_task(shell.run(stop))
    last = await bus.last_seq(topology.INPUT)
    async with asyncio.timeout(10):
        while shell.seq < last and shell.input_seq < last:
            await asyncio.sleep(0.01)
    found = await shell.readings()
    stop.set()
    await running
    return found


async def test_a_shell_tells_how_far_it_is_and_how_far_behind(tmp_path):
    bus, (meter, _) = MemoryBus(), metered()
    bars = random_bars(count=3)
    await publish(bus, bars)
    found = await readings_behind(bus, TWO_FEEDS, meter, snapshots=file_in(tmp_path))
    assert values(found, "taken_sequence") == {("INPUT",): 3, ("SCORED",): 0}
    # Only of a stream that is read whole: of INPUT it reads the bars.
    assert values(found, "lag_messages") == {("SCORED",): 0}
    assert values(found, "progress_event_time_seconds") == {(): bars[-1].ts / 1e9}
    assert values(found, "lag_event_time_seconds") == {(): 0.0}
    assert values(found, "published_messages") == {("drift",): 6}
    assert values(found, "snapshot_refusals") == {(): 0}


async def test_answers_that_were_out_already_are_not_counted_again():
    bus = MemoryBus()
    await publish(bus, random_bars(count=3))
    first = await readings_behind(bus, FEEDS, metered()[0])
    second = await readings_behind(bus, FEEDS, metered()[0])
    assert values(first, "published_messages") == {("drift",): 6}
    assert values(second, "published_messages") == {}
    assert values(second, "taken_messages") == {("INPUT", "bar"): 3}


async def test_a_snapshot_of_no_use_is_counted_and_its_age_and_size_are_told(tmp_path):
    bus = MemoryBus()
    await publish(bus, random_bars(count=3))
    file = file_in(tmp_path)
    await readings_behind(bus, FEEDS, metered()[0], snapshots=file)
    assert file.path.exists()
    clock = ManualClock(file.path.stat().st_mtime_ns + 7 * _S)
    other = file_in(tmp_path, basis="another configuration")
    found = await readings_behind(bus, FEEDS, Meter((), clock), snapshots=other)
    assert values(found, "snapshot_refusals") == {(): 1}
    assert values(found, "snapshot_age_seconds") == {(): 7.0}
    assert values(found, "snapshot_bytes")[()] > 50


async def test_a_bus_that_is_gone_leaves_out_what_only_it_knows():
    class Gone(MemoryBus):
        is_gone = False

        async def last_seq(self, stream: str, subjects: tuple[str, ...] = ()) -> int:
            if self.is_gone:
                raise BusError("nobody answers")
            return await super().last_seq(stream)

    bus, (meter, _) = Gone(), metered()
    shell = make_shell(bus, Adder(), feeds=TWO_FEEDS, meter=meter)
    shell.bus = bus
    shell._inlets = [await shell._open(feed, 0) for feed in TWO_FEEDS]
    assert values(await shell.readings(), "lag_messages") == {("SCORED",): 0}
    bus.is_gone = True
    found = await shell.readings()
    assert values(found, "lag_messages") == {}
    assert values(found, "taken_sequence") == {("INPUT",): 0, ("SCORED",): 0}


async def test_without_a_meter_nothing_is_counted_or_told():
    bus = MemoryBus()
    await bus.publish("bars.1d.AAA", codec.encode(random_bars(count=1)[0]))
    assert await make_shell(bus, Adder()).readings() == []
