"""`assay replay --verify` beside a running `assay up`."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import nats
import pytest

from deploy.cli import execute
from deploy.verification import span_of
from streams.errors import ConfigError
from streams.interval import DAY_NS
from tests.deploy.running import Up, assay, assay_up

LEFT_OUT = ("--without", "trainer", "--without", "drift")
HISTORY = ("--set", "data.symbols=[IBM]", "--set", "data.end=2001-06-30")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with assay_up(tmp_path_factory.mktemp("verify"), "--shards", "2", *LEFT_OUT) as running:
        state = ("--state-dir", str(running.state_dir))
        done = assay("replay", *state, "--config", "configs/quickstart.yaml", *LEFT_OUT, *HISTORY)
        assert done.returncode == 0, done.stderr
        yield running


async def forge_an_answer(url: str) -> int:
    """Publish what no scorer said; return its sequence."""
    client = await nats.connect(url)
    headers = {"Nats-Msg-Id": "forged"}
    stored = await client.jetstream().publish("signals.scored.breakout.IBM", b"{}", headers=headers)
    await client.close()
    return stored.seq


@pytest.mark.broker
@pytest.mark.timeout(180)
def test_a_run_is_verified_while_it_runs_and_a_forged_answer_is_named(
    up: Up, capsys: pytest.CaptureFixture[str]
):
    state = ("--state-dir", str(up.state_dir))
    options = ["replay", "--verify", "--config", "configs/quickstart.yaml", *state]

    def verify(*arguments: str) -> tuple[int, dict[str, Any]]:
        status = execute([*options, "--json", *arguments])
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    status, found = verify()
    assert status == 0, found
    assert (found["equal"], found["first"], found["input_missing"]) == (True, None, 0)
    assert [line["stream"] for line in found["streams"]] == ["INPUT", "SCORED", "OUTCOMES"]
    assert all(line["compared"] == line["equal"] > 3 for line in found["streams"])
    assert not any(line["missing"] or line["pending"] for line in found["streams"])

    forged_seq = asyncio.run(forge_an_answer(up.url))
    status, found = verify("--nats", up.url)
    assert status == 1
    first = found["first"]
    assert (first["kind"], first["stream"], first["sequence"]) == ("extra", "SCORED", forged_seq)
    assert (first["subject"], first["id"]) == ("signals.scored.breakout.IBM", "forged")

    assert execute(options) == 1
    told = capsys.readouterr().out
    assert f"extra: SCORED sequence {forged_seq}, signals.scored.breakout.IBM" in told
    # Another configuration than the one that ran is another story.
    status, found = verify("--set", "strategies.1.ml.ml_weight=0.4", "--to", "2001-06-30")
    assert status == 1
    fields = {field["field"] for one in found["differences"] for field in one["fields"]}
    assert "weight" in fields
    assert up.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--verify", "--bars", "bars.csv"), "leave --bars out"),
        (("--from", "3"), "add --verify"),
        (("--verify", "--from", "soon", "--nats", "nats://127.0.0.1:1"), "was 'soon'"),
        (("--verify", "--state-dir", "nothing-runs-here"), "no broker is known"),
    ],
)
def test_wrong_usage_is_told(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    assert execute(["replay", "--config", "configs/quickstart.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_bounds_are_sequences_or_times_in_utc():
    by_seq = span_of("5", "9")
    assert (by_seq.first_seq, by_seq.last_seq) == (5, 9)
    assert by_seq.covers(7, 0)
    assert not by_seq.covers(10, 0)
    by_day = span_of("1970-01-02", "1970-01-02")
    assert (by_day.first_ts, by_day.last_ts) == (DAY_NS, 2 * DAY_NS - 1)
    assert span_of(None, "1970-01-02T00:00:00").last_ts == DAY_NS
    assert span_of("1970-01-01T01:00:00+01:00", None).first_ts == 0
    with pytest.raises(ConfigError, match="--to must be a sequence of INPUT or an ISO 8601 time"):
        span_of(None, "tomorrow")
