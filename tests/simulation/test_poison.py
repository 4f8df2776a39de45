"""Nothing that can be published stops a role: no event beyond reason, no bytes that are none."""

import asyncio
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.drift.drift_monitor import DriftMonitor
from engine.drift.score_watch import ScoreWatch
from engine.labeller import Labeller
from engine.roles.drift import drift_shell
from engine.scorer import Scorer
from engine.settings import DriftSettings, InputWatchSettings, StrategySettings
from engine.strategist import Strategist
from models.feature_set import load_feature_set
from models.settings import MlSettings
from streams import codec, topology
from streams.bus import HEADER_ERROR, HEADER_ID, HEADER_ORIGIN_SEQ, HEADER_ORIGIN_STREAM
from streams.columns import pack_bars, pack_signals
from streams.errors import WireError
from streams.events import Deployment, Event, Outcome, Policy, Scored
from streams.headers import clean, id_part
from streams.limits import MESSAGE_BYTES_MAX
from streams.memory_bus import MemoryBus
from streams.session import session
from streams.validation import check_subject
from streams.wildcard import check_subject as check_publishable
from tests.engine.market import random_bars, signal_on
from tests.simulation.poison import ANY_EVENT
from tests.simulation.stage import playing, roles_over

CONTROL_LINE_BYTES = 4096
ALPHA = StrategySettings(
    name="alpha", kind="external", features=("z",), ml=MlSettings(prediction_mode="filter")
)
STRATEGIES = (ALPHA, StrategySettings(name="breakout"))


def drift_monitor() -> DriftMonitor:
    return DriftMonitor(DriftSettings(), len(STRATEGIES), ScoreWatch(InputWatchSettings()))


def cores() -> list:
    return [
        Scorer(STRATEGIES, load_feature_set(), session("us_equity")),
        Strategist(STRATEGIES),
        Labeller(STRATEGIES),
        Labeller(STRATEGIES, waits_for_scorer=True),
        DriftMonitor(DriftSettings(detectors=("slope",), reference_outcomes=20)),
        drift_monitor(),
    ]


def check_said(answer) -> None:
    """An answer can be sent by any bus, and whoever takes it in can read it."""
    check_publishable(answer.subject)
    assert len(answer.subject) <= CONTROL_LINE_BYTES // 2
    clean(None, f"incarnation:{id_part(answer.identity) or '1:0'}")
    if answer.error:
        return
    for encoding in ("json", "msgpack"):
        payload = codec.encode(answer.event, encoding)
        assert len(payload) <= codec.PAYLOAD_BYTES_MAX
        event = codec.decode(payload)
        assert codec.encode(event) == codec.encode(answer.event)
    check_subject(answer.subject, event)


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(st.lists(ANY_EVENT, max_size=25))
def test_no_event_stops_a_core_and_all_it_says_can_be_sent(given_events: list[Event]):
    for core in cores():
        for event in given_events:
            try:
                said = core.step(event)
            except WireError:
                continue
            for answer in said:
                check_said(answer)
        assert 0 <= core.progress_ts < 2**63


WORDS = (b'{"type":', b'"bar"', b'"signal_id":"x"', b"\xff\xfe", b"[" * 2000, b"1e999", b"NaN")
BYTES = st.one_of(
    st.binary(max_size=64),
    st.lists(st.sampled_from(WORDS), max_size=6).map(b"".join),
    ANY_EVENT.map(codec.encode),
    ANY_EVENT.map(lambda event: codec.encode(event, "msgpack")),
    st.tuples(ANY_EVENT.map(codec.encode), st.integers(0, 200)).map(lambda p: p[0][: p[1]]),
)
SUBJECTS = st.sampled_from(
    (
        "bars.1d.AAA bars.1d._frame bars.x bars._x._y bars.reset.AAA signals.raw.alpha.AAA "
        "signals.raw.alpha.BRK.B signals.raw.alpha._frame signals.raw.alpha signals.raw.%.%80 "
        "signals.expire.alpha.AAA trades.closed.alpha.AAA models.deployed.alpha policy.alpha "
        "progress.strategies.0 progress.strategies.x signals.scored.alpha.AAA "
        "signals.rejected.alpha.AAA progress.scorer.7 outcomes.alpha.AAA outcomes.x "
        f"signals.raw.{'%80' * 300}.{'%80' * 300} drift.alpha"
    ).split()
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(SUBJECTS, BYTES), max_size=40))
def test_no_bytes_stop_a_shell_and_the_next_signal_is_answered_once(published):
    asyncio.run(survive(published))


