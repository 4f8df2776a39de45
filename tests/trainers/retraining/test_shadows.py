"""The record of a scope follows from its decisions, and noting one twice changes nothing."""

import asyncio

import msgspec
import pytest

from models.registry import scope_key
from streams.errors import ModelRefused
from streams.events import Deployment, Retrain
from streams.memory_bus import MemoryBus
from streams.topology import BUCKET_MODELS
from trainers.retraining.ledger import OVERTAKEN, Decision
from trainers.retraining.shadows import ANSWERS_MAX, LOOKS_MAX, SHADOWS_MAX, ScopeRecord, Shadows


def decision(
    number: int,
    *,
    reason: str = "refresh:slope",
    action: str = "retrain",
    champion: str = "c",
    promoted: bool = False,
    share: float = 1.0,
    word: str = "not_better_than_champion",
    looks: dict[str, int] | None = None,
    expected: int = 0,
    parent: str = "",
    since_ts: int = 0,
) -> Decision:
    request = Retrain(f"r-{number}", "alpha", None, reason, since_ts, "drift", number, action)
    event = Deployment(
        "alpha", None, f"v{number}", f"d{number}", number, None, {"reason": word}, share=share
    )
    looked = {f"d{number}": 300} if looks is None else looks
    return Decision(
        f"r-{number}",
        event,
        promoted,
        request=request,
        cutoff_ts=number,
        champion=champion,
        trials=1,
        looks=looked,
        expected=expected,
        parent=parent,
    )


def after(*decisions: Decision) -> ScopeRecord:
    record = ScopeRecord()
    for one in decisions:
        record = record.noting(one)
        assert record.noting(one) == record
    return record


def test_challengers_that_were_not_promoted_stand_in_the_shadow_newest_first():
    record = after(*map(decision, range(SHADOWS_MAX + 3)))
    assert [shadow.digest for shadow in record.shadows] == [
        f"d{number}" for number in reversed(range(3, SHADOWS_MAX + 3))
    ]
    assert record.tried_beside("c") == SHADOWS_MAX + 3
    assert record.tried_beside("another") == 0


def test_the_record_is_bounded():
    record = after(*map(decision, range(ANSWERS_MAX + 5)))
    assert len(record.answers) == ANSWERS_MAX
    assert len(record.looks) == LOOKS_MAX
    assert record.newest_ts("retrain") == ANSWERS_MAX + 4
    assert record.newest_ts("review") is None


def test_a_confirmed_drift_begins_a_new_count():
    record = after(decision(1), decision(2), decision(3, reason="drift:slope"), decision(4))
    assert record.tried == 2


def test_another_champion_begins_a_new_count_and_is_in_its_own_shadow_no_more():
    record = after(decision(1), decision(2), decision(3, promoted=True))
    assert (record.champion, record.tried, record.looks) == ("d3", 0, ())
    back = record.noting(decision(1, champion="d3", promoted=True, action="review"))
    assert back == record, "r-1 was noted before"
    back = record.noting(
        Decision("op", Deployment("alpha", None, "v1", "d1", 9, None, {}), True, champion="d3")
    )
    assert [shadow.digest for shadow in back.shadows] == ["d2"]


def test_a_canary_leaves_the_shadow_and_is_looked_at_anew():
    record = after(decision(1), decision(2, promoted=True, share=0.1))
    assert record.champion == "c"
    assert [shadow.digest for shadow in record.shadows] == ["d1"]
    assert record.look_at("d2", "c").count == 0
    assert record.look_at("d1", "c").outcomes == 300


def test_looks_are_counted_beside_one_champion():
    record = after(decision(1), decision(2, action="review", looks={"d1": 450}))
    assert record.look_at("d1", "c") == (look := record.looks[0])
    assert (look.outcomes, look.count) == (450, 2)
    assert record.look_at("d1", "another").count == 0


def test_what_was_overtaken_says_nothing_of_the_champion_that_came():
    record = after(decision(1), decision(2, promoted=True))
    late = record.noting(decision(3, champion="c", word=OVERTAKEN))
    assert late.champion == "d2"
    assert late.shadows[0].digest == "d3"


async def test_of_many_writers_none_is_lost():
    bus = MemoryBus()
    await asyncio.gather(*(Shadows(bus).note(decision(number)) for number in range(6)))
    await Shadows(bus).note(decision(0))
    record = await Shadows(bus).of("alpha", None)
    assert {answer.ts for answer in record.answers} == set(range(6))
    assert record.tried == 6
    assert await Shadows(bus).of("alpha", "A") == ScopeRecord()


async def test_the_symbols_with_records_of_their_own_are_known_by_their_names():
    bus = MemoryBus()
    for strategy, symbol in (("alpha", None), ("alpha", "BRK.B"), ("alpha", "A"), ("alpha2", "C")):
        await bus.key_put(BUCKET_MODELS, scope_key(strategy, symbol, "shadow"), b"{}")
    assert await Shadows(bus).symbols("alpha") == ["A", "BRK.B"]


