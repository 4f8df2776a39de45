"""Small runs of the pipeline, and what is read of them."""

import hashlib
import json
from pathlib import Path

import pytest

from deploy.cli import execute

RSI2 = "rsi2_mean_reversion"
QUICK = (
    "pipeline.learners=[lightgbm, logistic]",
    "pipeline.tuned=[logistic]",
    "pipeline.trials=2",
    "pipeline.clusters=12",
    "pipeline.cpcv_groups=0",
    "pipeline.workers=1",
)
PLANTED = """
name: planted
data:
  source: layer_b
  session: crypto
  params: {seed: 8, symbols: 20, signals: 1500, bayes_auc: 0.70}
strategies:
  - name: synthetic
    kind: external
    features: [x00, x01, x02, x03, x04, x05, x06, x07, x08, x09, x10, x11, x12, x13, x14, x15,
      x16, x17, x18, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30, x31, x32, x33,
      x34, x35, x36, x37, x38, x39]
    label: {rule: triple_barrier, target_r: 1.0, max_hold_bars: 0}
    costs: {bps_per_side: 0.0}
"""
SAMPLE = """
name: bundled
strategies:
  - {name: rsi2_mean_reversion, symbols: [GOOG, IBM]}
"""


def assignments(*others: str) -> list[str]:
    """Options that make a run small, and `others` beside them."""
    return [word for one in (*QUICK, *others) for word in ("--set", one)]


def places(folder: Path) -> list[str]:
    """Options that keep everything in `folder`."""
    return ["--state-dir", str(folder / "state"), "--ledger", str(folder / "ledger.db")]


def document(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> tuple[dict, str]:
    """Run a command with --json; return its document and what it said to people."""
    found = execute([*arguments, "--json"])
    captured = capsys.readouterr()
    assert found == status, captured.err
    return json.loads(captured.out.splitlines()[-1]), captured.err


def digests(folder: Path) -> dict[str, str]:
    """What each file below a folder holds, but for the trials and the lock."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("trials.db", ".lock")
    }


def winners_file(path: Path, *winners: tuple[str, str, dict, int], until: int = 2) -> Path:
    """A winners.json of (strategy, symbol, parameters, rank), chosen on bars `until` then."""
    listed = [
        {
            "strategy": strategy,
            "symbol": symbol,
            "params": params,
            "rank": rank,
            "metrics": {"sharpe_ratio": 1.0},
            "deflated_sharpe": None,
            "data_digest": "d",
            "span": {"started_ts": 1, "ended_ts": until},
        }
        for strategy, symbol, params, rank in winners
    ]
    head = {"version": 1, "created_from": "r.db", "objective": "sharpe_ratio", "trials": 9}
    path.write_text(json.dumps({**head, "winners": listed}))
    return path
