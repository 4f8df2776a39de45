"""A shell that goes on from a snapshot says what one says that was never disturbed."""

import asyncio
import contextlib
import random

import pytest

from engine.shells import snapshot_keeper
from engine.shells.shell import Feed, Shell
from streams import codec, subjects, topology
from streams.errors import BusError
from streams.memory_bus import MemoryBus
from tests.engine.adding_shell import (
    FEEDS,
    TWO_FEEDS,
    Adder,
    Killed,
    file_in,
    forgetful,
    live,
    live_to_the_end,
    make_shell,
    publish,
    said,
    undisturbed,
)
from tests.engine.market import random_bars

SEED = 20_260_104
BARS = 120
LIVES = 8


@pytest.fixture
def often(monkeypatch):
    """Snapshots are due after every turn."""
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_EVERY_S", 0.0)
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_SHARE_MAX", 1e9)


async def test_a_stopped_shell_goes_on_where_it_stood(tmp_path):
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars[:50])
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    await publish(bus, bars[50:])
    core = Adder()
    await live_to_the_end(bus, core, file_in(tmp_path))
    assert core.stepped == BARS - 50
    assert await said(bus) == await undisturbed(bars)


@pytest.mark.parametrize("number", range(3))
async def test_however_often_it_is_killed_nothing_is_lost_or_said_twice(tmp_path, often, number):
    rng = random.Random(SEED + number)
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    told = f"seed {SEED + number}"
    stepped = published = 0
    for life in range(LIVES):
        more = rng.randrange(2 * BARS // LIVES) if life < LIVES - 1 else BARS
        await publish(bus, bars[published : published + more])
        published = min(BARS, published + more)
        core = Adder(lives_for=rng.randrange(1, BARS // 2))
        # Now and then a snapshot of before is put back, or gone.
        kept = file_in(tmp_path).path
        before = kept.read_bytes() if kept.exists() else None
        with contextlib.suppress(Killed):
            await live_to_the_end(bus, core, file_in(tmp_path))
        stepped += core.stepped
        fate = rng.randrange(4)
        if fate == 0 and before is not None:
            kept.write_bytes(before)
        elif fate == 1:
            kept.unlink(missing_ok=True)
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    assert await said(bus) == await undisturbed(bars), told
    assert stepped < LIVES * BARS, told


async def test_a_killed_shell_goes_on_from_its_last_snapshot_not_from_the_beginning(
    tmp_path, often
):
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars)
    # It is killed in its second turn; the snapshot after the first is on the disk by then.
    with pytest.raises(Killed):
        await live(make_shell(bus, Adder(lives_for=100), file_in(tmp_path)))
    core = Adder()
    await live_to_the_end(bus, core, file_in(tmp_path))
    assert 0 < core.stepped < BARS
    assert await said(bus) == await undisturbed(bars)


async def test_a_stale_snapshot_says_nothing_again_that_is_out_already(tmp_path):
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars[:40])
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    await publish(bus, bars[40:])
    # This one has no snapshots of its own: what it says stands behind the one that is there.
    await live_to_the_end(bus, Adder())
    shell = await live_to_the_end(bus, Adder(), file_in(tmp_path))
    assert await said(bus) == await undisturbed(bars)
    assert not shell._out.ids


async def test_a_snapshot_taken_while_catching_up_knows_what_was_out(tmp_path, often):
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder())
    # Without a snapshot it begins anew, takes one on the way, and is killed: most of what is out
    # was written before that snapshot, and answers what comes behind it.
    with pytest.raises(Killed):
        await live(make_shell(bus, Adder(lives_for=70), file_in(tmp_path)))
    core = Adder()
    await live_to_the_end(bus, core, file_in(tmp_path))
    assert core.stepped < BARS
    assert await said(bus) == await undisturbed(bars)


@pytest.mark.parametrize("harm", ["damaged", "basis", "incarnation", "shards", "put back"])
async def test_a_snapshot_that_does_not_fit_is_left_and_the_role_replays(tmp_path, caplog, harm):
    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    file, options = file_in(tmp_path), {}
    if harm == "damaged":
        file.path.write_bytes(file.path.read_bytes()[:-9] + b"\xff" * 9)
    elif harm == "basis":
        file = file_in(tmp_path, "another")
    elif harm == "incarnation":
        for stream in bus._store.streams.values():
            stream.incarnation += "-anew"
    elif harm == "shards":
        options["shards"] = 2
    else:
        # From a backup of the stream: the same incarnation, an earlier end.
        held = bus._store.streams[topology.INPUT]
        held.messages = {seq: m for seq, m in held.messages.items() if seq <= 30}
        held.last_seq = 30
    core = Adder()
    shell = make_shell(bus, core, file, **options)
    last = await bus.last_seq(topology.INPUT)
    await live(shell, lambda: shell.seq >= last)
    assert core.stepped == last
    assert "replaying" in caplog.text


async def test_a_core_that_cannot_go_on_from_its_snapshot_begins_anew_at_the_next_start(tmp_path):
    class Stubborn(Adder):
        def load(self, saved):
            raise ValueError("not mine")

    bars = random_bars(count=10)
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    with pytest.raises(ValueError, match="not mine"):
        await live(make_shell(bus, Stubborn(), file_in(tmp_path)))
    core = Stubborn()
    await live_to_the_end(bus, core, file_in(tmp_path))
    assert core.stepped == 10


