"""What is told to be in force speaks: scorers' refusals are told, and foreseen by commands."""

import asyncio
from pathlib import Path

import pytest

from deploy.commands.model_changes import _terms
from deploy.config import load_run
from deploy.operations.model_shelf import ModelLine, model_lines
from deploy.operations.model_table import refusal_words
from deploy.operations.operations import promote, roll_back
from deploy.operations.scorer_refusals import refusals_of
from deploy.operations.scorer_terms import ScorerTerms, recorded_terms, terms_of, terms_to_record
from deploy.state import StateDir
from deploy.trust import PUBLIC_FILE
from engine.roles.scorer import ScorerRole
from engine.settings import StrategySettings
from models.registry import Registry
from models.signing import SigningKey
from streams import codec, subjects, topology
from streams.clock import SystemClock
from streams.errors import ModelError
from tests.deploy.operations.registry_stage import (
    ANN,
    BARS,
    FIRST,
    SECOND,
    STRATEGY,
    asked_for,
    decide,
    deployed,
    model,
    staged,
    stored,
)
from tests.engine.market import signal_on
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact
from tests.simulation.stage import make_scorer, playing

STRANGER = SigningKey(bytes([7]) * 32)
FOREIGN = model(9, signer=STRANGER)
KEYS = (TEST_SIGNER.public_hex,)
TERMS = ScorerTerms(KEYS, {STRATEGY: ()})
TIMEOUT_S = 30.0


@pytest.fixture
async def bus(memory_bus):
    return await staged(memory_bus)


def scorer(bus, *keys: str) -> ScorerRole:
    settings = StrategySettings(STRATEGY, kind="external")
    return ScorerRole(
        bus.handle(),
        make_scorer((settings,)),
        registry=Registry(bus),
        trusted_keys=keys,
        clock=SystemClock(),
    )


async def until(bus, stream: str, subject: str, count: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while len(await stored(bus, stream, subject)) < count:
            await asyncio.sleep(0.01)


async def line_of(bus) -> ModelLine:
    (line,) = await model_lines(bus)
    return line


async def test_a_model_that_the_scorers_refused_is_told_so_until_it_speaks(bus):
    await decide(bus, FOREIGN, asked_for("r-4", 9))
    assert (await line_of(bus)).refused == ""
    async with playing([scorer(bus, *KEYS)]):
        await until(bus, topology.DLQ, "dlq.>", 1)
    line = await line_of(bus)
    assert (line.version, line.speaking) == (FOREIGN.version, SECOND.version)
    assert line.refused.startswith("the card is not signed by a trusted key")
    assert f"{SECOND.version} speaks: the card is not" in refusal_words(line)
    # Started anew with that signer among those it trusts, the scorer lets the model speak.
    async with playing([scorer(bus, *KEYS, STRANGER.public_hex)]):
        signal = signal_on(BARS[-1], "s-1", STRATEGY)
        await bus.publish(subjects.raw(STRATEGY, signal.symbol), codec.encode(signal))
        await until(bus, topology.SCORED, "signals.>", 1)
    line = await line_of(bus)
    assert (line.version, line.speaking, line.refused) == (FOREIGN.version,) * 2 + ("",)


async def test_a_refused_canary_is_no_canary_and_who_was_refused_before_does_not_speak(bus):
    second, third = (model(weight, signer=STRANGER) for weight in (10, 11))
    await decide(bus, FOREIGN, asked_for("r-4", 9))
    await decide(bus, second, asked_for("r-5", 10))
    await decide(bus, third, asked_for("r-6", 11), promoted=False)
    await promote(bus, third.version, ANN, share=0.5)
    (pointer,) = await Registry(bus).pointers()
    assert pointer.canary is not None
    async with playing([scorer(bus, *KEYS)]):
        await until(bus, topology.DLQ, "dlq.>", 3)
    refusals = await refusals_of(bus, [pointer])
    assert refusals.speaking(pointer) == pointer.history[1]
    assert pointer.history[1].version == SECOND.version
    assert "not signed" in refusals.why(pointer, pointer.canary)
    assert "not signed" in (await line_of(bus)).canary_refused


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (ScorerTerms(KEYS, {STRATEGY: ()}), "not signed by a trusted key"),
        (ScorerTerms(KEYS, {"beta": ()}), "strategy 'alpha' is not configured"),
        (ScorerTerms(KEYS, {STRATEGY: ()}, (STRATEGY,)), "ml.pinned holds the ml.model_path"),
    ],
)
async def test_what_the_scorers_would_refuse_is_not_promoted(bus, terms, why):
    await decide(bus, FOREIGN, asked_for("r-4", 9), promoted=False)
    with pytest.raises(ModelError, match=f"would refuse {FOREIGN.version}, nothing .*{why}"):
        await promote(bus, FOREIGN.version, ANN, terms=terms)
    assert len(await deployed(bus)) == 2
    assert (await line_of(bus)).version == SECOND.version


async def test_a_model_of_features_that_nobody_serves_is_not_promoted_by_what_is_known(bus):
    wants = tiny_artifact(("ibs", "signal_zeal"), (3.0, 1.0), 0.0, strategy=STRATEGY)
    await decide(bus, wants, asked_for("r-4", 9), promoted=False)
    with pytest.raises(ModelError, match="nobody computes the model's feature 'signal_zeal'"):
        await promote(bus, wants.version, ANN, terms=TERMS)
    served = ScorerTerms(KEYS, {STRATEGY: ("zeal",)})
    assert (await promote(bus, wants.version, ANN, terms=served)).version == wants.version


async def test_without_any_terms_all_but_signer_and_features_is_verified(bus):
    await decide(bus, FOREIGN, asked_for("r-4", 9), promoted=False)
    unproved = model(12, golden_outputs=FIRST.card.golden_outputs)
    await decide(bus, unproved, asked_for("r-5", 10), promoted=False)
    with pytest.raises(ModelError, match="golden row 0 gives"):
        await promote(bus, unproved.version, ANN)
    assert (await promote(bus, FOREIGN.version, ANN)).version == FOREIGN.version


async def test_no_rollback_brings_back_what_the_scorers_would_refuse(bus):
    others = ScorerTerms((STRANGER.public_hex,), {STRATEGY: ()})
    with pytest.raises(ModelError, match=f"would refuse {FIRST.version}"):
        await roll_back(bus, STRATEGY, None, ANN, others)
    assert (await roll_back(bus, STRATEGY, None, ANN, TERMS)).version == FIRST.version


def test_a_run_that_is_up_tells_its_terms_and_a_run_file_those_of_others(tmp_path: Path):
    run = tmp_path / "run.yaml"
    run.write_text(
        f"trusted_keys: ['{STRANGER.public_hex}']\n"
        "strategies: [{name: alpha, kind: external, features: [zeal], ml: {pinned: true}}]"
    )
    state = StateDir(tmp_path / "state")
    state.make()
    settings = load_run(run, environment={})
    assert _terms(None, None, state) is None
    state.write_url("nats://127.0.0.1:1", ("alpha",), terms_to_record(settings))
    (state.keys / PUBLIC_FILE).write_text(TEST_SIGNER.public_hex + "\n")
    told = ScorerTerms((*KEYS, STRANGER.public_hex), {"alpha": ("zeal",)}, ("alpha",))
    assert recorded_terms(state) == terms_of(settings, state) == told
    assert _terms(None, None, state) == _terms(run, "nats://elsewhere", state) == told
    assert _terms(None, "nats://elsewhere", state) is None
