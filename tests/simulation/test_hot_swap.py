"""Models change under load; no signal is lost, repeated or scored by the wrong model."""

import asyncio

import numpy as np
import pytest

from engine.roles.scorer import ScorerRole
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.registry import Registry
from models.settings import MlSettings
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.clock import SystemClock
from streams.events import Deployment, Scored
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact
from tests.simulation.stage import make_scorer, playing

SIGNALS = 1_500
SWAP_EVERY = 60
SYMBOLS = ("AAA", "BBB", "CCC")
ALPHA = StrategySettings(
    name="alpha", kind="external", ml=MlSettings(prediction_mode="filter", confidence_threshold=0.5)
)


@pytest.mark.broker
async def test_a_hot_swap_under_load_loses_repeats_and_mis_scores_no_signal(tmp_path):
    key = load_or_create_signing_key(tmp_path / "keys")
    versions = [
        tiny_artifact(("ibs", "signal_score"), (w, 1.0), -w / 2, strategy="alpha", signer=key)
        for w in (-3.0, -1.0, 0.5, 2.0)
    ]
    with EmbeddedBroker.start(tmp_path) as broker:
        engine_bus = await NatsBus.connect(broker.url, name="engine")
        scorer_bus = await NatsBus.connect(broker.url, name="scorer")
        await provision(engine_bus.jetstream)
        role = ScorerRole(
            scorer_bus,
            make_scorer((ALPHA,)),
            registry=Registry(scorer_bus),
            trusted_keys=(key.public_hex,),
            clock=SystemClock(),
        )
        async with playing([role]):
            expected = await trade_and_swap(engine_bus, versions)
            answers = await all_answers(engine_bus, SIGNALS)
        await scorer_bus.close()
        await engine_bus.close()
    check(answers, expected, versions, key.public_hex)


async def trade_and_swap(bus, versions) -> dict[str, str | None]:
    """Publish signals with a deployment every SWAP_EVERY; return which model must answer."""
    registry = Registry(bus)
    for artifact in versions:
        await registry.put(artifact)
    histories = {symbol: random_bars(symbol, 60, seed=n) for n, symbol in enumerate(SYMBOLS)}
    for bars in histories.values():
        for bar in bars:
            await bus.send(subjects.bar("1d", bar.symbol), codec.encode(bar))
    rng = np.random.default_rng(7)
    in_force, expected = None, {}
    for number in range(SIGNALS):
        if number % SWAP_EVERY == SWAP_EVERY // 2:
            artifact = versions[number // SWAP_EVERY % len(versions)]
            in_force = artifact.version
            event = Deployment("alpha", None, in_force, artifact.digest, 1, None, {})
            await bus.send(subjects.deployed("alpha"), codec.encode(event))
        bar = histories[SYMBOLS[number % 3]][int(rng.integers(20, 60))]
        signal = signal_on(bar, f"s{number}", score=float(rng.uniform()))
        expected[signal.signal_id] = in_force
        await bus.send(subjects.raw("alpha", bar.symbol), codec.encode(signal))
        if number % 50 == 0:
            await asyncio.sleep(0)
    await bus.flush()
    return expected


async def all_answers(bus, count) -> list[Scored]:
    found: list[Scored] = []
    subscription = await bus.read(topology.SCORED, 1, (subjects.SCORED, subjects.REJECTED))
    async with asyncio.timeout(60):
        while len(found) < count:
            found += [codec.decode(m.payload) for m in await subscription.next_batch(1)]
        found += [codec.decode(m.payload) for m in await subscription.next_batch(0.5)]
    await subscription.close()
    return found


def check(answers, expected, versions, public_hex) -> None:
    assert sorted(a.signal_id for a in answers) == sorted(expected)
    names = vector_names(load_feature_set().names, ())
    models = {
        artifact.version: load_model(artifact, names, trusted_keys=(public_hex,))
        for artifact in versions
    }
    for answer in answers:
        assert answer.model == expected[answer.signal_id]
        if answer.model is None:
            assert answer.reasons == ("no_model",)
            continue
        vector = np.frombuffer(answer.inputs, "<f4")
        assert answer.probability == models[answer.model].predict(vector)
        assert answer.accepted == (answer.probability >= 0.5)
    assert len({answer.model for answer in answers}) == len(versions) + 1
    order = [int(a.signal_id[1:]) for a in answers if a.symbol == "AAA"]
    by_subject = [
        [int(a.signal_id[1:]) for a in answers if a.symbol == symbol and a.accepted == accepted]
        for symbol in SYMBOLS
        for accepted in (True, False)
    ]
    assert order == sorted(order)
    assert all(numbers == sorted(numbers) for numbers in by_subject)
