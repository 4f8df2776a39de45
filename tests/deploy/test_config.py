"""A run file is decoded strictly, overridden by key, and its errors say where to look."""

from pathlib import Path

import pytest

from deploy.config import bundled_runs, check_run, load_run
from engine.symbol_costs import SymbolCosts
from streams.errors import ConfigError

BUNDLED_NAMES = bundled_runs()


def written(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", BUNDLED_NAMES)
def test_bundled_configurations_work_as_they_stand(name: str):
    settings = load_run(Path("configs") / name, environment={})
    check_run(settings)
    assert settings.strategies


def test_the_bundled_configurations_are_those_that_are_promised():
    assert {"quickstart.yaml", "equity_strategy_with_ml.yaml"} <= set(BUNDLED_NAMES)


def test_a_bundled_configuration_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert load_run(Path("configs/quickstart.yaml"), environment={}).name == "quickstart"
    assert load_run(Path("quickstart"), environment={}).name == "quickstart"


def test_a_file_that_is_nowhere_is_an_error_that_lists_the_bundled_ones():
    with pytest.raises(ConfigError, match=r"no configuration file nope.yaml; bundled: "):
        load_run(Path("nope.yaml"), environment={})


def test_one_strategy_may_stand_at_the_top(tmp_path: Path):
    file = written(
        tmp_path,
        "strategy: breakout\nparams: {exit_ma: 50}\nml: {ml_weight: 0.5}\n"
        "data: {symbols: [AAPL], interval: 1d}\n",
    )
    settings = load_run(file, environment={})
    [strategy] = settings.strategies
    assert settings.name == "breakout"
    assert strategy.params == {"exit_ma": 50}
    assert strategy.ml.ml_weight == 0.5
    assert strategy.symbols == ("AAPL",)


def test_a_strategy_trades_the_interval_of_the_data_unless_it_says_otherwise(tmp_path: Path):
    file = written(
        tmp_path,
        "data: {source: csv, path: x.csv, interval: 1h}\n"
        "strategies: [{name: a, kind: external}, {name: b, kind: external, interval: 1d}]\n",
    )
    assert [s.interval for s in load_run(file, environment={}).strategies] == ["1h", "1d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "strategy: breakout\nml: {confidence_threshold: 1.5}\n",
            r"must be .*1\.0, was 1\.5 \(.*run\.yaml: ml\.confidence_threshold\)",
        ),
        (
            "strategy: breakout\nml: {confidence_treshold: 0.5}\n",
            r"confidence_treshold is not a known key.*did you mean confidence_threshold\?",
        ),
        ("stratgies: []\n", r"stratgies is not a known key.*did you mean strategies\?"),
        ("name: x\n", r"strategies must name at least one strategy, was empty \(.*run\.yaml\)"),
        ("ml: {}\nname: x\n", r"ml at the top needs `strategy: NAME` beside it"),
        ("strategy: a\nstrategies: [{name: b}]\n", r"give `strategy` or `strategies`, not both"),
        ("strategies: [{name: a}, {name: a}]\n", r"a name of its own, was 'a'"),
        ("[1, 2]\n", r"must hold a mapping of keys, was list"),
        ("a: [\n", r"is not YAML"),
    ],
)
def test_an_error_says_what_was_wrong_and_where(tmp_path: Path, text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        load_run(written(tmp_path, text), environment={})


def test_unknown_parameters_of_a_strategy_name_the_known_ones(tmp_path: Path):
    file = written(tmp_path, "strategy: breakout\nparams: {exit_mma: 20}\n")
    with pytest.raises(ConfigError, match=r"exit_mma is not a known key.*did you mean exit_ma\?"):
        check_run(load_run(file, environment={}))


def test_set_overrides_any_key():
    settings = load_run(
        Path("configs/quickstart.yaml"),
        [
            "strategies.0.ml.prediction_mode=replace",
            "drift.budget=5000",
            "data.symbols=[IBM]",
            "ml_data_collection.enabled=false",
        ],
        environment={},
    )
    assert settings.strategies[0].ml.prediction_mode == "replace"
    assert settings.drift.budget == 5000.0
    assert settings.data.symbols == ("IBM",)
    assert not settings.ml_data_collection.enabled


def test_the_environment_overrides_the_file_and_set_overrides_the_environment():
    environment = {
        "ASSAY_STRATEGIES__1__ML__ML_WEIGHT": "0.9",
        "ASSAY_ENCODING": "msgpack",
        "ASSAY_DRIFT__BUDGET": "1",
        "ASSAY_DEBUG": "1",
        "ASSAY_NATS_SERVER": "/somewhere",
        "HOME": "/",
    }
    settings = load_run(Path("configs/quickstart.yaml"), ["drift.budget=2"], environment)
    assert settings.strategies[1].ml.ml_weight == 0.9
    assert settings.encoding == "msgpack"
    assert settings.drift.budget == 2.0


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("drift.budget", r"--set must look like a\.b=c, was 'drift\.budget'"),
        ("strategies.7.name=x", r"an index of a list of 3 must be in 0\.\.2, was '7'"),
        ("name.first=x", r"name is a value \('quickstart'\) and has no key 'first'"),
        ("drift.budget=[", r"the value must be YAML, was '\['"),
        ("drift.budgit=5", r"budgit is not a known key.*did you mean budget\?"),
    ],
)
def test_a_wrong_override_says_what_is_allowed(assignment: str, message: str):
    with pytest.raises(ConfigError, match=message):
        load_run(Path("configs/quickstart.yaml"), [assignment], environment={})


def test_instruments_give_every_symbol_its_own_costs(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("strategy: breakout\ninstruments: bundled\ndata: {session: futures}\n")
    (strategy,) = load_run(file).strategies
    costs = SymbolCosts(strategy)
    assert costs.of("ES").commission_per_side == pytest.approx(2.25 / 50)
    assert costs.of("NQ").commission_per_side == pytest.approx(2.25 / 20)
    assert costs.of("ES").tick_size == 0.25


def test_costs_and_instruments_together_are_refused(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("strategy: breakout\ninstruments: bundled\ncosts: {bps_per_side: 1}\n")
    with pytest.raises(ConfigError, match="give `costs` or `instruments`, not both"):
        load_run(file)


def test_a_portfolio_is_part_of_a_run(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("strategy: breakout\nportfolio: {max_positions: 3}\n")
    assert load_run(file).portfolio.max_positions == 3
    with pytest.raises(ConfigError, match=r"risk_per_trade must be float <= 0\.2, was 0\.5"):
        load_run(file, ["portfolio.risk_per_trade=0.5"])
