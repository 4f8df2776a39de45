"""A model that has proved itself, ready to score one row at a time.

One intra-op thread, sequential execution, batch size 1: a score must not depend on how signals
were batched or on how many cores there are.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.adapter import OUT_OF_DISTRIBUTION, columns_of, why_unusable
from models.artifact import Artifact, check_sizes
from models.card import DIGEST_SHOWN, ModelCard, decode_card, version_of
from models.input_guard import ForKernel, GuardedRow
from models.onnx_scan import scan
from models.row_kernels import FAR_OUT, NOT_FINITE, load_row_kernels
from models.signing import verify
from streams.errors import ModelRefused

INPUT_NAME = "features"
OUTPUT_NAME = "probability"
GOLDEN_TOLERANCE = 1e-6

MODEL_OUTPUT = "model_output"
MODEL_FAULT = "model_fault"

_FLOAT = "tensor(float)"
_RUNTIME_ERRORS_ONLY = 4
_CPU = "CPUExecutionProvider"
_NO_GUARD: ForKernel = (np.zeros(0), np.zeros(0), np.zeros(0), 1.0, 1.0)


class Model:
    """One model in memory: `speak` is what a scorer asks, `predict` the bare probability.

    Buffers are reused between calls, so one Model serves one thread.
    """

    def __init__(
        self, artifact_digest: str, card: ModelCard, session: Any, columns: NDArray[np.intp]
    ) -> None:
        self.card = card
        self.digest = artifact_digest
        self.version = version_of(card.strategy, artifact_digest)
        self._session = session
        self.columns = columns
        self._input: NDArray[np.float32] = np.zeros((1, len(columns)), dtype=np.float32)
        self._row = self._input[0]
        self._output: NDArray[np.float32] = np.zeros(_output_shape(session), dtype=np.float32)
        # The graph reads and writes these two arrays in place: 40 % less time than `run`.
        self._binding = session.io_binding()
        self._binding.bind_input(
            INPUT_NAME, "cpu", 0, np.float32, self._input.shape, self._input.ctypes.data
        )
        self._binding.bind_output(
            OUTPUT_NAME, "cpu", 0, np.float32, self._output.shape, self._output.ctypes.data
        )
        self._run = session.run_with_iobinding
        self._serve = load_row_kernels().serve
        guard = card.input_guard
        of_guard = GuardedRow(guard).for_kernel if guard is not None else _NO_GUARD
        self._for_kernel = (columns, self._row, *of_guard)

    def predict(self, vector: NDArray[np.float32]) -> float:
        """Return the probability for a served vector: float32, all the names it was loaded for.

        NaN or inf in a column of the model gives what the graph makes of it: see `speak`.
        """
        vector.take(self.columns, out=self._row, mode="clip")
        self._run(self._binding)
        return self._output.item()

    def speak(self, vector: NDArray[np.float32]) -> tuple[float | None, tuple[str, ...]]:
        """Return the probability in [0, 1], or None and the reasons why it does not speak.

        Reasons: those of `models.adapter.why_unusable`, `out_of_distribution`, `model_output`
        (not a probability), `model_fault` (the graph failed on this row).
        """
        found = self._serve(vector, *self._for_kernel)
        if found == NOT_FINITE:
            return None, why_unusable(self.card.features, self._row)
        if found == FAR_OUT:
            return None, (OUT_OF_DISTRIBUTION,)
        try:
            self._run(self._binding)
        except Exception:  # onnxruntime's own errors share no narrower root
            return None, (MODEL_FAULT,)
        probability = self._output.item()
        if not 0.0 <= probability <= 1.0:
            return None, (MODEL_OUTPUT,)
        return probability, ()

    def predict_row(self, row: NDArray[np.float32]) -> float:
        """Return the probability for a row of the model's own columns: float32 (k,)."""
        self._row[:] = row
        self._run(self._binding)
        return self._output.item()


