"""One seed of what tests/benchmarks/bench_layer_a.py measures, without a search."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.layer_a_share import HOUSE, SERVED, is_deployed_on_noise, shares
from tests.benchmarks.trained_model import sealed
from tests.trainers.samples import layer_a_dataset
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.research_spans import cut_spans

SETTINGS = PipelineSettings(
    spans="share", learners=("lightgbm", "logistic"), tuned=(), trials=1, workers=1
)


@pytest.mark.parametrize("count", [200, 500])
def test_a_benchmark_trains_on_every_sample_it_is_given_and_on_no_other(count: int):
    training = layer_a_dataset(count, 3)
    settings = PipelineSettings(spans="share", holdout_share=1e-9, embargo_days=5.0)
    spans = cut_spans(sealed(training, settings), settings)
    assert spans.research.digest() == training.digest()
    assert spans.purged == 0


def test_the_pipeline_keeps_a_good_part_of_the_edge():
    found = shares(0.70, 500, 3, SETTINGS)
    assert 0.5 < found[HOUSE] < 0.95
    assert found[SERVED] == pytest.approx(found[HOUSE], abs=0.05)
    assert found[SERVED] != found[HOUSE]
    assert np.isfinite(list(found.values())).all()


def test_a_model_of_noise_is_not_deployed(tmp_path: Path):
    assert not is_deployed_on_noise(3, SETTINGS, tmp_path)
