"""What was published is what INPUT makes of it; where it is not, the verification says where."""

import asyncio
import random
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.labeller import Labeller
from engine.replays.payload_difference import FieldDifference
from engine.replays.rerun import Rerun
from engine.replays.verdict import Span
from engine.replays.verifier import verify
from engine.roles.labeller import LabellerRole
from models.registry import Registry
from models.signing import load_or_create_signing_key
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import HEADER_ID
from streams.columns import pack_bars
from streams.events import Bar, Expire, Policy, Reset, Trade
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact
from tests.simulation.killed import (
    ALPHA,
    CONFIG,
    SEED,
    SIGNALS,
    answers_when_complete,
    kill_and_restart,
    publish,
)
from tests.simulation.recorded import CLEAN, Record, figures, rerun_over, scorers_over
from tests.simulation.stage import (
    STRATEGIES,
    deploy,
    playing,
    replay,
    roles_over,
    sample_instants,
)

FEATURES = ("ibs", "stochastic_k_14", "return_5", "signal_score")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return load_or_create_signing_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def run(key) -> MemoryBus:
    """A run of every role up to the labeller, with a model for each strategy."""

    async def play() -> MemoryBus:
        bus = MemoryBus()
        for strategy in STRATEGIES:
            artifact = tiny_artifact(
                FEATURES, (0.8, -0.01, 3.0, 0.5), -0.3, strategy=strategy.name, signer=key
            )
            await deploy(bus, artifact, strategy.name, 1)
        roles = roles_over([bus.handle() for _ in range(3)], (key.public_hex,), STRATEGIES)
        async with playing(roles):
            await replay(bus, sample_instants("2007-01-01", "2008-12-31"))
        return bus

    with asyncio.Runner() as runner:
        return runner.run(play())


@pytest.fixture
def record(run, key) -> Record:
    return Record(run, (key.public_hex,))


async def test_a_clean_run_is_equal_in_every_stream(record):
    found = await record.verified()
    assert found.verdict.equal
    assert figures(found) == CLEAN
    assert {line.stream: line.compared for line in found.verdict.streams} == {
        topology.INPUT: len(record.messages(topology.INPUT, "signals.raw.")),
        topology.SCORED: len(record.messages(topology.SCORED, "signals.")),
        topology.OUTCOMES: len(record.messages(topology.OUTCOMES, "outcomes.")),
    }
    assert min(line.equal for line in found.verdict.streams) > 20
    assert found.input_messages == record.store.streams[topology.INPUT].last_seq
    assert (found.input_missing, found.refused_models) == (0, {})


async def test_answers_are_compared_in_the_encoding_they_were_recorded_in(record):
    for stream in (topology.SCORED, topology.OUTCOMES):
        for message in record.messages(stream):
            payload = codec.encode(codec.decode(message.payload), "msgpack")
            record.put(stream, replace(message, payload=payload))
    found = await record.verified()
    assert found.verdict.equal
    assert figures(found) == CLEAN


async def test_a_changed_answer_is_named_with_stream_sequence_id_and_both_values(record):
    victim = record.messages(topology.SCORED, "signals.scored.")[7]
    answer = codec.decode(victim.payload)
    record.change(topology.SCORED, victim, probability=0.125)
    found = await record.verified()
    assert not found.verdict.equal
    assert found.verdict.differences == (found.verdict.first,)
    first = found.verdict.first
    assert (first.kind, first.stream, first.subject) == ("differs", "SCORED", victim.subject)
    assert (first.sequence, first.id) == (victim.seq, victim.headers[HEADER_ID])
    assert first.signal_id == answer.signal_id
    assert first.id.startswith(f"memory-INPUT:{first.cause_seq}:")
    assert first.fields == (FieldDifference("probability", "0.125", repr(answer.probability)),)
    assert figures(found) == CLEAN | {topology.SCORED: (1, 0, 0, 0)}