def load_model(
    artifact: Artifact,
    available_names: Sequence[str],
    trusted_keys: Iterable[str],
    expected_digest: str | None = None,
    scope: tuple[str, str | None] | None = None,
) -> Model:
    """Return the model of `artifact`, once everything about it has been verified.

    `available_names` is the served vector; `trusted_keys` are hex public keys;
    `expected_digest` and `scope` (strategy, symbol or None) are what a deployment named.

    Checked in this order: sizes, digest, signature, card, scope, the graph's hash, its
    operators, feature names, shapes, golden rows. Raises ModelRefused saying what is wrong;
    a refusal changes nothing.
    """
    check_sizes(artifact.card_bytes, artifact.onnx)
    digest = artifact.digest
    if expected_digest is not None and digest != expected_digest:
        raise ModelRefused(
            f"the card has digest {digest[:DIGEST_SHOWN]}, {expected_digest[:DIGEST_SHOWN]} was "
            "deployed; put the deployed model into the store again"
        )
    verify(artifact.card_bytes, artifact.signature, trusted_keys)
    card = decode_card(artifact.card_bytes)
    if scope is not None:
        _check_scope(card, *scope)
    found = hashlib.sha256(artifact.onnx).hexdigest()
    if found != card.onnx_sha256:
        raise ModelRefused(
            f"the graph has SHA-256 {found[:DIGEST_SHOWN]}, its card says "
            f"{card.onnx_sha256[:DIGEST_SHOWN]}: the file is truncated, corrupt or another "
            "model's; fetch it again"
        )
    scan(artifact.onnx)
    columns = columns_of(card.features, available_names)
    session = open_session(artifact.onnx)
    _check_shapes(session, len(card.features))
    model = Model(digest, card, session, columns)
    _prove(model)
    return model


def open_session(onnx: bytes) -> Any:
    """Return a deterministic onnxruntime session; raises ModelRefused if it takes no such graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _RUNTIME_ERRORS_ONLY
    # A few hundred bytes are in flight per row: an arena would only hold memory back.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=[_CPU])
    except Exception as fault:  # as above
        raise ModelRefused(f"onnxruntime cannot load the graph: {_first_line(fault)}") from None


def _check_scope(card: ModelCard, strategy: str, symbol: str | None) -> None:
    # A strategy's model may speak for one symbol alone, not the other way round.
    if card.strategy != strategy or card.symbol not in (None, symbol):
        raise ModelRefused(
            f"the model was trained for {_scope_text(card.strategy, card.symbol)}, it cannot "
            f"speak for {_scope_text(strategy, symbol)}; deploy it where it belongs"
        )


def _scope_text(strategy: str, symbol: str | None) -> str:
    return f"{strategy} on {symbol}" if symbol else f"{strategy} on every symbol"


def _output_shape(session: Any) -> tuple[int, ...]:
    return (1,) * len(session.get_outputs()[0].shape)


def _check_shapes(session: Any, width: int) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    names = ([i.name for i in inputs], [o.name for o in outputs])
    if names != ([INPUT_NAME], [OUTPUT_NAME]):
        raise ModelRefused(
            f"the graph takes {names[0]} and gives {names[1]}; one input {INPUT_NAME!r} and one "
            f"output {OUTPUT_NAME!r} are allowed"
        )
    given, told = inputs[0], outputs[0]
    if given.type != _FLOAT or not _fits(given.shape, (None, width)):
        raise ModelRefused(
            f"the graph's input is {given.type} {given.shape}, its card lists {width} features: "
            f"float [rows, {width}] is expected"
        )
    if told.type != _FLOAT or not (_fits(told.shape, (None, 1)) or _fits(told.shape, (None,))):
        raise ModelRefused(
            f"the graph's output is {told.type} {told.shape}: float [rows, 1] or [rows] is expected"
        )


def _fits(shape: Sequence[int | str | None], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is (rows, *fixed), rows being free or 1."""
    if len(shape) != len(wanted) or (isinstance(shape[0], int) and shape[0] != 1):
        return False
    return list(shape[1:]) == list(wanted[1:])


def _prove(model: Model) -> None:
    inputs, expected = model.card.golden_rows()
    for place, (row, wanted) in enumerate(zip(inputs, expected, strict=True)):
        try:
            given = model.predict_row(row)
        except Exception as fault:  # as above
            raise ModelRefused(f"the graph fails on a golden row: {_first_line(fault)}") from None
        if not 0.0 <= given <= 1.0:
            raise ModelRefused(
                f"golden row {place} gives {given}, a probability must be in [0, 1]; "
                "calibrate the model"
            )
        if not abs(given - wanted) <= GOLDEN_TOLERANCE:
            raise ModelRefused(
                f"golden row {place} gives {given:.9g} here, {wanted:.9g} where it was made: more "
                f"than {GOLDEN_TOLERANCE:g} apart; export it with this version of onnxruntime "
                f"({onnxruntime.__version__})"
            )


def _first_line(fault: BaseException) -> str:
    return str(fault).partition("\n")[0][:300]
