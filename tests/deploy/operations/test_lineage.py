"""Where a model comes from, what became of it, and who did what to a strategy."""

import pytest

from deploy.operations.lineage import lineage_of
from deploy.operations.lineage_view import lineage_lines
from deploy.operations.operation_log import log_of
from deploy.operations.operations import expire, hold, promote, roll_back
from engine.policies import TRAINER
from streams import codec, subjects
from streams.events import Policy
from tests.deploy.operations.registry_stage import (
    ANN,
    BOB,
    FIRST,
    OTHERS,
    SECOND,
    SHADOWED,
    STRATEGY,
    asked_for,
    decide,
    model,
    publish_drift,
    staged,
)
from tests.engine.market import DAY_NS, START_NS


@pytest.fixture
async def bus(memory_bus):
    return await staged(memory_bus)


async def test_a_lineage_tells_data_request_drift_verdicts_and_successor(bus):
    asked = asked_for(
        "r-7", 20, "drift:slope", requested_by="drift", since_ts=7, model=SECOND.version
    )
    await publish_drift(bus, asked.ts - DAY_NS, model=SECOND.version, outcomes_seen=1)
    alarm = await publish_drift(bus, asked.ts, model=SECOND.version)
    await publish_drift(bus, asked.ts, model=SECOND.version, level="warning", outcomes_seen=2)
    await publish_drift(bus, asked.ts, model=SECOND.version, detector="adwin", outcomes_seen=3)
    await publish_drift(bus, asked.ts + 1, model=SECOND.version, outcomes_seen=4)
    await decide(bus, OTHERS, asked)
    await roll_back(bus, STRATEGY, None, ANN)
    found = await lineage_of(bus, OTHERS.version)
    card = OTHERS.card
    assert found.data is not None
    assert (found.data.samples, found.data.data_digest) == (card.samples, card.data_digest)
    assert (found.data.training_to_ts, found.data.code_version) == (
        card.training_to_ts,
        card.code_version,
    )
    assert found.request == asked
    assert found.drift == alarm
    (verdict,) = found.verdicts
    assert (verdict.did, verdict.previous) == ("promoted", SECOND.version)
    assert verdict.figures["p"] == 0.03
    assert found.successor == SECOND.version
    words = "\n".join(lineage_lines(found))
    for part in ("500 samples", "r-7", "slope (ranking) 1.2e+04", "budget 1e+04", SECOND.version):
        assert part in words


async def test_a_lineage_of_a_refresh_finds_the_alarm_of_its_changepoint(bus):
    old = await publish_drift(bus, START_NS, changepoint_ts=11, model=FIRST.version)
    await publish_drift(bus, START_NS + DAY_NS, changepoint_ts=12, model=SECOND.version)
    asked = asked_for("r-8", 20, "refresh:slope", since_ts=11, model=SECOND.version)
    await decide(bus, OTHERS, asked)
    assert (await lineage_of(bus, OTHERS.version)).drift == old


async def test_a_lineage_of_what_nobody_alarmed_for_has_no_drift(bus):
    await publish_drift(bus, START_NS)
    found = await lineage_of(bus, FIRST.version)
    assert found.drift is None
    assert found.request is not None
    assert found.request.reason == "initial"
    assert found.successor == SECOND.version
    kept = await lineage_of(bus, SHADOWED.version)
    assert [one.did for one in kept.verdicts] == ["kept"]
    assert kept.successor == ""


async def test_what_was_done_at_one_instant_is_told_in_its_order_and_of_its_scope(bus):
    for share in (0.25, 0.99999, 0.0):
        await promote(bus, FIRST.version, ANN, share=share)
    await promote(bus, FIRST.version, BOB, symbol="AAA")
    await expire(bus, STRATEGY, None, ANN)
    await roll_back(bus, STRATEGY, None, ANN)
    await promote(bus, FIRST.version, BOB)
    found = await lineage_of(bus, FIRST.version)
    assert [(one.did, one.symbol) for one in found.verdicts] == [
        ("promoted", None),
        ("canary of 0.25", None),
        ("canary of 0.99999", None),
        ("canary ended", None),
        ("promoted", "AAA"),
        ("promoted", None),
    ]
    words = list(lineage_lines(found))
    assert "promoted for AAA from" in words[-3]
    told = [one.detail for one in await log_of(bus, STRATEGY)][-3:]
    assert told == [f"before: {SECOND.version}", "before: null model", f"before: {SECOND.version}"]


async def test_the_log_tells_people_and_the_trainer_in_the_order_of_things(bus):
    await bus.publish(
        subjects.policy(STRATEGY), codec.encode(Policy(STRATEGY, "observe", TRAINER, "drift"))
    )
    await hold(bus, STRATEGY, None, ANN, pinned=True)
    await hold(bus, STRATEGY, None, ANN, pinned=False)
    await promote(bus, SHADOWED.version, BOB, share=0.1)
    await expire(bus, STRATEGY, None, BOB)
    entries = await log_of(bus, STRATEGY)
    assert [(one.did, one.who) for one in entries] == [
        ("promote", "trainer"),
        ("promote", "trainer"),
        ("kept", "trainer"),
        ("policy observe", "trainer"),
        ("pin", "ann"),
        ("unpin", "ann"),
        ("canary 0.1", "bob"),
        ("expire", "bob"),
    ]
    assert [one.ts for one in entries] == sorted(one.ts for one in entries)
    assert entries[1].why == "drift:slope: better"
    assert await log_of(bus, STRATEGY, 2) == entries[-2:]
    assert await log_of(bus, None) == entries
    assert await log_of(bus, "beta") == []


async def test_a_recalibrated_model_names_its_parent_and_a_review_is_not_what_made_it(bus):
    child = model(5, parent=SECOND.digest)
    asked = asked_for("r-9", 9, "calibration:intercept", action="recalibrate")
    await publish_drift(bus, asked.ts, channel="calibration", detector="intercept")
    await decide(bus, child, asked, promoted=False)
    await decide(bus, child, asked_for("r-10", 1, "review", action="review"))
    found = await lineage_of(bus, child.version)
    assert found.parent == SECOND.version
    assert found.request == asked
    assert found.drift is not None
    assert found.drift.channel == "calibration"
    assert [one.did for one in found.verdicts] == ["promoted", "kept"]
    orphan = model(6, parent="e" * 64)
    await decide(bus, orphan, asked_for("r-11", 11), promoted=False)
    assert (await lineage_of(bus, orphan.version)).parent == "e" * 64
