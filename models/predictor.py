"""A model of `ml.model_path` in any Python program: no broker, no offline library.

    predictor = SignalQualityPredictor("models/rsi2.onnx", MlSettings(prediction_mode="filter"))
    decision = predictor.apply(0.7, {"ibs": 0.1, "rsi_2": 4.0, "signal_score": 0.7})

It answers as the scorer does: the same checks on loading, the same silence on a row that cannot be
served or that looks like none it was trained on, the same modes (`models.mode`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.adapter import REASONS_TOLD_MAX
from models.artifact import Artifact, load_artifact
from models.card import ModelCard
from models.mode import Decision, decide
from models.onnx_session import Model, load_model
from models.settings import MlSettings
from models.signing import SigningKey
from streams.errors import ModelError, ModelRefused
from streams.interval import DAY_NS

EXPIRED = "expired"
MISSING = "missing_feature:"

ANYBODY = SigningKey(bytes(32))
"""A key that everybody has. What it signs is whole, and vouched for by nobody: no scorer trusts
it."""


class Prediction(NamedTuple):
    """The probability in [0, 1] that the signal wins, or None and the reasons why there is none."""

    probability: float | None
    reasons: tuple[str, ...]


class SignalQualityPredictor:
    """One model, and how it acts on a signal's score. One predictor serves one thread.

    `model_path` is a graph's file, beside its card and signature, or a folder of `model.onnx`;
    None: that of `settings`. `trusted_keys` are the hex public keys of those whose models may
    speak; None: whoever signed, for files of one's own. Raises ModelRefused for a model that is
    missing or does not verify.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        settings: MlSettings | None = None,
        *,
        trusted_keys: Iterable[str] | None = None,
    ) -> None:
        self.settings = settings or MlSettings()
        path = model_path if model_path is not None else self.settings.model_path
        self._model = load_own_model(read_artifact(path), trusted_keys)
        self._row = np.empty(len(self.features), dtype=np.float32)

    @property
    def card(self) -> ModelCard:
        """What the model was made from."""
        return self._model.card

    @property
    def version(self) -> str:
        """The model's short name."""
        return self._model.version

    @property
    def features(self) -> tuple[str, ...]:
        """The names that `predict` wants, in the model's order."""
        return self._model.card.features

    def predict(self, features: Mapping[str, float | None]) -> Prediction:
        """Return what the model says of a signal; names that are not its own do not matter.

        Reasons: `missing_feature:<name>` for a name that is not there, and those of
        `models.onnx_session.Model.speak`: `warming` for NaN, `not_finite:<name>`,
        `out_of_distribution`, `model_output`, `model_fault`. Raises ModelError for a value that
        is no number.
        """
        missing = [name for name in self.features if features.get(name) is None]
        if missing:
            return Prediction(None, tuple(MISSING + n for n in missing[:REASONS_TOLD_MAX]))
        with np.errstate(over="ignore"):  # What leaves float32 is `not_finite`.
            for place, name in enumerate(self.features):
                self._row[place] = _number(name, features[name])
        return Prediction(*self._model.speak(self._row))

    def apply(
        self,
        score: float,
        features: Mapping[str, float | None],
        *,
        ts: int | None = None,
        policy: str | None = None,
    ) -> Decision:
        """Return what becomes of a signal of technical `score` in [0, 1] under the settings.

        `ts` is the signal's, UTC nanoseconds: past `max_age_days` after the last label that it
        was trained on, the model is `expired` and the fallback decides. `policy` as in
        `models.mode.decide`.
        """
        if not 0.0 <= score <= 1.0:
            raise ModelError(f"score must be in [0, 1], was {score}")
        if self._is_expired(ts):
            return decide(self.settings, score, None, (EXPIRED,), policy)
        return decide(self.settings, score, *self.predict(features), policy=policy)

    def _is_expired(self, ts: int | None) -> bool:
        limit = self.settings.max_age_days
        if ts is None or limit is None:
            return False
        return ts - max(self.card.training_to_ts, self.card.labels_to_ts) > limit * DAY_NS


def read_artifact(path: str | Path | None) -> Artifact:
    """Return the artefact at `path`; raises ModelRefused, which says what to do, for none."""
    if path is None or not str(path).strip():
        raise ModelRefused(
            "no model is named: give model_path, or set ml.model_path to the .onnx file of a "
            "model; assay train writes one"
        )
    found = Path(path)
    if not found.exists():
        raise ModelRefused(
            f"model_path {found} does not exist: train a model with assay train or assay "
            "pipeline, or save a SignalQualityModel, and name its .onnx file"
        )
    return load_artifact(found)


def load_own_model(artifact: Artifact, trusted_keys: Iterable[str] | None = None) -> Model:
    """Return the model of an artefact for rows of its own features, in its own order.

    All that `load_model` verifies is verified; with `trusted_keys` None the signature is not.
    """
    if trusted_keys is None:
        # The caller vouches: whoever may change these files may change the program as well.
        signature = ANYBODY.sign(artifact.card_bytes)
        artifact = Artifact(artifact.card_bytes, artifact.onnx, signature)
        trusted_keys = (ANYBODY.public_hex,)
    return load_model(artifact, artifact.card.features, trusted_keys)


def _number(name: str, value: float | None) -> float:
    try:
        if not isinstance(value, str | bytes):
            return float(value)  # type: ignore[arg-type]  # None was answered before
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        pass
    raise ModelError(f"feature {name} must be a number, was {value!r:.40}")
