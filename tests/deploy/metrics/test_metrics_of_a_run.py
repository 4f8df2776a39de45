"""`assay up --metrics-port` as an operator meets it: each process tells its own figures."""

import asyncio
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.cli import execute
from deploy.launch import with_metrics
from streams.broker import EmbeddedBroker
from streams.errors import ConfigError
from tests.deploy.plain_client import PlainClient
from tests.deploy.plain_client import signal as raw_signal
from tests.deploy.running import assay_up

WAIT_S = 30.0
LEFT_OUT = ("strategies", "labeller", "trainer")


def figures(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def figure(url: str, name: str, **labels: str) -> float | None:
    wanted = set(labels.items())
    found = [value for (one, own), value in figures(url).items() if one == name and wanted <= own]
    return sum(found) if found else None


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.broker
@pytest.mark.timeout(180)
async def test_each_role_tells_its_figures_and_a_lost_broker_is_no_longer_ready(tmp_path: Path):
    without = [part for role in LEFT_OUT for part in ("--without", role)]
    with (
        EmbeddedBroker.start(tmp_path / "broker") as broker,
        assay_up(tmp_path / "up", "--nats", broker.url, "--metrics-port", "0", *without) as up,
    ):
        urls = {line.split()[0]: line.split()[2] for line in up.lines if " metrics http://" in line}
        assert set(urls) == {"scorer", "drift"}
        client = await PlainClient.connect(broker.url)
        await client.publish_bars("MET", range(3))
        await client.publish_signal(raw_signal("my_engine", "MET", 2, "met-1"))
        await client.publish_signal(raw_signal("nobody", "MET", 2, "met-2"))
        await client.wait_for(["met-1", "met-2"])
        await client.close()
        scorer = urls["scorer"]
        taken = await asyncio.to_thread(figure, scorer, "assay_taken_messages_total", type="bar")
        assert taken == 3
        for labels, count in (
            ({"strategy": "my_engine", "reason": "no_model"}, 1),
            ({"strategy": "other", "reason": "invalid:unknown_strategy"}, 1),
        ):
            name = "assay_answer_reasons_total"
            assert await asyncio.to_thread(figure, scorer, name, **labels) == count
        waiting = await asyncio.to_thread(figure, scorer, "assay_waiting_signals")
        assert waiting == 0
        lag = await asyncio.to_thread(figure, urls["drift"], "assay_lag_messages", stream="SCORED")
        assert lag is not None
        waits = await asyncio.to_thread(figure, scorer, "assay_answer_wait_seconds_count")
        assert waits == 3  # Two answers and the letter.
        for url in urls.values():
            for path in ("/livez", "/readyz"):
                assert await asyncio.to_thread(status_of, url.replace("/metrics", path)) == 200
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            await until(scorer.replace("/metrics", "/readyz"), 503)
            assert await asyncio.to_thread(status_of, scorer.replace("/metrics", "/livez")) == 200
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await until(scorer.replace("/metrics", "/readyz"), 200)


async def until(url: str, status: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while await asyncio.to_thread(status_of, url) != status:
        assert time.monotonic() < deadline, f"{url} does not come to {status}"
        await asyncio.sleep(0.1)


def test_each_process_has_a_port_of_its_own_from_the_first_on():
    commands = {"scorer-0": ("a",), "scorer-0-standby": ("b",), "drift": ("c",)}
    told = with_metrics(commands, "127.0.0.1", 9_100)
    assert told["scorer-0-standby"] == (
        "b",
        "--metrics-host",
        "127.0.0.1",
        "--metrics-port",
        "9101",
    )
    assert [command[-1] for command in told.values()] == ["9100", "9101", "9102"]
    anywhere = with_metrics(commands, "::1", 0)
    assert [command[-1] for command in anywhere.values()] == ["0", "0", "0"]
    assert with_metrics(commands, "127.0.0.1", None) == commands
    with pytest.raises(ConfigError, match=r"must be in 0\.\.65533 for 3 processes, was 65534"):
        with_metrics(commands, "127.0.0.1", 65_534)


@pytest.mark.parametrize("command", [("up",), ("run", "scorer", "--nats", "nats://127.0.0.1:1")])
def test_a_port_that_there_is_not_is_refused_before_anything_runs(tmp_path, command, capsys):
    where = ("--state-dir", str(tmp_path))
    assert execute([*command, *where, "--metrics-port", "-1"]) == 2
    said = capsys.readouterr().err
    assert "--metrics-port must be in 0.." in said
    assert len(said.splitlines()) == 1