async def test_one_wrong_value_of_the_served_vector_is_named_by_its_feature(record):
    victim = record.messages(topology.SCORED, "signals.scored.")[3]
    vector = np.frombuffer(codec.decode(victim.payload).inputs, "<f4").copy()
    right = vector[-2]
    vector[-2] = 0.5
    record.change(topology.SCORED, victim, inputs=vector.tobytes())
    found = await record.verified()
    assert found.verdict.first.fields == (
        FieldDifference("inputs.signal_score", "0.5", str(right)),
    )


async def test_the_same_fields_in_other_bytes_are_a_difference(record):
    victim = record.messages(topology.OUTCOMES, "outcomes.")[2]
    record.put(topology.OUTCOMES, replace(victim, payload=b" " + victim.payload))
    [field] = (await record.verified()).verdict.first.fields
    assert field.field == "payload"
    assert field.recorded != field.expected


async def test_a_changed_raw_signal_is_named_before_what_follows_from_it(record):
    victim = record.messages(topology.INPUT, "signals.raw.")[5]
    record.change(topology.INPUT, victim, score=0.0625)
    found = await record.verified()
    first = found.verdict.first
    assert (first.stream, first.sequence) == ("INPUT", victim.seq)
    assert [field.field for field in first.fields] == ["score"]
    assert first.cause_seq < victim.seq
    # The model saw another score: its probability is another, and the outcome tells of it.
    followers = found.verdict.differences[1:]
    assert [one.stream for one in followers] == ["SCORED", "OUTCOMES"]
    assert followers[0].cause_seq == victim.seq


async def test_another_model_than_the_one_that_spoke_is_seen_at_the_first_answer(record, key):
    deployed = record.messages(topology.INPUT, "models.deployed.breakout")[0]
    other = tiny_artifact(FEATURES, (0.7, -0.01, 3.0, 0.5), -0.3, strategy="breakout", signer=key)
    await Registry(MemoryBus(store=record.store)).put(other)
    record.change(topology.INPUT, deployed, version=other.version, digest=other.digest)
    found = await record.verified()
    spoken = [m for m in record.messages(topology.SCORED) if ".breakout." in m.subject]
    first = found.verdict.first
    assert (first.stream, first.sequence) == ("SCORED", spoken[0].seq)
    assert [field.field for field in first.fields] == ["probability", "final_score", "model"]
    assert first.fields[2].expected == f'"{other.version}"'
    lines = {line.stream: line for line in found.verdict.streams}
    assert lines[topology.SCORED].differing == len(spoken)
    # Outcomes tell which model spoke.
    assert lines[topology.OUTCOMES].differing > 0


async def test_a_model_that_is_gone_is_told_of(record, monkeypatch):
    monkeypatch.setattr("engine.roles.scorer.FETCH_PAUSE_S", 0.0)
    record.store.objects[topology.STORE_MODELS].clear()
    found = await record.verified()
    assert not found.verdict.equal
    assert list(found.refused_models) == [1, 2]
    assert "no artefact" in found.refused_models[1]


async def test_missing_answers_and_outcomes_are_named_by_id(record):
    answer = record.messages(topology.SCORED, "signals.")[9]
    outcome = record.messages(topology.OUTCOMES, "outcomes.")[4]
    record.remove(topology.SCORED, answer)
    record.remove(topology.OUTCOMES, outcome)
    found = await record.verified()
    assert figures(found) == CLEAN | {
        topology.SCORED: (0, 1, 0, 0),
        topology.OUTCOMES: (0, 1, 0, 0),
    }
    named = {(one.kind, one.stream, one.subject, one.id) for one in found.verdict.differences}
    assert named == {
        ("missing", "SCORED", answer.subject, answer.headers[HEADER_ID]),
        ("missing", "OUTCOMES", outcome.subject, outcome.headers[HEADER_ID]),
    }


async def test_an_answer_to_nothing_is_extra(record):
    stray = record.messages(topology.SCORED, "signals.scored.")[0]
    headers = dict(stray.headers) | {HEADER_ID: "memory-INPUT:1:0"}
    seq = record.add(topology.SCORED, replace(stray, headers=headers))
    unsigned = record.add(topology.SCORED, replace(stray, headers={}))
    found = await record.verified()
    assert figures(found) == CLEAN | {topology.SCORED: (0, 0, 2, 0)}
    told = [(one.kind, one.sequence, one.id, one.cause_seq) for one in found.verdict.differences]
    assert told == [("extra", seq, "memory-INPUT:1:0", 1), ("extra", unsigned, "", 0)]