async def test_a_bus_that_is_lost_on_the_way_costs_no_snapshot(tmp_path):
    class Asking(Shell):
        async def load(self, saved):
            raise BusError("no answer")

    bus = MemoryBus()
    await publish(bus, random_bars(count=10))
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    shell = Asking(
        bus.handle(),
        Adder(),
        role="drift",
        feeds=FEEDS,
        writes=(topology.DRIFT,),
        snapshots=file_in(tmp_path),
    )
    with pytest.raises(BusError, match="no answer"):
        await live(shell)
    core = Adder()
    await live_to_the_end(bus, core, file_in(tmp_path))
    assert core.stepped == 0


async def test_each_of_two_feeds_goes_on_behind_its_last_message_taken(tmp_path):
    class Holding(Shell):
        is_open = False

        def is_held(self, feed, event):
            return feed == 0 and event.ts > bars[9].ts and not self.is_open

    def holding(core) -> Holding:
        return Holding(
            forgetful(bus),
            core,
            role="drift",
            feeds=TWO_FEEDS,
            writes=(topology.DRIFT,),
            snapshots=file_in(tmp_path),
        )

    bars = random_bars(count=30)
    bus = MemoryBus()
    await publish(bus, bars)
    for number in range(5):
        await bus.publish(subjects.scored("alpha", "AAA"), b"{}", msg_id=f"s{number}")
    shell = holding(Adder())
    await live(shell, lambda: (shell.input_seq, shell.seq) == (10, 5))
    assert shell._inlets[0].has_next()
    core = Adder()
    shell = holding(core)
    shell.is_open = True
    await live(shell, lambda: shell.input_seq == 30)
    assert (core.stepped, shell.seq) == (20, 5)
    assert await said(bus) == await undisturbed(bars)


async def test_progress_is_said_again_after_a_start_and_never_goes_back(tmp_path):
    bars = random_bars(count=20)
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    before = await progress(bus)
    shell = make_shell(bus, Adder(), file_in(tmp_path))
    stop = asyncio.Event()
    task = asyncio.create_task(shell.run(stop))
    async with asyncio.timeout(10):
        while len(await progress(bus)) == len(before):
            await asyncio.sleep(0.01)
    stop.set()
    await task
    marks = [(one.event_ts, one.seq) for one in await progress(bus)]
    assert marks == sorted(marks)
    assert marks[-1] == (bars[-1].ts, 20)


async def progress(bus) -> list:
    subscription = await bus.read(topology.DRIFT, 1, (subjects.progress("drift", 0),))
    found = [codec.decode(m.payload) for m in await subscription.next_batch(0.05)]
    await subscription.close()
    return found


async def test_nothing_is_written_where_nothing_has_moved(tmp_path):
    bus = MemoryBus()
    await publish(bus, random_bars(count=20))
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    before = file_in(tmp_path).path.stat().st_mtime_ns
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    assert file_in(tmp_path).path.stat().st_mtime_ns == before


async def test_a_disk_that_takes_nothing_stops_nobody(tmp_path, often, caplog):
    bars = random_bars(count=20)
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder(), file_in(tmp_path / "there is no such folder"))
    assert await said(bus) == await undisturbed(bars)
    assert "no snapshot was taken" in caplog.text


async def test_only_what_was_written_since_the_snapshot_is_read_back(tmp_path):
    bus = MemoryBus()
    await publish(bus, random_bars(count=20))
    await live_to_the_end(bus, Adder(), file_in(tmp_path))
    written = await bus.last_seq(topology.DRIFT)
    shell = make_shell(bus, Adder(), file_in(tmp_path))
    begun = []
    read = shell.bus.read

    async def noting(stream, start_seq=1, subjects=()):
        begun.append((stream, start_seq))
        return await read(stream, start_seq, subjects)

    shell.bus.read = noting
    await bus.publish(subjects.drift("adder"), b"{}", msg_id="another's")
    last = await bus.last_seq(topology.INPUT)
    await live(shell, lambda: shell.seq >= last)
    # At the stop the idle shell may have said its position once more.
    assert begun[-1] == (topology.INPUT, last + 1)
    assert written - 1 <= dict(begun)[topology.DRIFT] - 1 <= written


class Quiet:
    """The outlet of one of two that leaves the speaking to the other."""

    is_settled = True

    async def send(self, subject, payload, *, msg_id=None, headers=None):
        pass


async def test_one_of_two_that_is_behind_the_other_does_not_take_its_words_for_its_own(tmp_path):
    class Holding(Shell):
        def is_held(self, feed, event):
            return event.ts > bars[39].ts

    bars = random_bars(count=BARS)
    bus = MemoryBus()
    await publish(bus, bars)
    behind = Holding(
        bus.handle(),
        Adder(),
        role="drift",
        # The last feed is the one that goes on when every feed waits.
        feeds=(*FEEDS, Feed(topology.SCORED)),
        writes=(topology.DRIFT,),
        outlet=Quiet(),
        snapshots=file_in(tmp_path),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(behind.run(stop))
    async with asyncio.timeout(10):
        while behind.input_seq < 40:
            await asyncio.sleep(0.001)
    await live_to_the_end(bus, Adder())
    stop.set()
    await task
    core = Adder()
    await live_to_the_end_of_both(bus, core, tmp_path)
    assert core.stepped == BARS - 40
    assert await said(bus) == await undisturbed(bars)


async def live_to_the_end_of_both(bus, core, folder) -> None:
    shell = make_shell(bus, core, file_in(folder), TWO_FEEDS)
    await live(shell, lambda: shell.input_seq >= BARS)


async def test_what_an_outlet_keeps_back_is_not_in_a_snapshot(tmp_path):
    outlet = Quiet()
    outlet.is_settled = False
    bus = MemoryBus()
    await publish(bus, random_bars(count=20))
    shell = make_shell(bus, Adder(), file_in(tmp_path), outlet=outlet)
    await live(shell, lambda: shell.seq >= 20)
    assert not file_in(tmp_path).path.exists()
