"""A plain NATS client gets exactly one answer per signal, in every mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.plain_client import PlainClient, signal
from tests.deploy.running import Up, assay_up

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
    with assay_up(folder, "--set", f"strategies=[{', '.join(engines)}]") as up:
        yield up


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
