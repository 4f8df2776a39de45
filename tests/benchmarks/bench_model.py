"""What a model costs per signal: the bare probability, and with its checks and guard."""

import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest

from models.input_guard import fit_input_guard
from models.onnx_session import load_model
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

SERVED = tuple(f"f{i}" for i in range(84))
COLUMNS = SERVED[10:50]
CALLS = 5_000
ROUNDS = 7
SPEAK_US_MAX = 60.0


def best_us(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, (time.perf_counter() - began) / CALLS)
    return best * 1e6


@pytest.mark.parametrize("is_guarded", [False, True])
def test_a_signal_is_scored_in_microseconds(is_guarded: bool):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1_000, len(COLUMNS))).astype(np.float32)
    artifact = tiny_artifact(
        COLUMNS,
        (0.01,) * len(COLUMNS),
        0.0,
        input_guard=fit_input_guard(rows) if is_guarded else None,
    )
    model = load_model(artifact, SERVED, (TEST_SIGNER.public_hex,))
    vector = rng.normal(size=len(SERVED)).astype(np.float32)
    plain = onnxruntime.InferenceSession(artifact.onnx, providers=["CPUExecutionProvider"])
    feed = {"features": rows[:1]}
    speak_us = best_us(lambda: model.speak(vector))
    print(
        f"\n{len(COLUMNS)} columns, guard {is_guarded}: "
        f"predict {best_us(lambda: model.predict(vector)):.1f} us, speak {speak_us:.1f} us, "
        f"peer session.run {best_us(lambda: plain.run(['probability'], feed)):.1f} us"
    )
    assert speak_us < SPEAK_US_MAX
