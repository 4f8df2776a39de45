"""The demo ends with its figures: the real one on fewer symbols, the flip on a shorter market."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demonstration import _parts
from deploy.scenario import Scenario
from streams.broker import EmbeddedBroker
from streams.events import Bar
from streams.nats_bus import NatsBus
from tests.deploy.running import STOP_TIMEOUT_S, assay, is_alive
from tests.house import ROOT

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


def figures_of(*arguments: str) -> tuple[dict, str]:
    done = assay("demo", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_real_demo_scores_labels_and_decides_on_models():
    figures, told = figures_of("--set", "data.symbols=[AAPL, IBM]", "--set", "data.end=2009-12-31")
    names = [strategy["strategy"] for strategy in figures["strategies"]]
    assert names == ["breakout", "rsi2_mean_reversion"]
    for strategy in figures["strategies"]:
        assert strategy["signals"] > 0
        assert strategy["all"]["outcomes"] > 0
        assert strategy["models"], "no decision on a first model"
        assert strategy["conclusion"]
        assert strategy["conclusion"] in told
    answered = sum(s["signals"] for s in figures["strategies"])
    assert figures["signals_timed"] == answered
    assert 0 < figures["latency_us_p50"] <= figures["latency_us_p99"]
    assert figures["bars_per_second"] > 0


async def test_a_broker_with_history_is_refused(nats_bus: NatsBus, broker: EmbeddedBroker):
    await nats_bus.publish("bars.1d.X", b"{}")
    done = assay("demo", "--nats", broker.url)
    assert done.returncode == 2
    assert "needs a broker without history" in done.stderr


def test_no_retrain_is_due_after_the_last_instant():
    days = [[Bar("X", "1d", ts, 1.0, 1.0, 1.0, 1.0, 1.0)] for ts in (10, 20, 30)]
    scenario = Scenario("t", [], days, from_ts=10, retrain_ts=(20, 30, 40))
    parts = list(_parts(scenario))
    assert [(len(part), ts) for part, ts in parts] == [(1, 20), (1, 30), (1, None)]


def test_a_ctrl_c_in_the_middle_stops_everything_and_leaves_nothing(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "demo", "--scenario", "flip"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = []
    for line in process.stdout:
        if " ready (pid " in line:
            pids.append(int(line.split()[3].rstrip(")")))
        if " deployed" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 1
    assert errors == "assay: stopped\n"
    assert len(pids) == 5
    assert not any(map(is_alive, pids))
    assert list(tmp_path.glob("assay-demo-*")) == []


def test_the_flip_demo_is_held_against_its_truth():
    figures, told = figures_of(
        *("--scenario", "flip"),
        *("--set", "data.params.signals=3400", "--set", "data.params.drift_at=2600"),
    )
    flip = figures["flip"]
    # Signals of one instant begin together: up to one of each symbol more than 2,600 - 2,000.
    assert 600 <= flip["at_signal"] < 640
    assert flip["before"]["auc"] > 0.55
    assert flip["alarm_delay_outcomes"] is not None
    assert 0 < flip["alarm_delay_outcomes"] < 400
    assert flip["after"]["auc"] < 0.47
    assert f"FLIP planted at signal {flip['at_signal']}" in told
