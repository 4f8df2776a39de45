"""The demo ends with its figures: the real one on fewer symbols, the flip on a shorter market."""

import json

import pytest

from tests.deploy.running import assay

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


def test_the_flip_demo_is_held_against_its_truth():
    figures, told = figures_of(
        *("--scenario", "flip"),
        *("--set", "data.params.signals=3400", "--set", "data.params.drift_at=2600"),
    )
    flip = figures["flip"]
    assert flip["at_signal"] == 600
    assert flip["before"]["auc"] > 0.55
    assert flip["alarm_delay_outcomes"] is not None
    assert 0 < flip["alarm_delay_outcomes"] < 400
    assert flip["after"]["auc"] < 0.47
    assert "FLIP planted at signal 600" in told
