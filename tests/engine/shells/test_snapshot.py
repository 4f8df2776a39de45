"""A snapshot is read back as it was written, or not at all."""

import logging
import random

import numpy as np
import pytest

from engine.saved import Saved
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.shells import snapshot as snapshots
from engine.shells.snapshot import Origin, Snapshot, SnapshotFile
from engine.strategist import Strategist
from engine.trade import TRADE
from models.feature_set import load_feature_set
from streams.session import session
from tests.engine.market import random_bars

ORIGIN = Origin("scorer", 0, 1, "basis", {"INPUT": "first", "SCORED": "second"})
STRATEGIES = (StrategySettings(name="breakout"),)
SEED = 20_260_103
FLIPS = 200


def snapshot_of(saved: Saved, origin: Origin = ORIGIN) -> Snapshot:
    return Snapshot(origin, (17, 4), {"SCORED": 9}, ["18:0", "18:1"], 1_000, saved)


def written(folder, saved: Saved) -> SnapshotFile:
    file = SnapshotFile(folder / "scorer.snapshot", "basis")
    file.write(snapshot_of(saved))
    file.settle()
    return file


def arrays() -> dict[str, np.ndarray]:
    trades = np.zeros(3, dtype=TRADE)
    trades[1]["stop"] = 4.25
    return {
        "rows": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "nothing": np.zeros((0, 7), dtype=np.int64),
        "one": np.array(5, dtype=np.int64),
        "flags": np.array([True, False]),
        "large": np.random.default_rng(SEED).normal(size=snapshots.CHUNK_BYTES // 8 + 5),
        "trades": trades,
        "not finite": np.array([np.nan, np.inf, -0.0]),
    }


def some() -> Saved:
    facts = {"n": -3, "text": "é", "bytes": b"\0\xff", "float": 0.1, "none": None, "list": [1, []]}
    return Saved(facts, arrays())


def test_facts_and_arrays_come_back_as_they_were(tmp_path):
    found = written(tmp_path, some()).read(ORIGIN)
    assert found is not None
    assert found.saved.facts == some().facts
    assert list(found.saved.arrays) == list(arrays())
    for name, array in arrays().items():
        read = found.saved.arrays[name]
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        assert read.tobytes() == array.tobytes()
        assert read.flags.writeable
    assert (found.positions, found.written, found.progress_ts) == ((17, 4), {"SCORED": 9}, 1_000)
    assert found.out == ["18:0", "18:1"]


def scorer() -> Scorer:
    return Scorer(STRATEGIES, load_feature_set(), session("us_equity"))


def test_a_core_that_has_seen_nothing_can_be_saved_and_gone_on_from(tmp_path):
    bars = random_bars(count=300)
    for number, (made, fill) in enumerate(
        [
            (lambda: Strategist(STRATEGIES), lambda core, saved: core.load(saved)),
            (scorer, lambda core, saved: core.load(saved, {})),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = written(folder, made().save()).read(ORIGIN)
        core, undisturbed = made(), made()
        fill(core, found.saved)
        assert [core.step(bar) for bar in bars] == [undisturbed.step(bar) for bar in bars]
        assert core.progress_ts == undisturbed.progress_ts > 0


def test_what_a_core_saves_passes_through_the_file(tmp_path):
    bars = random_bars(count=300)
    core, undisturbed = Strategist(STRATEGIES), Strategist(STRATEGIES)
    for bar in bars[:150]:
        core.step(bar)
        undisturbed.step(bar)
    found = written(tmp_path, core.save()).read(ORIGIN)
    core = Strategist(STRATEGIES)
    core.load(found.saved)
    said = [undisturbed.step(bar) for bar in bars[150:]]
    assert [core.step(bar) for bar in bars[150:]] == said
    assert any(said)


def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(tmp_path):
    file = written(tmp_path, some())
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file.path]


def test_who_is_killed_before_the_file_took_its_name_leaves_the_one_of_before(tmp_path):
    file = written(tmp_path, Saved({"n": 1}, {}))
    file.write(snapshot_of(Saved({"n": 2}, arrays())))
    after = SnapshotFile(file.path, "basis")
    after.clear()
    assert list(tmp_path.iterdir()) == [file.path]
    assert after.read(ORIGIN).saved.facts == {"n": 1}
    # Where that was another process, still at work, its snapshot is lost and nothing else.
    with pytest.raises(FileNotFoundError):
        file.settle()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"role": "labeller"}, "its role was labeller, here it is scorer"),
        ({"shard": 1}, "its shard was 1, here it is 0"),
        ({"shards": 2}, "its shards was 2, here it is 1"),
        ({"basis": "old"}, "its basis was old, here it is basis"),
        ({"incarnations": {"INPUT": "third"}}, "its incarnations was"),
    ],
)
def test_a_snapshot_of_another_origin_is_refused_with_the_reason(tmp_path, caplog, other, why):
    fields = {name: getattr(ORIGIN, name) for name in Origin.__struct_fields__}
    file = SnapshotFile(tmp_path / "scorer.snapshot", "basis")
    file.write(snapshot_of(some(), Origin(**fields | other)))
    file.settle()
    assert file.read(ORIGIN) is None
    assert why in caplog.text


