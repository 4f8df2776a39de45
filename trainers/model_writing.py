"""From a frozen model to its graph and its card: exported, proven, described."""

import hashlib
from collections.abc import Mapping

import numpy as np

from models.card import ModelCard, encode_card
from models.vector import digest_of
from trainers.challenger import Challenger
from trainers.onnx_export import export, prove, run_rows

GOLDEN_ROWS = 16


def write_model(
    model: Challenger,
    *,
    strategy: str,
    symbol: str | None,
    seed: int,
    figures: Mapping[str, float],
    code_version: str,
    holdout_opened_ts: int = 0,
) -> tuple[bytes, bytes]:
    """Return the card's bytes and the graph's.

    `figures` are what it was judged by. Raises ModelError where it cannot be exported faithfully.
    """
    training = model.training
    places = np.unique(np.linspace(0, len(model.whole) - 1, GOLDEN_ROWS).astype(np.int64))
    golden = np.ascontiguousarray(model.whole[places])
    onnx = export(model.fitted, model.calibration, model.columns.size)
    difference = prove(onnx, model.fitted, model.calibration, golden)
    names = tuple(training.names[column] for column in model.columns)
    card = ModelCard(
        strategy=strategy,
        symbol=symbol,
        learner=model.learner,
        features=names,
        features_digest=digest_of(names),
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        training_from_ts=int(training.ts[0]),
        training_to_ts=int(training.ts[-1]),
        labels_to_ts=int(training.exit_ts.max()),
        samples=len(training),
        data_digest=training.digest(),
        code_version=code_version,
        seed=seed,
        golden_inputs=golden.astype("<f4").tobytes(),
        golden_outputs=run_rows(onnx, golden).astype("<f8").tobytes(),
        native_max_difference=difference,
        validation=dict(figures),
        calibration=model.calibration.figures(),
        input_guard=model.guard,
        holdout_opened_ts=holdout_opened_ts,
    )
    return encode_card(card), onnx
