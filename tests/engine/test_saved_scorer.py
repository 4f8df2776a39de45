"""A scorer goes on from what another saved, as if nothing had been."""

import msgspec
import pytest

from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams.codec import decode
from streams.events import Deployment, Policy
from streams.session import session
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact

FEATURES = load_feature_set()
ALPHA = StrategySettings(name="alpha", kind="external")
DEPLOYED = Deployment("alpha", None, "v1", "d" * 64, 0, None, {})


def make_scorer() -> Scorer:
    return Scorer((ALPHA,), FEATURES, session("us_equity"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    key = load_or_create_signing_key(tmp_path_factory.mktemp("keys"))
    artifact = tiny_artifact(
        ("ibs", "signal_score"), (2.0, 1.0), -1.0, strategy="alpha", signer=key
    )
    names = vector_names(FEATURES.names, ())
    return load_model(artifact, names, trusted_keys=(key.public_hex,))


@pytest.mark.parametrize("cut", [0, 1, 40, 150, 299])
def test_a_scorer_goes_on_from_what_another_saved(model, cut: int):
    lanes = [random_bars(symbol, 150, seed=n) for n, symbol in enumerate(("AAA", "BBB"))]
    events = [event for day in zip(*lanes, strict=True) for event in day]
    signals = {n: signal_on(bar, f"s{n}") for n, bar in enumerate(events) if n % 3 == 0}
    ahead = {n: signal_on(events[n + 2], f"w{n}") for n in range(0, len(events) - 2, 7)}
    undisturbed, first, second = (make_scorer() for _ in range(3))
    said, expected = [], []
    core = first
    for n, bar in enumerate(events):
        for event in (bar, signals.get(n), ahead.get(n), Policy("alpha", "observe", "ops", "try")):
            if event is None or (isinstance(event, Policy) and n != 20):
                continue
            said += core.step(event)
            expected += undisturbed.step(event)
        if n == 10:
            core.deploy(DEPLOYED, model)
            undisturbed.deploy(DEPLOYED, model)
        if n == cut:
            saved = core.save()
            facts = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
            second.load(saved._replace(facts=facts), {"d" * 64: model})
            assert [d.version for d in core.deployed_in(core.save())] == ["v1"] * (n >= 10)
            core = second
    # Ids are remembered over the change: a repeat stays a repeat, another payload a conflict.
    assert core.step(signals[297]) == []
    assert core.step(msgspec.structs.replace(signals[297], score=0.1))[0].error
    assert said == expected
    assert core.progress_ts == undisturbed.progress_ts
    assert len([a for a in said if a.event.probability is not None]) > 50


@pytest.mark.parametrize("number", ["1" + "0" * 30, "-1" + "0" * 30])
def test_no_verdict_keeps_a_scorer_from_being_saved(number: str):
    payload = msgspec.json.encode(msgspec.structs.replace(DEPLOYED, digest=""))
    deployment = decode(payload.replace(b'"verdict":{}', b'"verdict":{"x":%b}' % number.encode()))
    assert deployment.verdict == {"x": int(number)}
    scorer, second = make_scorer(), make_scorer()
    assert scorer.deploy(deployment, None) == []
    saved = scorer.save()
    second.load(
        saved._replace(facts=msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))), {}
    )
    assert second.save().facts == saved.facts