def test_where_there_is_none_the_role_replays(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert SnapshotFile(tmp_path / "scorer.snapshot", "basis").read(ORIGIN) is None
    assert "there is no snapshot" in caplog.text


def test_any_flipped_bit_is_noticed(tmp_path):
    file = written(tmp_path, Saved(some().facts, {"trades": arrays()["trades"]}))
    whole = file.path.read_bytes()
    rng = random.Random(SEED)
    places = {rng.randrange(len(whole)) for _ in range(FLIPS)} | set(range(32))
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        file.path.write_bytes(damaged)
        assert file.read(ORIGIN) is None, f"byte {place} of {len(whole)}, seed {SEED}"


def test_a_file_that_is_cut_or_longer_is_refused(tmp_path, caplog):
    file = written(tmp_path, Saved(some().facts, {"trades": arrays()["trades"]}))
    whole = file.path.read_bytes()
    for length in (0, 1, 24, 60, len(whole) // 2, len(whole) - 1):
        file.path.write_bytes(whole[:length])
        assert file.read(ORIGIN) is None, f"{length} of {len(whole)} bytes"
    file.path.write_bytes(whole + b"\0")
    assert file.read(ORIGIN) is None
    assert caplog.text.count("replaying") == 7


def test_another_version_is_refused(tmp_path, caplog, monkeypatch):
    file = written(tmp_path, some())
    monkeypatch.setattr(snapshots, "_VERSION", 2)
    assert file.read(ORIGIN) is None
    assert "it is of format b'ASSAYSNP' 1" in caplog.text


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        (Saved({"n": np.int64(3)}, {}), "the facts cannot be saved"),
        (Saved({"n": 1 << 70}, {}), "the facts cannot be saved"),
        (Saved({}, {"a": np.array([None])}), "an array of object"),
        (Saved({}, {"a": np.zeros((4, 4))[:, 1]}), "an array of float64"),
    ],
)
def test_what_no_snapshot_can_hold_is_said(tmp_path, saved, why):
    file = written(tmp_path, Saved({"n": 1}, {}))
    with pytest.raises(ValueError, match=why):
        file.write(snapshot_of(saved))
    assert file.read(ORIGIN).saved.facts == {"n": 1}
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_snapshot_is_bounded(tmp_path, monkeypatch, caplog):
    file = written(tmp_path, some())
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_MAX", 1_000_000)
    with pytest.raises(ValueError, match="at most 1000000 bytes"):
        file.write(snapshot_of(some()))
    assert file.read(ORIGIN) is None
    assert "bytes" in caplog.text