async def test_a_record_that_cannot_be_read_is_told():
    bus = MemoryBus()
    await bus.key_put(BUCKET_MODELS, scope_key("alpha", None, "shadow"), b"rubbish")
    with pytest.raises(ModelRefused, match=r"models/shadow\.alpha is not a shadow record"):
        await Shadows(bus).of("alpha", None)


def test_a_champion_that_drift_took_out_is_remembered_until_it_comes_back():
    alarm = decision(1, reason="drift:slope", champion="a")
    record = after(alarm)
    assert record.failed_since("a") == 0
    assert record.failed_since("b") is None
    replaced = promoted_over(2, "a", previous="va")
    record = record.noting(replaced)
    assert [one.digest for one in record.retired] == ["a"]
    assert record.failed_since("d2") is None
    # What replaced it without a drift is not.
    record = record.noting(promoted_over(3, "d2", previous="v2"))
    assert [one.digest for one in record.retired] == ["a"]
    back = msgspec.structs.replace(
        promoted_over(4, "d3", previous="v3"),
        deployment=Deployment("alpha", None, "va", "a", 4, "v3", {"reason": "came_back"}),
    )
    assert record.noting(back).retired == ()


def test_a_drift_makes_every_look_from_before_it_worthless():
    record = after(decision(1, looks={"x": 300}))
    assert record.look_at("x", "c").count == 1
    record = record.noting(decision(2, reason="drift:slope", looks={}))
    assert record.look_at("x", "c").count == 0


def test_a_champion_that_came_back_fails_from_its_return_on_at_the_earliest():
    back = decision(20, action="review", reason="review", word="skill_returned", looks={})
    record = after(decision(5, reason="drift:slope"), back)
    assert record.failed_since("c") is None
    # The monitor's window holds nothing of before the first change: it dates the next one alike.
    again = decision(30, reason="drift:slope", since_ts=3)
    assert record.noting(again).failed_since("c") == 20
    later = decision(30, reason="drift:slope", since_ts=25)
    assert record.noting(later).failed_since("c") == 25


def test_a_refused_alarm_says_nothing_of_the_champion():
    refused = msgspec.structs.replace(decision(1, reason="drift:slope"), is_refusal=True)
    assert after(refused).failed_since("c") is None


def promoted_over(number: int, champion: str, *, previous: str) -> Decision:
    found = decision(number, champion=champion, promoted=True, word="better")
    event = msgspec.structs.replace(found.deployment, previous=previous)
    return msgspec.structs.replace(found, deployment=event)


def test_an_alarm_that_was_overtaken_is_not_about_the_champion_that_came():
    record = after(decision(1, champion="new", expected=7))
    late = decision(2, champion="old", reason="drift:slope", word=OVERTAKEN, expected=6)
    record = record.noting(late)
    assert record.failed_since("new") is None
    assert (record.tried, record.look_at("d1", "new").count) == (1, 1)
    assert record.newest_ts("retrain") == 2


def test_what_is_noted_late_leaves_the_champion_that_came_after_it():
    """Two trainers: one died behind its promotion, the other went on, and then it is finished."""
    died = decision(1, champion="c", promoted=True, expected=5)
    alarm = decision(3, champion="d2", reason="drift:slope", expected=8, looks={"x": 300})
    record = after(decision(2, champion="d1", promoted=True, expected=6), alarm)
    late = record.noting(died)
    assert (late.champion, late.tried, late.alarmed) == ("d2", 1, "d2")
    assert late.look_at("x", "d2").count == 1
    assert late.newest_ts("retrain") == 3
    # A person's decision has no request, and may be noted twice at any distance.
    person = Decision("op", Deployment("alpha", None, "v4", "d4", 9, "v2", {}), True, 9)
    person = msgspec.structs.replace(person, champion="d2")
    record = record.noting(person).noting(decision(5, champion="d4", expected=10))
    assert (record.champion, record.tried) == ("d4", 1)
    assert record.noting(person) == record


def test_a_recalibrated_champion_is_the_same_one():
    heir = decision(4, action="recalibrate", promoted=True, parent="c", word="better")
    record = after(decision(1), decision(2, reason="drift:slope"), decision(3), heir)
    assert (record.champion, record.tried, record.alarmed) == ("d4", 2, "d4")
    assert record.look_at("d3", "d4").count == 1
    assert record.retired == ()
    # As a canary it is not in force yet, and one of another parent is another model.
    canary = decision(5, action="recalibrate", promoted=True, parent="d4", share=0.2)
    assert record.noting(canary).champion == "d4"
    other = decision(6, promoted=True, champion="d4", parent="z", expected=9)
    assert (record.noting(other).tried, record.noting(other).alarmed) == (0, "")


def test_a_recalibration_that_failed_stands_in_no_shadow_but_has_spent():
    record = after(decision(1), decision(2, action="recalibrate"))
    assert [shadow.digest for shadow in record.shadows] == ["d1"]
    assert record.tried == 2
