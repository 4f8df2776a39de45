"""However many scorers share the symbols of a stream, they say what one says, by the same ids."""

import asyncio
from collections.abc import Iterator

import pytest

from engine.labeller import Labeller
from engine.replays.rerun import Rerun
from engine.replays.verifier import Verified, verify
from engine.roles.labeller import LabellerRole
from engine.settings import StrategySettings
from engine.shells.shell import Shell
from models.settings import MlSettings
from models.signing import load_or_create_signing_key
from streams import codec, subjects, topology
from streams.bus import HEADER_ID
from streams.columns import pack_bars, pack_signals
from streams.events import Bar, Deployment, Policy, Reset, Signal
from streams.memory_bus import MemoryBus
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact
from tests.simulation.recorded import scorers_over
from tests.simulation.stage import deploy, playing

DAYS = 48
RUN_DAYS = 4
SYMBOLS = ("AAA", "BBB", "CCC", "AAPL", "IBM", "KO", "BRK.B", "ES 12-26")
ALPHA = StrategySettings(
    name="alpha", kind="external", ml=MlSettings(prediction_mode="filter", confidence_threshold=0.5)
)
BETA = StrategySettings(name="beta", kind="external", features=("gap",))

Told = dict[str, list[tuple[str, bytes]]]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return load_or_create_signing_key(tmp_path_factory.mktemp("keys"))


def shard_of(symbol: str, shards: int) -> int:
    return subjects.shard_of(symbol) * shards // subjects.SHARDS


def packed_bars(days: list[list[Bar]]) -> Iterator[tuple[str, bytes]]:
    """Bars one by one, then an instant in columns, then runs in columns."""
    for number, instant in enumerate(days):
        if number == 0:
            for bar in instant:
                yield subjects.bar("1d", bar.symbol), codec.encode(bar)
        elif number == 1:
            yield subjects.frame("1d"), codec.encode(pack_bars(instant), "msgpack")
    for lane in zip(*days[2:], strict=True):
        yield subjects.frame("1d"), codec.encode(pack_bars(list(lane)), "msgpack")


def signals_of(block: int, days: list[list[Bar]]) -> Iterator[tuple[str, bytes]]:
    """Signals alone and in columns, one ahead of its bar, one whose bar never comes."""
    for number, instant in enumerate(days):
        signals = [signal_on(bar, f"{block}-{number}-{bar.symbol}") for bar in instant]
        if number % 2:
            columns = codec.encode(pack_signals(signals), "msgpack")
            yield subjects.raw_frame("alpha"), columns
            yield subjects.raw_frame("alpha"), columns
        else:
            for one in signals:
                yield subjects.raw("alpha", one.symbol), codec.encode(one)
        for bar in instant[:3]:
            beta = signal_on(bar, f"b-{block}-{number}-{bar.symbol}", "beta", features={"gap": 0.1})
            yield subjects.raw("beta", bar.symbol), codec.encode(beta)
    between = signal_on(days[-1][0], f"between-{block}", ts=days[-1][0].ts + 1)
    yield subjects.raw("alpha", between.symbol), codec.encode(between)


def bad_ones(block: int, instant: list[Bar]) -> Iterator[tuple[str, bytes]]:
    """What cannot be honoured: messages, rows, and whole columns of several shards' symbols."""
    yield subjects.bar("1d", "CCC"), b"no bar"
    again = signal_on(instant[1], f"{block}-0-AAA", score=0.9)
    yield subjects.raw("alpha", again.symbol), codec.encode(again)
    rows = [
        signal_on(bar, f"bad-{block}-{bar.symbol}", side=n % 2) for n, bar in enumerate(instant)
    ]
    yield subjects.raw_frame("alpha"), codec.encode(pack_signals(rows), "msgpack")
    unknown = signal_on(instant[3], f"g-{block}", "gamma")
    yield subjects.raw("gamma", unknown.symbol), codec.encode(unknown)
    names = ",".join(f'"{block}-x-{symbol}"' for symbol in SYMBOLS)
    symbols = ",".join(f'"{symbol}"' for symbol in SYMBOLS)
    columns = f'{{"type":"signals","signal_ids":[{names}],"symbols":[{symbols}]}}'
    yield subjects.raw_frame("alpha"), columns.encode()
    false = [Bar(b.symbol, b.interval, b.ts, b.open, b.low, b.high, b.close, 1.0) for b in instant]
    yield subjects.frame("1d"), codec.encode(pack_bars(false), "msgpack")
    nobody = Deployment("alpha", None, "none", "0" * 64, 1, None, {})
    yield subjects.deployed("gamma"), codec.encode(nobody)


