"""From a fitted learner and its calibration to one ONNX graph, with proof that they agree."""

from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streams.errors import ModelError
from trainers.calibrators.calibrator import Calibration
from trainers.graph import INPUT_NAME, OUTPUT_NAME, Graph
from trainers.learner import Fitted

T = TypeVar("T")

DIFFERENCE_MAX = 1e-6
PROOF_EDGES_MAX = 4_000
FLOAT32_MAX = np.finfo(np.float32).max


def export(fitted: Fitted, calibration: Calibration, width: int) -> bytes:
    """Return the ONNX bytes of "features" float32[n, width] -> "probability" float32[n, 1].

    The calibrator is part of the graph. The same arguments give the same bytes.
    """
    graph = Graph(width)
    margin = fitted.add_margin(graph, INPUT_NAME)
    calibration.add_probability(graph, margin)
    return graph.build()


def native(fitted: Fitted, calibration: Calibration, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of x[n, k] in the learner's own arithmetic, float64[n]."""
    return calibration.probability(fitted.margin(x))


def run_rows(onnx_bytes: bytes, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the graph's probabilities of x[n, k], row by row as the scorer asks, float64[n]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    outputs = [session.run([OUTPUT_NAME], {INPUT_NAME: row[None]})[0].item() for row in x]
    return np.array(outputs, dtype=np.float64)


def proof_rows(fitted: Fitted, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `rows`, and rows on every edge of the model and one ulp to each side of it.

    Of as many as PROOF_EDGES_MAX edges one at a time; of all, up to as many a column, with an edge
    of every column in each row.
    """
    edges = fitted.edges()
    chosen = _thinned(edges)
    alone = np.repeat(rows[np.arange(len(chosen)) % rows.shape[0]], 3, axis=0)
    for number, (column, value) in enumerate(chosen):
        alone[3 * number : 3 * number + 3, column] = _beside(np.float32(value))
    of_column: dict[int, list[float]] = {}
    for column, value in edges:
        of_column.setdefault(column, []).append(value)
    of_column = {column: _thinned(values) for column, values in of_column.items()}
    most = max(map(len, of_column.values()), default=0)
    together = np.repeat(rows[np.arange(most) % rows.shape[0]], 3, axis=0)
    for column, values in of_column.items():
        repeated = np.resize(np.array(values, dtype=np.float32), most)
        together[:, column] = _beside(repeated).T.reshape(-1)
    return np.concatenate((rows, alone, together))


def _beside(edge: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """Return edges[m], and the next float32 below and above them, [3, m]."""
    sides = (np.nextafter(edge, side) for side in (-FLOAT32_MAX, FLOAT32_MAX))
    return np.stack((edge, *sides))


def _thinned(values: list[T]) -> list[T]:
    """Return at most PROOF_EDGES_MAX of `values`, evenly."""
    return values[:: max(1, -(-len(values) // PROOF_EDGES_MAX))]


def prove(
    onnx_bytes: bytes, fitted: Fitted, calibration: Calibration, rows: NDArray[np.float32]
) -> float:
    """Return the largest |native - ONNX| over `rows` and the model's edges.

    Raises ModelError above 1e-6: a model that is served otherwise than it was trained must not
    leave the house.
    """
    checked = proof_rows(fitted, rows)
    difference = np.abs(run_rows(onnx_bytes, checked) - native(fitted, calibration, checked))
    worst = float(difference.max())
    if not worst <= DIFFERENCE_MAX:
        raise ModelError(
            f"the ONNX graph must agree with the learner to {DIFFERENCE_MAX}, differs by {worst} "
            f"on row {int(difference.argmax())} of {checked.shape[0]}: do not deploy it"
        )
    return worst
