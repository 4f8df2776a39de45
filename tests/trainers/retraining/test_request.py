"""A request that cannot be carried out is a dead letter, and the next one is answered."""

import msgspec
import pytest

from models.registry import Registry, scope_key
from streams import codec, subjects, topology
from streams.errors import ModelRefused, WireError
from streams.events import Retrain
from streams.memory_bus import MemoryBus
from streams.topology import BUCKET_MODELS
from tests.trainers.house import STRATEGY, House
from trainers.retraining.request import (
    REQUEST_TS_MAX,
    check_request,
    is_alarm_about,
    is_persons,
    scope_of,
)

SOUND = Retrain("r-1", STRATEGY, None, "manual", 0, "test", 10)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "two words"}, "request_id"),
        ({"request_id": "a\nb"}, "request_id"),
        ({"request_id": "é"}, "request_id"),
        ({"request_id": "r" * 257}, "request_id"),
        ({"symbol": "S" * 257}, "symbol"),
        ({"ts": -1}, "ts"),
        ({"ts": REQUEST_TS_MAX + 1}, "ts"),
        ({"since_ts": -1}, "since_ts"),
        ({"since_ts": 11}, "since_ts"),
        ({"ts": 0, "since_ts": REQUEST_TS_MAX + 1}, "since_ts"),
        ({"action": "retire"}, "action"),
        ({"reason": "r" * 1_025}, "reason"),
        ({"requested_by": "a" * 1_025}, "requested_by"),
        ({"action": ""}, "action"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(changes: dict[str, object], reason: str):
    with pytest.raises(WireError) as refused:
        check_request(msgspec.structs.replace(SOUND, **changes))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"symbol": "BRK.B"},
        {"ts": 0, "since_ts": 11},
        {"action": "recalibrate"},
        {"action": "review"},
    ],
)
def test_what_can_be_carried_out_is_taken(changes: dict[str, object]):
    check_request(msgspec.structs.replace(SOUND, **changes))


@pytest.mark.parametrize(
    ("by", "reason", "expected"),
    [
        ("ann", "manual", True),
        ("cron", "forced", True),
        ("demo", "initial", True),
        ("cron", "schedule", False),
        ("drift", "manual", False),
        ("drift", "drift:slope", False),
    ],
)
def test_a_person_is_told_from_a_monitor_and_a_clock(by: str, reason: str, expected: bool):
    request = msgspec.structs.replace(SOUND, requested_by=by, reason=reason)
    assert is_persons(request) == expected


def test_an_alarm_is_about_the_model_it_names_or_about_whatever_is_in_force():
    alarm = msgspec.structs.replace(SOUND, reason="drift:slope", model="v1")
    assert is_alarm_about(alarm, "v1")
    assert not is_alarm_about(alarm, "v2")
    assert is_alarm_about(msgspec.structs.replace(alarm, model=""), "v2")
    assert not is_alarm_about(msgspec.structs.replace(alarm, reason="refresh:slope"), "v1")


async def test_a_symbol_s_own_model_found_wanting_makes_the_request_one_of_that_symbol():
    registry = Registry(MemoryBus())
    for symbol, version in ((None, "wide"), ("A", "narrow"), ("B", "wide")):
        await registry.point(STRATEGY, symbol, version, "1" * 64, effective_ts=1, expected=0)
    held = await registry.pointer(STRATEGY, "A")
    assert held is not None
    await registry.point(STRATEGY, "A", "newer", "2" * 64, effective_ts=2, expected=held.revision)

    async def scope(model: str, symbol: str | None = None) -> str | None:
        asked = msgspec.structs.replace(SOUND, model=model, symbol=symbol)
        return await scope_of(registry, asked)

    assert [await scope(m) for m in ("newer", "narrow", "wide", "nobody", "")] == [
        "A",
        "A",
        None,
        None,
        None,
    ]
    assert await scope("newer", "C") == "C"


async def test_a_pointer_nobody_can_read_is_the_trouble_of_its_own_strategy_alone():
    bus = MemoryBus()
    registry = Registry(bus)
    await registry.point(STRATEGY, "A", "narrow", "1" * 64, effective_ts=1, expected=0)
    for strategy in ("other", f"{STRATEGY}x"):
        await bus.key_put(BUCKET_MODELS, scope_key(strategy), b"rubbish")
    asked = msgspec.structs.replace(SOUND, model="narrow", symbol=None)
    assert await scope_of(registry, asked) == "A"
    await bus.key_put(BUCKET_MODELS, scope_key(STRATEGY, "B"), b"rubbish")
    with pytest.raises(ModelRefused, match="is not a pointer"):
        await scope_of(registry, asked)


async def test_a_request_no_message_can_name_does_not_stand_in_the_way(house: House):
    async with house.working(house.worker()):
        for request_id in ("", "two words", "r" * 5_000):
            request = msgspec.structs.replace(SOUND, request_id=request_id)
            await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
        await house.ask("r-1", 10)
        await house.until_idle()
    assert [kept.request_id for kept in await house.kept()] == ["r-1"]
    assert await house.bus.last_seq(topology.DLQ) == 3