def mixed_input() -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    lanes = [random_bars(symbol, DAYS, seed=n) for n, symbol in enumerate(SYMBOLS)]
    days = [list(instant) for instant in zip(*lanes, strict=True)]
    for block in range(0, DAYS, RUN_DAYS):
        part = days[block : block + RUN_DAYS]
        made = list(signals_of(block, part))
        # Some come before their bar.
        found += [*made[:5], *packed_bars(part), *made[5:], *bad_ones(block, part[1])]
        if block == 12:
            found.append(
                (subjects.policy("alpha"), codec.encode(Policy("alpha", "block", "o", "w")))
            )
        if block == 20:
            on = Policy("alpha", "resume", "o", "w")
            found.append((subjects.policy("alpha"), codec.encode(on)))
            split = Reset("KO", part[-1][0].ts, "split")
            found.append((subjects.reset("KO"), codec.encode(split)))
    return found


async def caught_up(bus: MemoryBus, roles: list[Shell]) -> None:
    last = await bus.last_seq(topology.INPUT)
    async with asyncio.timeout(60):
        while min(role.seq for role in roles) < last:
            await asyncio.sleep(0.02)


async def record_of(key, *generations: int, parts: int = 0, leave_out: int = -1) -> MemoryBus:
    """Publish the mixed input in parts, each read by so many scorers, and by one labeller."""
    bus = MemoryBus()
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha", signer=key)
    await deploy(bus, artifact, "alpha", 1)
    events = mixed_input()
    size = -(-len(events) // (parts or len(generations)))
    labeller = LabellerRole(bus.handle(), Labeller((ALPHA, BETA), waits_for_scorer=True))
    async with playing([labeller]):
        for number, shards in enumerate(generations):
            handles = [bus.handle() for _ in range(shards)]
            scorers = scorers_over(handles, (key.public_hex,), (ALPHA, BETA))
            running = [one for one in scorers if one.shard != leave_out]
            async with playing(running):
                for subject, payload in events[number * size : (number + 1) * size]:
                    await bus.publish(subject, payload)
                await caught_up(bus, running)
                await asyncio.sleep(0.3)
        async with asyncio.timeout(30):
            while labeller.seq < await bus.last_seq(topology.SCORED):
                await asyncio.sleep(0.02)
    return bus


def told(bus: MemoryBus, *streams: str) -> Told:
    """Ids and payloads by subject, answers in order.

    Letters have no order, nor have outcomes of signals that come when later bars are known.
    """
    found: Told = {}
    for name in streams or (topology.SCORED, topology.DLQ, topology.OUTCOMES):
        for message in bus._store.streams[name].messages.values():
            if not message.subject.startswith("progress."):
                one = (message.headers[HEADER_ID], message.payload)
                found.setdefault(message.subject, []).append(one)
    return {
        subject: lane if subject.startswith("signals.") else sorted(lane)
        for subject, lane in found.items()
    }


@pytest.fixture(scope="module")
def alone(key) -> MemoryBus:
    with asyncio.Runner() as runner:
        return runner.run(record_of(key, 1))


async def verified(bus: MemoryBus, key) -> Verified:
    [scorer] = scorers_over([bus], (key.public_hex,), (ALPHA, BETA))
    labeller = LabellerRole(bus, Labeller((ALPHA, BETA), waits_for_scorer=True))
    return await verify(bus, Rerun(None, scorer, labeller))


def counts(found: Verified) -> dict[str, tuple[int, int, int]]:
    """By stream: missing, extra, pending."""
    return {line.stream: (line.missing, line.extra, line.pending) for line in found.verdict.streams}


def test_one_says_every_kind_of_answer(alone):
    lanes = told(alone, topology.SCORED).values()
    answers = [codec.decode(payload) for lane in lanes for _, payload in lane]
    reasons = {reason.partition(":")[0] for answer in answers for reason in answer.reasons}
    assert {"no_bar", "invalid", "no_model"} <= reasons
    assert {answer.model is None for answer in answers} == {True, False}
    assert {shard_of(symbol, 4) for symbol in SYMBOLS} == {0, 1, 2, 3}
    assert len(told(alone, topology.DLQ)) > 5
    assert len(told(alone, topology.OUTCOMES)) > 5


@pytest.mark.parametrize("shards", [2, 4, 7])
async def test_several_scorers_say_what_one_says_by_the_same_ids(alone, key, shards):
    shared = await record_of(key, shards)
    assert told(shared) == told(alone)
    found = await verified(shared, key)
    assert found.verdict.equal, found.verdict.first
    assert counts(found) == dict.fromkeys((topology.SCORED, topology.OUTCOMES), (0, 0, 0))


@pytest.mark.parametrize(
    ("generations", "streams"),
    [((1, 4), ()), ((4, 2, 3), (topology.SCORED, topology.DLQ))],
)
async def test_another_number_of_scorers_goes_on_where_the_last_stood(
    alone, key, generations, streams
):
    changed = await record_of(key, *generations)
    assert told(changed, *streams) == told(alone, *streams)
    found = await verified(changed, key)
    assert found.verdict.equal, found.verdict.first
    assert counts(found)[topology.SCORED] == (0, 0, 0)
    store = changed._store.streams[topology.SCORED]
    answers = [m for m in store.messages.values() if m.subject.startswith("signals.")]
    del store.messages[answers[len(answers) // 2].seq]
    missing, _, pending = counts(await verified(changed, key))[topology.SCORED]
    assert (missing, pending) == (1, 0)


async def test_what_a_scorer_that_does_not_run_owes_is_pending_and_nothing_else(key):
    bus = await record_of(key, 4, leave_out=2)
    found = await verified(bus, key)
    missing, extra, pending = counts(found)[topology.SCORED]
    assert (missing, extra) == (0, 0)
    assert pending > 10


async def record_of_full_rooms(key, shards: int) -> MemoryBus:
    """More signals wait for their bars than there is room for; then the bars come."""
    bus = MemoryBus()
    scorers = scorers_over([bus.handle() for _ in range(shards)], (key.public_hex,), (ALPHA, BETA))
    lanes = [random_bars(symbol, 3, seed=n) for n, symbol in enumerate(SYMBOLS)]
    async with playing(scorers):
        for number in range(3):
            ones = [signal_on(lane[number], f"{number}-{lane[0].symbol}") for lane in lanes]
            if number == 1:
                columns = codec.encode(pack_signals(ones), "msgpack")
                await bus.publish(subjects.raw_frame("alpha"), columns)
                continue
            for one in ones:
                await bus.publish(subjects.raw("alpha", one.symbol), codec.encode(one))
        for lane in lanes:
            await bus.publish(subjects.frame("1d"), codec.encode(pack_bars(lane), "msgpack"))
        await caught_up(bus, list(scorers))
    return bus


async def test_who_waits_too_long_does_not_depend_on_how_many_share_the_waiting(key, monkeypatch):
    monkeypatch.setattr("engine.scorer.PENDING_SIGNALS_MAX", 9)
    alone = told(await record_of_full_rooms(key, 1))
    answers = [codec.decode(payload) for lane in alone.values() for _, payload in lane]
    given_up = [one for one in answers if one.reasons == ("no_bar",)]
    assert len(answers) == 3 * len(SYMBOLS)
    assert len(given_up) == len(answers) - 9
    assert told(await record_of_full_rooms(key, 4)) == alone


async def test_rows_on_symbols_too_long_for_a_subject_are_turned_down_by_the_same_ids(key):
    names = ["\N{GRINNING FACE}" * length for length in range(60, 80)]
    columns = pack_signals([signal_on(random_bars(name, 1)[0], name, side=0) for name in names])
    records = []
    for shards in (1, 4):
        bus = MemoryBus()
        handles = [bus.handle() for _ in range(shards)]
        scorers = scorers_over(handles, (key.public_hex,), (ALPHA, BETA))
        async with playing(scorers):
            await bus.publish(subjects.raw_frame("alpha"), codec.encode(columns, "msgpack"))
            await caught_up(bus, list(scorers))
        records.append(told(bus))
    assert len(records[0]) == 2 * len(names)
    assert records[1] == records[0]


async def test_an_id_used_on_symbols_of_different_scorers_is_answered_once(key):
    first, second = "AAA", next(s for s in SYMBOLS if shard_of(s, 4) != shard_of("AAA", 4))
    bus = MemoryBus()
    scorers = scorers_over([bus.handle() for _ in range(4)], (key.public_hex,), (ALPHA, BETA))
    async with playing(scorers):
        for symbol in (first, second):
            [bar] = random_bars(symbol, 1)
            await bus.publish(subjects.bar("1d", symbol), codec.encode(bar))
            one: Signal = signal_on(bar, "the same")
            await bus.publish(subjects.raw("alpha", symbol), codec.encode(one))
        await caught_up(bus, list(scorers))
    assert list(told(bus, topology.SCORED)) == [f"signals.scored.alpha.{first}"]
    letters = told(bus, topology.DLQ)
    assert {subject: len(lane) for subject, lane in letters.items()} == {
        f"dlq.signals.raw.alpha.{subjects.token(second)}": 1
    }