async def survive(published: list[tuple[str, bytes]]) -> None:
    bus = MemoryBus()
    for subject, payload in published:
        await bus.publish(subject, payload)
    found = await answers_to_a_sentinel(bus)
    assert [subject for subject, _ in found] in (
        ["signals.scored.alpha.SENTINEL"],
        ["signals.rejected.alpha.SENTINEL"],  # somebody has given the order to block
    )


async def answers_to_a_sentinel(bus: MemoryBus) -> list[tuple[str, Scored]]:
    shells = roles_over([bus.handle() for _ in range(3)], (), STRATEGIES)
    shells.append(drift_shell(bus.handle(), drift_monitor()))
    (bar,) = random_bars("SENTINEL", 1)
    signal = signal_on(bar, "the sentinel", features={"z": 1e300})
    async with playing(shells):
        await bus.publish("bars.1d.SENTINEL", codec.encode(bar))
        await bus.publish("signals.raw.alpha.SENTINEL", codec.encode(signal))
        last = await bus.last_seq(topology.INPUT)
        async with asyncio.timeout(30):
            while shells[1].seq < last:
                await asyncio.sleep(0.01)
    return [
        (message.subject, event)
        for message in await messages(bus, topology.SCORED)
        if isinstance(event := codec.decode(message.payload), Scored)
        and event.signal_id == "the sentinel"
    ]


async def messages(bus, stream: str) -> list:
    subscription, found = await bus.read(stream), []
    while len(found) < await bus.last_seq(stream):
        found += await subscription.next_batch(1)
    await subscription.close()
    return [message for message in found if is_readable(message)]


def is_readable(message) -> bool:
    if message.subject.startswith("dlq."):
        return True
    try:
        codec.decode(message.payload)
    except WireError:
        return False
    return True


async def letters_of(payload: bytes, subject: str) -> tuple[list, list[Scored]]:
    """The dead letters and rejections that a scorer makes of one message."""
    bus = MemoryBus()
    await bus.publish(subject, payload)
    (scorer,) = roles_over([bus.handle() for _ in range(3)], (), STRATEGIES)[1:2]
    async with playing([scorer]):
        async with asyncio.timeout(20):
            while scorer.seq < 1:
                await asyncio.sleep(0.01)
    said = [codec.decode(m.payload) for m in await messages(bus, topology.SCORED)]
    return await messages(bus, topology.DLQ), [one for one in said if isinstance(one, Scored)]


BAR = random_bars(count=1)[0]
HUGE_VERDICT = {"x": "\x00" * 600_000}
NOT_JSON_VERDICT = {"x": msgspec.msgpack.Ext(5, b"1"), "y": {None: 1}}


def deployed(verdict: object) -> dict[str, object]:
    event = Deployment("alpha", None, "../../etc/passwd", "f" * 63, 1, None, {})
    return msgspec.to_builtins(event) | {"verdict": verdict}


def changed(event: Event, **changes: object) -> bytes:
    return json.dumps(msgspec.to_builtins(event) | changes).encode()


