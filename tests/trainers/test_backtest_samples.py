"""History runs through the stream's own cores into the database, once."""

from pathlib import Path

from engine.settings import LabelSettings, StrategySettings
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.events import Bar, Signal
from streams.session import session
from tests.engine.market import random_bars, signal_on
from trainers.backtest_samples import collect_samples
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import DAY_NS

STRATEGY = StrategySettings(
    "mine",
    kind="external",
    features=("z",),
    label=LabelSettings(rule="triple_barrier", max_hold_bars=3),
)


def history() -> list[list[Bar | Signal]]:
    instants: list[list[Bar | Signal]] = [[bar] for bar in random_bars(count=80)]
    for number in range(9, 80, 10):
        bar = instants[number][0]
        assert isinstance(bar, Bar)
        signal = signal_on(bar, f"s-{number}", "mine", features={"z": float(number)})
        instants[number].append(signal)
    return instants


def collect(path: Path) -> int:
    return collect_samples(path, history(), (STRATEGY,), load_feature_set(), session("crypto"))


def test_history_becomes_samples_once(tmp_path: Path):
    path = tmp_path / "features.db"
    assert collect(path) == 8 - 1  # the last signal has no bar to be entered at
    assert collect(path) == 0
    names = vector_names(load_feature_set().names, STRATEGY.features)
    with FeatureDatabase(path) as database:
        samples = database.read("mine", names)
    assert samples.signal_ids.tolist() == [f"s-{n}" for n in range(9, 79, 10)]
    assert samples.x[:, names.index("signal_z")].tolist() == [float(n) for n in range(9, 79, 10)]
    assert (samples.exit_ts > samples.entry_ts - 1).all()
    assert (samples.entry_ts == samples.ts + DAY_NS).all()
