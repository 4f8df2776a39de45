"""A plain NATS client gets exactly one answer per signal, in every mode."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import Registry
from streams import codec, subjects
from streams.events import Deployment
from streams.nats_bus import NatsBus
from tests.deploy.plain_client import START_NS, PlainClient, signal
from tests.deploy.running import Up, assay_up
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

MODES = ("score_enhancement", "enhance", "filter", "replace", "observe")
LAST_DAY = 39


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with assay_up(tmp_path_factory.mktemp("quickstart")) as up:
        yield up


@pytest.fixture(scope="module")
def every_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    blocks = [(mode, f"prediction_mode: {mode}") for mode in MODES]
    blocks += [("off", "enabled: false"), ("block", "fallback: block")]
    engines = [f"{{name: e_{name}, kind: external, ml: {{{ml}}}}}" for name, ml in blocks]
    folder: Path = tmp_path_factory.mktemp("modes")
    overrides = [
        f"strategies=[{', '.join(engines)}]",
        f"trusted_keys=['{TEST_SIGNER.public_hex}']",
    ]
    with assay_up(folder, *(part for text in overrides for part in ("--set", text))) as up:
        yield up


async def deploy_everywhere(url: str) -> None:
    """Bring a model into force that says 0.88 for a score of 0.9 and 0.12 for 0.1."""
    bus = await NatsBus.connect(url, name="test")
    for name in (*MODES, "off", "block"):
        model = tiny_artifact(("signal_score",), (5.0,), -2.5, strategy=f"e_{name}")
        digest = await Registry(bus).put(model)
        event = Deployment(f"e_{name}", None, model.version, digest, START_NS, None, {})
        await bus.publish(subjects.deployed(f"e_{name}"), codec.encode(event))
    await bus.close()


async def test_each_signal_of_the_quickstart_gets_exactly_one_answer(quickstart: Up):
    client = await PlainClient.connect(quickstart.url)
    await client.publish_bars("ACME", range(LAST_DAY + 1))
    names = ("my_engine", "breakout", "rsi2_mean_reversion")
    sent = [
        signal(name, "ACME", day, f"q-{name}-{day}") for name in names for day in range(20, 40, 5)
    ]
    for values in sent:
        await client.publish_signal(values)
    await client.wait_for([values["signal_id"] for values in sent])
    for values in sent:
        [(subject, answer)] = client.answers[values["signal_id"]]
        assert subject == "signals.scored"
        assert {key: answer[key] for key in values if key != "type"} == {
            key: value for key, value in values.items() if key != "type"
        }
        assert answer["type"] == "scored"
        assert answer["accepted"] is True
        assert answer["probability"] is None
        assert answer["final_score"] == values["score"]
        assert answer["reasons"] == ["no_model"]
    await client.close()


async def test_each_mode_gives_exactly_one_answer(every_mode: Up):
    client = await PlainClient.connect(every_mode.url)
    await client.publish_bars("MODE", range(LAST_DAY + 1))
    sent = [
        signal(f"e_{mode}", "MODE", day, f"m-{mode}-{day}")
        for mode in (*MODES, "off", "block")
        for day in (30, LAST_DAY)
    ]
    for values in sent:
        await client.publish_signal(values)
    await client.wait_for([values["signal_id"] for values in sent])
    for values in sent:
        [(subject, answer)] = client.answers[values["signal_id"]]
        is_blocked = values["strategy"] == "e_block"
        expected = "signals.rejected.e_block.MODE" if is_blocked else "signals.scored"
        assert (subject, answer["accepted"]) == (expected, not is_blocked)
    [(_, off)] = client.answers[f"m-off-{LAST_DAY}"]
    assert off["reasons"] == ["disabled"]
    await client.close()


async def test_each_mode_gives_exactly_one_answer_with_a_model_in_force(every_mode: Up):
    client = await PlainClient.connect(every_mode.url)
    await client.publish_bars("MODEL", range(LAST_DAY + 1))
    await deploy_everywhere(every_mode.url)
    sent = [
        signal(f"e_{mode}", "MODEL", LAST_DAY, f"p-{mode}-{score}", score=score)
        for mode in (*MODES, "off", "block")
        for score in (0.9, 0.1)
    ]
    for values in sent:
        await client.publish_signal(values)
    await client.wait_for([values["signal_id"] for values in sent])
    for values in sent:
        mode, score = values["strategy"].removeprefix("e_"), values["score"]
        probability = 1.0 / (1.0 + math.exp(-(5.0 * score - 2.5)))
        [(subject, answer)] = client.answers[values["signal_id"]]
        # `block` is the fallback of a filter: with a model it filters.
        is_rejected = mode in ("filter", "block") and score < 0.5
        assert answer["accepted"] is not is_rejected
        assert subject == (
            f"signals.rejected.{values['strategy']}.MODEL" if is_rejected else "signals.scored"
        )
        if mode == "off":
            assert (answer["probability"], answer["final_score"]) == (None, score)
            continue
        assert answer["probability"] == pytest.approx(probability, abs=1e-6)
        assert answer["model"].startswith(f"e_{mode}-")
        expected = {"replace": probability, "filter": score, "observe": score, "block": score}
        blend = 0.7 * score + 0.3 * probability
        assert answer["final_score"] == pytest.approx(expected.get(mode, blend), abs=1e-6)
    await client.close()


async def test_a_signal_published_before_its_bar_is_answered_when_the_bar_comes(quickstart: Up):
    client = await PlainClient.connect(quickstart.url)
    await client.publish_bars("LATE", range(10))
    await client.publish_signal(signal("my_engine", "LATE", 10, "late-1"))
    await client.publish_bars("LATE", range(10, 11))
    await client.wait_for(["late-1"])
    [(subject, answer)] = client.answers["late-1"]
    assert subject == "signals.scored"
    assert answer["reasons"] == ["no_model"]
    await client.close()


async def test_the_same_signal_twice_is_answered_once(quickstart: Up):
    client = await PlainClient.connect(quickstart.url)
    await client.publish_bars("TWICE", range(5))
    for _ in range(3):
        await client.publish_signal(signal("my_engine", "TWICE", 4, "twice-1"))
    await client.wait_for(["twice-1"])
    assert len(client.answers["twice-1"]) == 1
    await client.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"side": 0}, "invalid:side"),
        ({"score": 1.5}, "invalid:score"),
        ({"stop": 105.0}, "invalid:stop_side"),
        ({"interval": "1h"}, "invalid:interval"),
        ({"ts": "yesterday"}, "invalid:schema"),
    ],
)
async def test_a_signal_that_cannot_be_honoured_is_rejected_with_its_reason(
    quickstart: Up, changes: dict[str, object], reason: str
):
    client = await PlainClient.connect(quickstart.url)
    signal_id = f"bad-{reason}"
    await client.publish_signal(signal("my_engine", "BAD", 1, signal_id, **changes))
    await client.wait_for([signal_id])
    [(subject, answer)] = client.answers[signal_id]
    assert subject == "signals.rejected.my_engine.BAD"
    assert answer["reasons"] == [reason]
    await client.close()


async def test_an_unknown_strategy_is_rejected_and_the_rest_goes_on(quickstart: Up):
    client = await PlainClient.connect(quickstart.url)
    await client.publish("signals.raw.my_engine.JUNK", b"\xff not json")
    await client.publish_signal(signal("nobody", "JUNK", 1, "unknown-1"))
    await client.publish_bars("JUNK", range(3))
    await client.publish_signal(signal("my_engine", "JUNK", 2, "after-junk"))
    await client.wait_for(["unknown-1", "after-junk"])
    [(subject, answer)] = client.answers["unknown-1"]
    assert subject == "signals.rejected.nobody.JUNK"
    assert answer["reasons"] == ["invalid:unknown_strategy"]
    assert client.answers["after-junk"][0][0] == "signals.scored"
    await client.close()