@pytest.mark.parametrize(
    ("subject", "payload", "reason", "rejected"),
    [
        ("bars.1d.AAA", changed(BAR, ts=10**30), "schema", []),
        ("bars.1d.AAA", changed(BAR, ts=2**62), "future", []),
        ("bars.1d.AAA", changed(BAR, close=float("nan")), "unparseable", []),
        ("bars.1d.AAA", b"", "empty", []),
        ("bars.1d.AAA", b"[" * (MESSAGE_BYTES_MAX - 10), "too_large", []),
        ("bars.1d.A%01B", codec.encode(BAR), "subject", []),
        ("bars.1d._frame", codec.encode(pack_bars([BAR] * 3), "msgpack")[:-1], "unparseable", []),
        ("models.deployed.alpha", msgspec.msgpack.encode(deployed(HUGE_VERDICT)), "model_", []),
        ("models.deployed.alpha", msgspec.msgpack.encode(deployed(NOT_JSON_VERDICT)), "model_", []),
        ("policy.alpha", changed(Policy("alpha", "?", "", "")), "action", []),
        ("signals.raw.alpha.AAA", changed(signal_on(BAR), ts=10**30), "schema", ["s1"]),
        ("signals.raw.alpha.AAA", changed(signal_on(BAR), ts=2**62), "future", ["s1"]),
        ("signals.raw.alpha.AAA", changed(signal_on(BAR), side=0), "side", ["s1"]),
        ("signals.raw.alpha.AAA", changed(signal_on(BAR), interval=["1d"]), "schema", ["s1"]),
        ("signals.raw.alpha.BRK.B", changed(signal_on(BAR), symbol="BRK.B"), "subject", ["s1"]),
        ("signals.raw.alpha", changed(signal_on(BAR)), "subject", ["s1"]),
        (
            "signals.raw.alpha.AAA",
            changed(signal_on(BAR), features={str(n): 1.0 for n in range(10_000)}),
            "schema",
            ["s1"],
        ),
        (
            "signals.raw.alpha._frame",
            codec.encode(
                msgspec.structs.replace(
                    pack_signals([signal_on(BAR, "a"), signal_on(BAR, "b")]), side=b"\x01"
                ),
                "msgpack",
            ),
            "columns",
            ["a", "b"],
        ),
    ],
)
async def test_what_cannot_be_honoured_is_one_letter_of_its_own_bytes(
    subject, payload, reason, rejected
):
    (letter,), said = await letters_of(payload, subject)
    assert letter.subject == f"dlq.{subject}"
    assert letter.payload == payload[: codec.PAYLOAD_BYTES_MAX]
    assert letter.headers[HEADER_ERROR].startswith(reason)
    assert letter.headers[HEADER_ORIGIN_STREAM] == topology.INPUT
    assert letter.headers[HEADER_ORIGIN_SEQ] == "1"
    assert letter.headers[HEADER_ID].endswith(":1:letter")
    assert [one.signal_id for one in said] == rejected
    assert {one.accepted for one in said} <= {False}


@pytest.mark.parametrize("signal_id", ["waits for nobody", "\x00\n\U0001f4a5", "x" * 256])
async def test_any_signal_id_can_expire_and_can_be_labelled(signal_id):
    bus = MemoryBus()
    strategies, scorer, labeller = roles_over([bus.handle() for _ in range(3)], (), STRATEGIES)
    scorer._expire_after_ns = 0
    bars = random_bars("ES 12-26", 4)
    waits = signal_on(random_bars("NOBODY", 1)[0], signal_id)
    await bus.publish("signals.raw.alpha.NOBODY", codec.encode(waits))
    async with playing([strategies, scorer, labeller]), asyncio.timeout(20):
        while await bus.last_seq(topology.SCORED) < 1:
            await asyncio.sleep(0.01)
        for bar in bars:
            await bus.publish("bars.1d.ES%2012-26", codec.encode(bar))
        made = signal_on(bars[0], f"{signal_id[:-1]}!", stop=bars[0].close * 0.999)
        await bus.publish("signals.raw.alpha.ES%2012-26", codec.encode(made))
        while not await outcomes_of(bus):
            await asyncio.sleep(0.01)
    said = [codec.decode(m.payload) for m in await messages(bus, topology.SCORED)]
    first = next(one for one in said if isinstance(one, Scored))
    assert (first.signal_id, first.reasons) == (signal_id, ("no_bar",))
    assert [one.signal_id for one in await outcomes_of(bus)] == [made.signal_id]


async def outcomes_of(bus) -> list[Outcome]:
    found = [codec.decode(m.payload) for m in await messages(bus, topology.OUTCOMES)]
    return [event for event in found if isinstance(event, Outcome)]
