"""The learning loop says the same over a real server as in memory, to the byte."""

from pathlib import Path

import pytest

from engine.settings import DriftSettings
from tests.simulation.learning import live, stream_of
from trainers.settings import TrainSettings

SEED = 2
START = 700
LIVE = 600
FLIPS_AT = 150


@pytest.mark.broker
def test_what_is_learned_behind_a_flip_does_not_depend_on_the_bus(tmp_path: Path):
    stream = stream_of(SEED, LIVE, start=START, bayes_auc=0.70, drift="FLIP", drift_at=FLIPS_AT)
    runs = [
        live(
            tmp_path / name,
            stream,
            drift=DriftSettings(),
            train=TrainSettings(),
            is_over_nats=name == "nats",
        )
        for name in ("memory", "nats")
    ]
    memory, nats = runs
    first_ts = int(stream.data.ts[START + FLIPS_AT])
    assert [d.level for d in memory.drifts if d.ts >= first_ts and d.channel == "ranking"]
    assert len(memory.deployments) == 2, "a first model, and one of after the flip"
    assert nats.drifts == memory.drifts
    assert nats.deployments == memory.deployments
    assert nats.kept == memory.kept
    assert nats.model == memory.model
    assert nats.policy == memory.policy
    assert nats.probability.tobytes() == memory.probability.tobytes()
