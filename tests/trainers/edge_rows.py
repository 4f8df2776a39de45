"""Rows where trees decide, and graphs asked for them."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trainers.graph import INPUT_NAME, OUTPUT_NAME, Graph
from trainers.learner import Fitted

FLOAT32_MAX = np.finfo(np.float32).max
SIDES = np.array([-FLOAT32_MAX, np.nan, FLOAT32_MAX], dtype=np.float32)


def rows_on_edges(fitted: Fitted, width: int, count: int, seed: int) -> NDArray[np.float32]:
    """`count` rows whose every value stands on an edge, or one ulp below or above it."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, width)).astype(np.float32)
    of_column: dict[int, list[float]] = {}
    for column, value in fitted.edges():
        of_column.setdefault(column, []).append(value)
    for column, values in of_column.items():
        edges = rng.choice(np.array(values, dtype=np.float32), count)
        toward = rng.choice(SIDES, count)
        rows[:, column] = np.nextafter(edges, np.where(np.isnan(toward), edges, toward))
    return rows


def margin_graph(fitted: Fitted, width: int) -> bytes:
    """The graph that says margins."""
    graph = Graph(width)
    graph.node("Identity", fitted.add_margin(graph, INPUT_NAME), output=OUTPUT_NAME)
    return graph.build()


def run_batch(onnx_bytes: bytes, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The graph's answers to all rows at once, float64[n], on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    said = session.run([OUTPUT_NAME], {INPUT_NAME: x})[0][:, 0]
    return np.asarray(said, dtype=np.float64)