async def test_a_repeat_has_no_effect_and_another_payload_under_its_id_is_extra(record):
    answer = record.messages(topology.SCORED, "signals.scored.")[0]
    record.add(topology.SCORED, answer)
    found = await record.verified()
    assert found.verdict.equal
    assert [line.repeated for line in found.verdict.streams] == [0, 1, 0]
    event = msgspec.structs.replace(codec.decode(answer.payload), threshold=0.75)
    seq = record.add(topology.SCORED, replace(answer, payload=codec.encode(event)))
    first = (await record.verified()).verdict.first
    assert (first.kind, first.sequence) == ("extra", seq)
    assert first.fields[0].expected == f"those at sequence {answer.seq}"


async def test_what_is_not_published_yet_is_pending(record):
    answers = record.messages(topology.SCORED, "signals.")
    outcomes = record.messages(topology.OUTCOMES, "outcomes.")
    half = answers[len(answers) // 2]
    record.cut(topology.SCORED, half.seq)
    record.cut(topology.OUTCOMES, outcomes[10].seq)
    found = await record.verified()
    assert found.verdict.equal
    assert figures(found) == CLEAN | {
        topology.SCORED: (0, 0, 0, len([one for one in answers if one.seq > half.seq])),
        topology.OUTCOMES: (0, 0, 0, len(outcomes) - 11),
    }


async def test_bounds_say_what_is_reported_and_not_what_is_rerun(record):
    victim = record.messages(topology.SCORED, "signals.scored.")[11]
    record.change(topology.SCORED, victim, threshold=0.75)
    first = (await record.verified()).verdict.first
    ts = codec.decode(victim.payload).ts
    for outside in (
        Span(first_seq=first.cause_seq + 1),
        Span(last_seq=first.cause_seq - 1),
        Span(first_ts=ts + 1),
        Span(last_ts=ts - 1),
    ):
        found = await record.verified(outside)
        assert found.verdict.equal
        assert sum(line.compared for line in found.verdict.streams) > 10
    inside = Span(first_seq=first.cause_seq, last_seq=first.cause_seq, first_ts=ts, last_ts=ts)
    assert (await record.verified(inside)).verdict.differences == (first,)


async def test_a_role_that_is_left_out_is_not_compared(record):
    bus = MemoryBus(store=record.store)
    [scorer] = scorers_over([bus], record.trusted_keys, STRATEGIES)
    found = await verify(bus, Rerun(None, scorer, None))
    assert found.verdict.equal
    [line] = found.verdict.streams
    assert (line.role, line.compared) == ("scorer", len(record.messages("SCORED", "signals.")))


async def test_messages_that_input_holds_no_more_are_counted(record):
    record.remove(topology.INPUT, record.messages(topology.INPUT)[0])
    found = await record.verified()
    assert found.input_missing == 1


def all_kinds_of_input(bars: list[list[Bar]]) -> Iterator[tuple[str, bytes]]:
    """Frames, late and early signals, one without a bar, a block, a trade, and what is refused."""
    for day, instant in enumerate(bars):
        frame = codec.encode(pack_bars(instant), "msgpack")
        yield subjects.frame("1d"), frame
        if day == 10:
            yield subjects.frame("1d"), frame
            yield subjects.bar("1d", "AAA"), codec.encode(bars[3][0])
            yield subjects.bar("1d", "AAA"), b"not a bar"
        if day == 20:
            yield subjects.policy("alpha"), codec.encode(Policy("alpha", "block", "ops", "halt"))
        if day == 25:
            yield subjects.policy("alpha"), codec.encode(Policy("alpha", "resume", "ops", "on"))
            yield subjects.reset("BBB"), codec.encode(Reset("BBB", instant[0].ts, "split"))
        for bar in instant:
            name = f"{bar.symbol}-{day}"
            late = bars[max(0, day - 5 * (day % 2))][instant.index(bar)]
            yield subjects.raw("alpha", bar.symbol), codec.encode(signal_on(late, name))
            yield (
                subjects.raw("alpha", bar.symbol),
                codec.encode(signal_on(bar, f"{bar.symbol} again")),
            )
            if day % 7 == 3:
                yield subjects.raw("alpha", bar.symbol), b'{"signal_id": "%d-bad"}' % day
        if day == 12:
            early = signal_on(instant[0], "early", ts=instant[0].ts + 1)
            yield subjects.raw("alpha", "AAA"), codec.encode(early)
            yield subjects.expire("alpha", "AAA"), codec.encode(Expire("alpha", "AAA", "early"))
        if day % 9 == 4:
            trade = Trade(f"AAA-{day - 4}", bars[day - 3][0].ts, instant[0].ts, 9, 10, 1, 1, True)
            yield subjects.trade("alpha", "AAA"), codec.encode(trade)


@pytest.mark.parametrize("shards", [1, 2])
async def test_every_kind_of_input_is_rerun_as_it_was(key, shards):
    lanes = [random_bars(name, 60, seed=n) for n, name in enumerate(("AAA", "BBB", "CCC"))]
    bus = MemoryBus()
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha", signer=key)
    await deploy(bus, artifact, "alpha", 1)
    roles = scorers_over([bus.handle() for _ in range(shards)], (key.public_hex,), (ALPHA,))
    labeller = LabellerRole(bus.handle(), Labeller((ALPHA,), waits_for_scorer=True))
    async with playing([*roles, labeller]):
        for subject, payload in all_kinds_of_input(
            [list(bars) for bars in zip(*lanes, strict=True)]
        ):
            await bus.publish(subject, payload)
        await quiet(bus)
    record = Record(bus, (key.public_hex,))
    found = await record.verified(strategies=(ALPHA,))
    assert found.verdict.equal, found.verdict.first
    assert figures(found) == CLEAN
    reasons = {
        reason
        for message in record.messages(topology.SCORED, "signals.")
        for reason in codec.decode(message.payload).reasons
    }
    assert {"no_bar", "invalid:schema"} <= reasons
    real = [m for m in record.messages(topology.OUTCOMES) if b'"virtual":false' in m.payload]
    assert len(real) > 3


async def quiet(bus) -> None:
    """Return when nothing has been published for a while."""
    last = ()
    while last != (last := [await bus.last_seq(s) for s in (topology.SCORED, topology.OUTCOMES)]):
        await asyncio.sleep(0.6)


@pytest.mark.broker
async def test_a_run_whose_scorer_was_killed_and_restarted_is_equal(tmp_path):
    state = StateDir(tmp_path / "state")
    key = ensure_signing_key(state)
    config = tmp_path / "killed.yaml"
    config.write_text(CONFIG)
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha", signer=key)
    with EmbeddedBroker.start(state.root) as broker:
        bus = await NatsBus.connect(broker.url, name="engine")
        await provision(bus.jetstream)
        await deploy(bus, artifact, "alpha", 1)
        commands = role_commands(("scorer",), config, (), broker.url, state)
        scorer = RoleProcess("scorer", commands["scorer"], tmp_path / "scorer.log")
        labeller = LabellerRole(bus, Labeller((ALPHA,), waits_for_scorer=True))
        async with playing([labeller]):
            publishing = asyncio.create_task(publish(bus))
            await kill_and_restart(bus, scorer, random.Random(SEED))
            await publishing
            # While answers are still under way nothing is missing either.
            early = await verify(bus, rerun_over(bus, (key.public_hex,), (ALPHA,)))
            await answers_when_complete(bus)
            await quiet(bus)
        found = await verify(bus, rerun_over(bus, (key.public_hex,), (ALPHA,)))
        await scorer.stop()
        await bus.close()
    assert early.verdict.equal, early.verdict.first
    assert found.verdict.equal, found.verdict.first
    assert figures(found) == CLEAN
    compared = {line.stream: line.compared for line in found.verdict.streams}
    assert compared[topology.SCORED] == SIGNALS
    assert compared[topology.OUTCOMES] > SIGNALS // 2
