"""What a sample comes from is known, and tells apart what is and is not the same sample."""

from pathlib import Path

import msgspec
import pytest

from engine.context_settings import ContextSettings
from engine.instrument_book import InstrumentFile
from engine.settings import CostSettings, LabelSettings, StrategySettings
from models.settings import MlSettings
from streams.errors import ConfigError
from tests.trainers.events import events_of
from tests.trainers.samples import layer_a_dataset
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import Provenance, code_version, params_digest_of, params_of
from trainers.sample import Sample, sample_of

SAMPLES = layer_a_dataset(40, seed=1)
PAIRS = list(events_of(SAMPLES))
STRATEGY = "synthetic"
RSI2 = StrategySettings("mine", kind="rsi2_mean_reversion")
A, B = "a" * 64, "b" * 64
BOOK = InstrumentFile(symbols={"ES": {"class": "future"}})
DIGEST_OF_OLD = "250c967668a315a164e3d03ade397321696ed77f6202a30dbc3562c2840f89f3"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    is_file = request.param == "sqlite"
    location = tmp_path / "features.db" if is_file else request.getfixturevalue("postgres_url")
    with FeatureDatabase(location) as opened:
        opened.register_names(SAMPLES.names)
        yield opened


def samples_under(params_digest: str, **changes: object) -> list[Sample]:
    provenance = Provenance({STRATEGY: params_digest}, "d", "1")
    made = [sample_of(*pair, provenance) for pair in PAIRS]
    return [msgspec.structs.replace(sample, **changes) for sample in made]


def r_of(database: FeatureDatabase, **choice: str) -> list[float]:
    return database.read(STRATEGY, SAMPLES.names, **choice).r_multiple.tolist()


def test_the_same_signal_under_other_parameters_is_another_sample(database):
    assert database.add(samples_under(A)) == 40
    assert database.add(samples_under(B, r_multiple=9.0)) == 40
    assert database.add(samples_under(A) + samples_under(B)) == 0
    assert database.count(STRATEGY) == 80
    assert r_of(database, params_digest=B) == [9.0] * 40
    assert r_of(database, params_digest=A) == SAMPLES.r_multiple.tolist()
    assert r_of(database, params_digest="c") == []


def test_training_counts_a_signal_once_the_one_that_came_in_last(database):
    database.add(samples_under(A, r_multiple=1.0))
    database.add(samples_under(B, r_multiple=2.0)[:30])
    database.add(samples_under(A, r_multiple=1.0))
    ids = database.read(STRATEGY, SAMPLES.names).signal_ids.tolist()
    assert ids == SAMPLES.signal_ids.tolist()
    assert r_of(database) == [2.0] * 30 + [1.0] * 10


def test_the_parameters_in_force_go_before_what_was_tried_later(database):
    database.add(samples_under(A, r_multiple=1.0)[:30])
    database.add(samples_under(B, r_multiple=2.0))
    assert r_of(database, preferred_digest=A) == [1.0] * 30 + [2.0] * 10
    assert r_of(database, preferred_digest="c") == [2.0] * 40


def test_a_sample_left_out_by_time_does_not_stand_in_the_way_of_another(database):
    late = [msgspec.structs.replace(s, exit_ts=s.exit_ts + 10**18) for s in samples_under(B)]
    database.add(samples_under(A))
    database.add(late)
    known_by = int(SAMPLES.exit_ts.max())
    back = database.read(STRATEGY, SAMPLES.names, known_by_ts=known_by)
    assert back.exit_ts.tolist() == SAMPLES.exit_ts.tolist()


def test_a_stream_read_again_under_new_parameters_adds_only_what_they_made(database):
    events = [event for pair in PAIRS[:30] for event in pair]
    for digest, stream, added in ((A, events, 30), (B, [e for p in PAIRS for e in p], 10)):
        provenance = Provenance({STRATEGY: digest})
        collector = Collector(database, provenance, is_rereading=True)
        for event in stream:
            collector.take(event)
        collector.flush()
        assert collector.added == added
    assert (len(r_of(database, params_digest=A)), len(r_of(database, params_digest=B))) == (30, 10)
    changed = samples_under(B, r_multiple=5.0)
    assert database.add_unseen(changed) == 30


def test_the_digest_names_what_decides_the_samples_and_nothing_else():
    same = params_digest_of(RSI2)
    names = params_of(RSI2)["params"]
    filled = msgspec.structs.replace(RSI2, params=dict(names))
    judged = msgspec.structs.replace(RSI2, ml=MlSettings(confidence_threshold=0.9))
    wider = msgspec.structs.replace(RSI2, symbols=("SPY",), name="other")
    assert {params_digest_of(each) for each in (filled, judged, wider)} == {same}
    changes: list[dict[str, object]] = [
        {"params": {"period": 3}},
        {"interval": "1h"},
        {"overlapping": True},
        {"features": ("z",)},
        {"label": LabelSettings(stop_atr_mult=3.0)},
        {"costs": CostSettings(bps_per_side=0.0)},
        {"kind": "breakout"},
        {"instruments": BOOK},
        {"instruments": msgspec.structs.replace(BOOK, session="futures")},
        {"instruments": named(tick_size=0.5)},
    ]
    others = {params_digest_of(msgspec.structs.replace(RSI2, **change)) for change in changes}
    contexts = [
        ContextSettings(market="SPY"),
        ContextSettings(market="QQQ"),
        ContextSettings(sectors={"IBM": "XLK"}),
        ContextSettings(breadth=True),
    ]
    beside = {params_digest_of(RSI2, context) for context in contexts}
    assert len(others | beside | {same}) == len(changes) + len(contexts) + 1


def test_what_sizes_a_position_makes_no_other_sample():
    digests = {
        params_digest_of(msgspec.structs.replace(RSI2, instruments=file))
        for file in (named(), named(margin=0.5), named(lot=10.0))
    }
    assert len(digests) == 1


def test_the_digest_of_a_run_without_instruments_and_context_is_that_of_older_databases():
    plain = {key for key in params_of(RSI2) if key not in ("params", "label", "costs")}
    assert plain == {"kind", "interval", "features", "overlapping"}
    external = StrategySettings("mine", kind="external")
    assert params_digest_of(external) == DIGEST_OF_OLD


def named(**changes: float) -> InstrumentFile:
    return msgspec.structs.replace(BOOK, symbols={"ES": {"class": "future", **changes}})


def test_parameters_that_are_not_taken_are_refused():
    with pytest.raises(ConfigError, match=r"strategies\.mine\.params"):
        params_of(msgspec.structs.replace(RSI2, params={"no_such": 1}))


def test_the_code_version_names_the_package_and_its_sources():
    version, _, digest = code_version().partition("+")
    assert version.count(".") == 2
    assert len(digest) == 16
