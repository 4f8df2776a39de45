"""The model card: what a model is, what it was made from, and what it must reproduce.

A card is canonical JSON (keys sorted, no spaces). Its SHA-256 names the model everywhere, and
the signature is over its bytes; the card in turn holds the SHA-256 of the ONNX graph.
"""

import hashlib
import math
from collections import Counter
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.input_guard import InputGuard
from models.vector import digest_of
from streams.errors import ModelError, ModelRefused

CARD_BYTES_MAX = 4 * 1024 * 1024
GOLDEN_ROWS_MAX = 256
MODEL_FEATURES_MAX = 4096
DIGEST_SHOWN = 12

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A model's card.

    `symbol` None: the model speaks for every symbol of its strategy. Times are UTC nanoseconds of
    the samples' signals; the last of their labels closed at `labels_to_ts`. `validation` holds the
    gate's figures, `calibration` the calibrator's. `golden_inputs` is float32 (rows, features) and
    `golden_outputs` float64 (rows,), little-endian: the probabilities that the ONNX graph gave when
    it was exported. `native_max_difference` is the greatest distance between the learner's own
    probability and the graph's. `holdout_opened_ts`, UTC nanoseconds of the clock: when the sealed
    days that judged it were first opened for it; 0 where none were sealed. `parent`: the digest of
    the model that it was recalibrated from, "" where it was trained anew; `data_digest` and
    `labels_to_ts` are then of the outcomes that it was recalibrated on, the training of the trees
    is the parent's.
    """

    strategy: Name
    symbol: Name | None
    learner: Name
    features: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=MODEL_FEATURES_MAX)]
    features_digest: Digest
    onnx_sha256: Digest
    training_from_ts: int
    training_to_ts: int
    samples: Annotated[int, msgspec.Meta(ge=0)]
    data_digest: str
    code_version: str
    seed: int
    golden_inputs: bytes
    golden_outputs: bytes
    native_max_difference: Annotated[float, msgspec.Meta(ge=0.0)]
    validation: dict[str, float] = {}
    calibration: dict[str, float] = {}
    input_guard: InputGuard | None = None
    format: int = 1
    labels_to_ts: int = 0
    holdout_opened_ts: int = 0
    parent: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""

    def golden_rows(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the golden inputs, float32 (rows, features), and outputs, float64 (rows,).

        Raises ModelRefused if they do not fit each other or are not between 1 and
        GOLDEN_ROWS_MAX.
        """
        rows, left = divmod(len(self.golden_outputs), 8)
        wanted = 4 * rows * len(self.features)
        if left or len(self.golden_inputs) != wanted or not 1 <= rows <= GOLDEN_ROWS_MAX:
            raise ModelRefused(
                f"golden rows do not fit: {len(self.golden_inputs)} bytes of inputs and "
                f"{len(self.golden_outputs)} of outputs for {len(self.features)} features; "
                f"1 to {GOLDEN_ROWS_MAX} rows of float32 inputs with a float64 output each "
                "are allowed; export the model again"
            )
        inputs = np.frombuffer(self.golden_inputs, "<f4").reshape(rows, len(self.features))
        return inputs, np.frombuffer(self.golden_outputs, "<f8")


_decoder = msgspec.json.Decoder(ModelCard)


def encode_card(card: ModelCard) -> bytes:
    """Return the canonical bytes of `card`.

    Raises ModelError if it holds a number that JSON cannot, or rows that do not fit.
    """
    for block, figures in (("validation", card.validation), ("calibration", card.calibration)):
        for key, figure in figures.items():
            if not math.isfinite(figure):
                raise ModelError(
                    f"{block}.{key} must be a finite number, was {figure}: leave out a figure "
                    "that is not defined"
                )
    if not math.isfinite(card.native_max_difference):
        raise ModelError(f"native_max_difference must be finite, was {card.native_max_difference}")
    encoded = msgspec.json.encode(card, order="sorted")
    decode_card(encoded)
    return encoded


def decode_card(data: bytes) -> ModelCard:
    """Return the card in `data`; raises ModelRefused for anything that is not a sound card."""
    if len(data) > CARD_BYTES_MAX:
        raise ModelRefused(f"the card has {len(data)} bytes, at most {CARD_BYTES_MAX}")
    try:
        card = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(f"the card is not readable: {error}; fetch the model again") from None
    if card.format != 1:
        raise ModelRefused(f"the card has format {card.format}, this version reads 1; upgrade")
    repeated = sorted(name for name, count in Counter(card.features).items() if count > 1)
    if repeated:
        raise ModelRefused(f"the card names a feature twice: {', '.join(repeated[:5])}")
    if digest_of(card.features) != card.features_digest:
        raise ModelRefused(
            f"features_digest is {card.features_digest[:DIGEST_SHOWN]}, the features listed give "
            f"{digest_of(card.features)[:DIGEST_SHOWN]}; train the model again"
        )
    card.golden_rows()
    if card.input_guard is not None:
        card.input_guard.check(len(card.features))
    return card


def digest_of_card(data: bytes) -> str:
    """Return the model's digest: the SHA-256, in hex, of its card's bytes."""
    return hashlib.sha256(data).hexdigest()


def version_of(strategy: str, digest: str) -> str:
    """Return the short name people see: the strategy and the first digits of the digest."""
    return f"{strategy}-{digest[:DIGEST_SHOWN]}"
