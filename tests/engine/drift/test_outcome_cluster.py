import pytest

from engine.drift import outcome_cluster
from engine.drift.outcome_cluster import OutcomeCluster


def test_trades_that_were_open_together_are_one_cluster() -> None:
    cluster = OutcomeCluster()
    assert cluster.add(0.1, ts=1, exit_ts=10) == []
    assert cluster.add(0.2, ts=9, exit_ts=11) == []
    assert cluster.add(0.3, ts=2, exit_ts=30) == []
    # Made at the first exit: that trade was no longer open.
    assert cluster.add(0.4, ts=10, exit_ts=31) == [0.1, 0.2, 0.3]
    assert cluster.add(0.5, ts=31, exit_ts=40) == [0.4]


def test_trades_one_after_the_other_are_clusters_of_one() -> None:
    cluster = OutcomeCluster()
    said = [cluster.add(float(n), ts=n, exit_ts=n + 1) for n in range(4)]
    assert said == [[], [0.0], [1.0], [2.0]]


def test_a_cluster_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_cluster, "CLUSTER_OUTCOMES_MAX", 3)
    cluster = OutcomeCluster()
    said = [cluster.add(float(n), ts=0, exit_ts=100) for n in range(7)]
    assert [len(one) for one in said] == [0, 0, 0, 3, 0, 0, 3]


def test_one_that_was_saved_goes_on() -> None:
    one, other = OutcomeCluster(), OutcomeCluster()
    one.add(0.1, ts=1, exit_ts=10)
    other.load(one.save())
    assert other.add(0.2, ts=5, exit_ts=12) == one.add(0.2, ts=5, exit_ts=12) == []
    assert other.add(0.3, ts=10, exit_ts=12) == [0.1, 0.2]
