"""Margins whose true probabilities are known."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trainers.calibrators.calibrator import Calibration, sigmoid
from trainers.graph import INPUT_NAME, OUTPUT_NAME, Graph

PER_DAY = 10


def straight(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds in a line: what Platt can say."""
    return sigmoid(-0.2 + 0.8 * z)


def bent(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds that rise fast above the mean and hardly below it."""
    return sigmoid(-0.4 + 0.2 * z + 1.0 * np.maximum(z, 0.0))


def stepped(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two levels: what neither Platt nor beta can say."""
    return np.where(z > 0.8, 0.75, 0.4)


def draw(truth, count: int, seed: int = 5, scale: float = 3.0):
    """Return (margin, y, weights, days): the margin is an overconfident `scale` · z."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(count)
    y = (rng.random(count) < truth(z)).astype(np.int8)
    margin = (scale * z).astype(np.float32).astype(np.float64)
    return margin, y, rng.uniform(0.5, 1.5, count), np.arange(count) // PER_DAY


def excess_loss(calibration: Calibration, truth, scale: float = 3.0) -> float:
    """Return the expected log-loss beyond that of the truth, nats, over a grid of z."""
    z = np.random.default_rng(99).standard_normal(20_000)
    p, said = truth(z), calibration.probability(scale * z)
    return float((p * np.log(p / said) + (1.0 - p) * np.log((1.0 - p) / (1.0 - said))).mean())


def in_graph(calibration: Calibration, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the calibration's nodes say of float32 margins."""
    graph = Graph(1)
    calibration.add_probability(graph, INPUT_NAME)
    session = onnxruntime.InferenceSession(graph.build(), providers=["CPUExecutionProvider"])
    said = session.run([OUTPUT_NAME], {INPUT_NAME: margins.astype(np.float32)[:, None]})[0]
    return said[:, 0].astype(np.float64)
