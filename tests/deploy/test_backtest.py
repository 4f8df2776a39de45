"""A backtest takes a source's own signals, and the models that `assay train` wrote."""

import json
from pathlib import Path

import pytest

from deploy.cli import execute

MARKET = ("--config", "demo_flip", "--set", "data.params.signals=2400")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict, str]:
    assert execute([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1]), captured.err


def test_a_trained_model_scores_a_backtest_and_its_own_years_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    state = ("--state-dir", str(tmp_path))
    blind, _ = document(capsys, "backtest", *MARKET, *state)
    assert blind["strategies"][0]["signals"] == 2400
    assert blind["strategies"][0]["area"]["outcomes"] == 0
    trained, _ = document(capsys, "train", "--train", *MARKET, *state)
    [model] = trained["models"]
    assert model["promoted"]
    given = ("--set", f"strategies.0.ml.model_path={model['path']}")
    scored, told = document(capsys, "backtest", *MARKET, *state, *given)
    assert scored["strategies"][0]["area"]["outcomes"] > 2300
    assert scored["strategies"][0]["accepted"] < 2400
    assert f"{model['version']} was trained on outcomes up to 2002-" in told
