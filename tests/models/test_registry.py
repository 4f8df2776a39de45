"""Artefacts by digest, pointers by compare-and-set, the narrower scope first."""

import re

import pytest

from models.registry import HISTORY_MAX, Placing, Registry, scope_key
from streams.errors import ConflictError, ModelError, ModelRefused
from streams.memory_bus import MemoryBus
from streams.topology import BUCKET_MODELS, STORE_MODELS
from tests.models.tiny_model import tiny_artifact

ARTIFACT = tiny_artifact(("ibs",), (1.0,), 0.0)


@pytest.fixture
def bus():
    return MemoryBus()


@pytest.fixture
def registry(bus):
    return Registry(bus)


async def test_an_artefact_is_found_under_the_digest_of_its_card(registry):
    digest = await registry.put(ARTIFACT)
    assert digest == ARTIFACT.digest
    assert await registry.put(ARTIFACT) == digest
    assert await registry.get(digest) == ARTIFACT
    assert await registry.get("0" * 64) is None


async def test_an_object_that_holds_another_model_is_refused(bus, registry):
    await bus.object_put(STORE_MODELS, "0" * 64, ARTIFACT.to_bundle())
    with pytest.raises(ModelRefused, match=f"holds the model {ARTIFACT.digest[:12]}"):
        await registry.get("0" * 64)


@pytest.mark.parametrize("digest", ["", "../etc", "0" * 63, "A" * 64, "0" * 65])
async def test_what_is_no_digest_is_not_looked_up(registry, digest):
    with pytest.raises(ModelRefused, match="64 hex digits"):
        await registry.get(digest)


async def test_a_pointer_remembers_what_was_before(registry):
    assert await registry.pointer("alpha") is None
    first = await registry.point("alpha", None, "v1", "1" * 64, effective_ts=5, expected=0)
    second = await registry.point(
        "alpha", None, "v2", "2" * 64, effective_ts=9, expected=first.revision, request_id="r"
    )
    assert await registry.pointer("alpha") == second
    assert second.current.version == "v2"
    assert [placing.version for placing in second.history] == ["v1"]


async def test_a_writer_that_comes_too_late_changes_nothing(registry):
    first = await registry.point("alpha", None, "v1", "1" * 64, effective_ts=5, expected=0)
    for expected in (0, first.revision + 1):
        with pytest.raises(ConflictError):
            await registry.point("alpha", None, "x", "3" * 64, effective_ts=6, expected=expected)
    assert await registry.pointer("alpha") == first


async def test_the_history_is_bounded(registry):
    revision = 0
    for number in range(HISTORY_MAX + 5):
        pointer = await registry.point(
            "alpha", None, f"v{number}", "1" * 64, effective_ts=number, expected=revision
        )
        revision = pointer.revision
    assert len(pointer.history) == HISTORY_MAX
    assert pointer.history[0].version == f"v{HISTORY_MAX + 3}"


async def test_the_symbol_s_own_pointer_wins_over_the_strategy_s(registry):
    await registry.point("alpha", None, "wide", "1" * 64, effective_ts=5, expected=0)
    await registry.point("alpha", "BRK.B", "narrow", "2" * 64, effective_ts=5, expected=0)
    assert (await registry.in_force("alpha", "BRK.B")).current.version == "narrow"
    assert (await registry.in_force("alpha", "AAPL")).current.version == "wide"
    assert await registry.in_force("beta", "AAPL") is None
    assert [(p.strategy, p.symbol) for p in await registry.pointers()] == [
        ("alpha", None),
        ("alpha", "BRK.B"),
    ]


async def test_a_pinned_model_stays_until_a_person_lets_go(registry):
    pinned = await registry.point(
        "alpha", None, "v1", "1" * 64, effective_ts=5, expected=0, pinned=True
    )
    with pytest.raises(ModelError, match=r"v1 is pinned for pointer\.alpha; unpin it"):
        await registry.point(
            "alpha", None, "v2", "2" * 64, effective_ts=6, expected=pinned.revision
        )
    freed = await registry.point(
        "alpha", None, "v1", "1" * 64, effective_ts=5, expected=pinned.revision, pinned=False
    )
    assert freed.history == ()
    moved = await registry.point(
        "alpha", None, "v2", "2" * 64, effective_ts=6, expected=freed.revision
    )
    assert moved.current.version == "v2"


async def test_a_key_that_is_no_pointer_is_told(bus, registry):
    await bus.key_put(BUCKET_MODELS, scope_key("alpha"), b"rubbish")
    with pytest.raises(ModelRefused, match=r"models/pointer\.alpha is not a pointer"):
        await registry.pointer("alpha")


@pytest.mark.parametrize("name", ["BRK.B", "_x", "a/b", "€", "a b", "*", ">", "%", "="])
async def test_any_name_makes_a_key_and_no_two_make_the_same(registry, name):
    assert re.fullmatch(r"pointer\.a\.[A-Za-z0-9_%-]+", scope_key("a", name))
    assert scope_key("a", name) != scope_key(f"a.{name}")
    pointer = await registry.point(name, name, "v", "1" * 64, effective_ts=1, expected=0)
    assert await registry.pointer(name, name) == pointer


async def moved(registry, version: str, held=None, **options):
    return await registry.point(
        "alpha",
        None,
        version,
        version * 64,
        effective_ts=1,
        expected=held.revision if held else 0,
        request_id=f"r-{version}",
        **options,
    )


async def test_a_canary_stands_beside_the_model_in_force_and_is_no_chapter_of_the_history(registry):
    first = await moved(registry, "1")
    second = await moved(registry, "2", first, share=0.2)
    assert (second.current, second.history) == (first.current, ())
    assert second.canary is not None
    assert (second.canary.version, second.share, second.written_by) == ("2", 0.2, "r-2")
    assert second.holds("r-2")
    assert second.has_had("2")
    third = await moved(registry, "2", second, share=0.0)
    assert (third.canary, third.share, third.current) == (None, 0.0, first.current)
    assert await registry.pointer("alpha") == third


async def test_a_model_that_comes_into_force_ends_the_canary(registry):
    first = await moved(registry, "1")
    second = await moved(registry, "2", first, share=0.2)
    third = await moved(registry, "2", second)
    assert (third.current.version, third.canary, third.share) == ("2", None, 0.0)
    assert [placing.version for placing in third.history] == ["1"]


async def test_to_pin_leaves_the_canary_where_it_is(registry):
    first = await moved(registry, "1")
    second = await moved(registry, "2", first, share=0.2)
    pinned = await moved(registry, "1", second, pinned=True)
    assert (pinned.pinned, pinned.canary, pinned.share) == (True, second.canary, 0.2)


async def test_the_previous_model_is_the_newest_that_is_another(registry):
    held = await moved(registry, "1")
    assert held.previous is None
    for version, before in (("2", "1"), ("1", "2"), ("3", "1")):
        held = await moved(registry, version, held)
        assert held.previous is not None
        assert held.previous.version == before


async def test_what_was_in_force_without_a_pointer_is_remembered_by_the_first(registry):
    before = Placing("file", "9" * 64, 0)
    assert (await moved(registry, "1", before=before)).previous == before
    assert (await registry.pointer("alpha")).history == (before,)
