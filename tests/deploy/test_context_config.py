"""The `context:` block of a run file: strict, off by default, and part of what a state rests on."""

import pytest
import yaml

from deploy.config import load_run, run_of
from deploy.snapshots import basis_of
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.context_settings import NO_CONTEXT, ContextSettings
from streams.errors import ConfigError

RUN = "name: run\nstrategies: [{name: alpha, kind: external}]\n"


def run(text: str):
    return run_of(yaml.safe_load(RUN + text), "run.yaml")


def test_nothing_is_served_of_other_symbols_unless_it_is_asked_for():
    assert run("").context == NO_CONTEXT
    assert NO_CONTEXT.is_empty


def test_a_run_names_its_market_its_sectors_and_breadth():
    found = run("context: {market: SPY, sectors: {AAPL: XLK}, breadth: true}").context
    assert found == ContextSettings(market="SPY", sectors={"AAPL": "XLK"}, breadth=True)
    assert found.references == ("SPY", "XLK")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("{markt: SPY}", "markt is not a known key.*did you mean market"),
        ("{market: ''}", "context.market"),
        ("{sectors: {AAPL: ''}}", "context.sectors"),
        ("{sectors: [XLK]}", "context.sectors"),
        ("{breadth: 10}", "context.breadth"),
    ],
)
def test_what_is_no_context_is_refused_by_its_key(block: str, words: str):
    with pytest.raises(ConfigError, match=words):
        run(f"context: {block}")


@pytest.mark.parametrize("block", ["{market: SPY}", "{sectors: {AAPL: SPY}}"])
def test_a_reference_that_the_run_does_not_read_is_refused(block: str):
    with pytest.raises(ConfigError, match=r"'SPY', which is not among data.symbols \(AAPL, MSFT\)"):
        run(f"data: {{symbols: [AAPL, MSFT]}}\ncontext: {block}")
    run(f"data: {{symbols: [AAPL, SPY]}}\ncontext: {block}")


@pytest.mark.parametrize("role", ["scorer", "labeller"])
def test_another_context_is_another_basis_for_a_snapshot(tmp_path, role: str):
    state = StateDir(tmp_path / "state")
    state.make()
    ensure_signing_key(state)
    bases = set()
    for number, block in enumerate(("{}", "{market: SPY}", "{market: QQQ}", "{breadth: true}")):
        config = tmp_path / f"{number}.yaml"
        config.write_text(f"{RUN}context: {block}\n")
        bases.add(basis_of(role, load_run(config, environment={}), state))
    assert len(bases) == 4
