"""On the bundled sample's years the watch is quiet, where tests of independent rows would not be.

make bench-science ARGS="-k bundled_sample_years -s"
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from engine.drift.score_watch import ScoreWatch
from engine.settings import InputWatchSettings, StrategySettings
from engine.simulation import simulate
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.settings import MlSettings
from models.vector import digest_of, vector_names
from streams.events import Deployment, Progress, Scored
from streams.interval import DAY_NS
from streams.session import session
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

pytestmark = pytest.mark.slow

RULES = ("momentum_rank", "ibs_reversion", "donchian_trend")
FIRST = int(np.datetime64("2001-06-01", "ns").astype(np.int64))
MODEL_YEARS = 3
NAMES = vector_names(load_feature_set().names, ())


def answers() -> list[Scored]:
    """What a new model of every rule, each third year, answers to signals at every close."""
    deployments = []
    for number in range(4):
        for rule in RULES:
            artifact = tiny_artifact(
                ("ibs", "rsi_14", "return_5", "signal_score"),
                (0.8, -0.01, 3.0, 0.5),
                -0.3 + 1e-4 * number,
                strategy=rule,
            )
            model = load_model(artifact, NAMES, (TEST_SIGNER.public_hex,))
            at = FIRST + number * MODEL_YEARS * 365 * DAY_NS
            event = Deployment(rule, None, model.version, model.digest, at, None, {})
            deployments.append((event, model))
    ml = MlSettings(prediction_mode="observe")
    strategies = tuple(StrategySettings(rule, overlapping=True, ml=ml) for rule in RULES)
    bars = bar_frames(SourceSettings(kind="sample"))
    said = simulate(bars, strategies, load_feature_set(), session("us_equity"), deployments)
    return [one for one in said if isinstance(one, Scored) and one.probability is not None]


def test_bundled_sample_years_hardly_alarm():
    served = answers()
    told = InputWatchSettings(reference_signals=200, block_signals=100)
    watch = ScoreWatch(told, {digest_of(NAMES): NAMES})
    words = [word for one in served for word in watch.step(one)]
    words += watch.step(Progress("scorer", 0, 2**62, 0))
    blocks, plain = 0, 0
    alpha = told.block_signals / told.budget / 3.0 / 2.0 / len(NAMES)
    for model in sorted({str(one.model) for one in served}):
        rows = np.array([np.frombuffer(one.inputs, "<f4") for one in served if one.model == model])
        bounds = range(told.reference_signals, len(rows) + 1, told.block_signals)
        for start, end in pairwise(bounds):
            own, new = rows[: told.reference_signals].T, rows[start:end].T
            pairs = [(a, b) for a, b in zip(own, new, strict=True) if np.isfinite(a).all()]
            pairs = [(a, b) for a, b in pairs if np.isfinite(b).all()]
            blocks += 1
            plain += any(stats.ks_2samp(a, b, method="asymp").pvalue < alpha for a, b in pairs)
    false = [word for word in words if word.level != "recovered"]
    print(
        f"\n{len(served):,} answers, {blocks} blocks: {len(false)} words, by the textbook {plain}"
    )
    assert blocks > 30
    assert plain > 0.8 * blocks
    assert len(false) <= 0.05 * blocks
