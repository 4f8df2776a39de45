"""`assay replay --verify` beside a running `assay up`."""

import json
from collections.abc import Iterator
from typing import Any

import nats
import pytest

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


def verify(up: Up, *arguments: str) -> tuple[int, dict[str, Any]]:
    options = ("--config", "configs/quickstart.yaml", "--json", "--state-dir", str(up.state_dir))
    done = assay("replay", "--verify", *options, *arguments)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.broker
@pytest.mark.timeout(180)
async def test_a_run_is_verified_while_it_runs_and_a_forged_answer_is_named(up: Up):
    status, found = verify(up)
    assert status == 0, found
    assert (found["equal"], found["first"], found["input_missing"]) == (True, None, 0)
    assert [line["stream"] for line in found["streams"]] == ["INPUT", "SCORED", "OUTCOMES"]
    assert all(line["compared"] == line["equal"] > 3 for line in found["streams"])
    assert not any(line["missing"] or line["pending"] for line in found["streams"])

    client = await nats.connect(up.url)
    headers = {"Nats-Msg-Id": "forged"}
    stored = await client.jetstream().publish("signals.scored.breakout.IBM", b"{}", headers=headers)
    await client.close()
    status, found = verify(up, "--nats", up.url)
    assert status == 1
    first = found["first"]
    assert (first["kind"], first["stream"], first["sequence"]) == ("extra", "SCORED", stored.seq)
    assert (first["subject"], first["id"]) == ("signals.scored.breakout.IBM", "forged")

    options = ("--config", "configs/quickstart.yaml", "--state-dir", str(up.state_dir))
    told = assay("replay", "--verify", *options)
    assert told.returncode == 1
    assert f"extra: SCORED sequence {stored.seq}, signals.scored.breakout.IBM" in told.stdout
    # Another configuration than the one that ran is another story.
    status, found = verify(up, "--set", "strategies.1.ml.ml_weight=0.4", "--to", "2001-06-30")
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
def test_wrong_usage_is_told(arguments: tuple[str, ...], said: str):
    done = assay("replay", "--config", "configs/quickstart.yaml", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


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
