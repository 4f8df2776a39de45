"""A meta-labelling model in scikit-learn's hands: fit, predict_proba, save, load.

    model = SignalQualityModel(strategy="rsi2").fit(x, y, start_ts=ts, end_ts=exit_ts, names=names)
    model.save("models/rsi2.onnx")
    SignalQualityModel.load("models/rsi2.onnx").predict_proba(x)

One of the house's learners, calibrated on margins that it gave out of fold, as one ONNX graph from
the moment it is fitted: what predicts here is what is saved, and what a scorer or a
`models.predictor.SignalQualityPredictor` is served, bit for bit. Nothing is pickled.

Folds never look ahead where times are known: walk-forward, purged by label spans. Without times
rows are taken to be in time order, and each label to last a hundredth of them.

It is a plain model. What searches, chooses, compares and judges is `trainers/pipeline/`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight
from threadpoolctl import threadpool_limits

from models.artifact import Artifact, save_artifact
from models.card import ModelCard, Name, decode_card, encode_card
from models.predictor import ANYBODY, load_own_model, read_artifact
from models.signing import SigningKey
from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.calibrated_fit import CalibratedFit, figures_of, fit_calibrated
from trainers.calibrators.calibrate import AUTO
from trainers.challenger import Challenger
from trainers.columns import complete_rows, usable_columns
from trainers.database.provenance import code_version
from trainers.dataset import Dataset
from trainers.evaluation.refusals import check_samples, training_warnings
from trainers.labelled_table import (
    UnsoundInput,
    as_value_errors,
    dataset_of_table,
    matrix_of,
    names_of,
    refuse_unknown,
    times_of,
    told,
)
from trainers.learner import decode_params
from trainers.model_writing import write_model
from trainers.onnx_export import run_rows
from trainers.sample_weights import weights_of
from trainers.settings import SAMPLES_MIN

SUFFIX = ".onnx"
OUTCOMES = (0, 1)
FOLDS_MAX = 1_000
THREADS_MAX = 256
FIT_REMEDY = (
    "leave those rows or columns out, or fit_samples, which does; a feature is unknown before its "
    "warm-up, or without its context"
)
PREDICT_REMEDY = "there is no probability of a row that is not complete: leave it out"

Floats = NDArray[np.float64]


class _Settings(msgspec.Struct, frozen=True):
    """What a model may be wanted."""

    learner: str
    params: dict[str, Any] | None
    calibration: str
    folds: Annotated[int, msgspec.Meta(ge=2, le=FOLDS_MAX)]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    threads: Annotated[int, msgspec.Meta(ge=1, le=THREADS_MAX)]
    strategy: Name
    symbol: Name | None


class SignalQualityModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """The probability that a signal wins.

    `learner` is one of `trainers/learners/`, `params` its hyperparameters where they are not the
    defaults; `calibration` one of `trainers.calibrators.calibrate.METHODS`; `folds` how often it is
    fitted to predict out of fold. `strategy` and `symbol` say on the card whose model it is.

    After `fit`: `classes_`, `n_features_in_`, `feature_names_in_`, `out_of_fold_` (the calibrated
    out-of-fold probabilities of the rows given, float64 (n,), NaN where none was made), `card_`,
    `onnx_`. Fitting again gives the same bytes.
    """

    def __init__(
        self,
        learner: str = "lightgbm",
        *,
        params: Mapping[str, Any] | None = None,
        calibration: str = AUTO,
        folds: int = 5,
        seed: int = 7,
        threads: int = 1,
        strategy: str = "signal_quality",
        symbol: str | None = None,
    ) -> None:
        self.learner = learner
        self.params = params
        self.calibration = calibration
        self.folds = folds
        self.seed = seed
        self.threads = threads
        self.strategy = strategy
        self.symbol = symbol

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        *,
        sample_weight: Any = None,
        start_ts: Any = None,
        end_ts: Any = None,
        symbols: Any = None,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Fit to X (n, k), an array or a pandas or polars frame, and two classes y (n,).

        `start_ts`, `end_ts`: when each label starts and ends, UTC nanoseconds or datetime64;
        `symbols`: of which symbol it is; `names` of the columns. Rows may then come in any order.
        Without `sample_weight` rows weigh by average uniqueness where times are given, else alike;
        rows of weight 0 are left out. Warns below 500 rows; raises UnsoundInput (a ValueError) for
        what cannot be learned from, ConfigError for a setting that there is none of.
        """
        wanted = self._settings()
        params = decode_params(
            wanted.learner, wanted.params or {}, f"{type(self).__name__}: params"
        )
        named = names_of(X, names)
        x = matrix_of(X)
        columns = named or tuple(f"x{column}" for column in range(x.shape[1]))
        refuse_unknown(x, columns, FIT_REMEDY)
        classes, outcome = _classes(y, x)
        times = times_of(len(x), start_ts, end_ts, symbols)
        kept, given = np.arange(len(x)), None
        if sample_weight is not None:
            checked = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
            kept = np.flatnonzero(checked > 0.0)
            given = checked[kept].astype(np.float64)
        samples, order = dataset_of_table(x, outcome, columns, times)
        is_kept = np.isin(order, kept)
        samples, order = samples.take(is_kept), order[is_kept]
        with as_value_errors():
            check_samples(samples, min_samples=SAMPLES_MIN)
        for words in training_warnings(samples):
            warnings.warn(words, UserWarning, stacklevel=2)
        if given is not None:
            weights = given[np.searchsorted(kept, order)] / given.mean()
        elif times.is_known:
            weights = weights_of(samples)
        else:
            weights = np.ones(len(samples))
        what = CalibratedFit(wanted.learner, params, wanted.calibration, wanted.folds)
        # Small fits lose more time to threads that wait for one another than they gain.
        with as_value_errors(), threadpool_limits(wanted.threads):
            challenger = fit_calibrated(
                samples,
                weights,
                what,
                seed=wanted.seed,
                threads=wanted.threads,
                is_timed=times.is_known,
            )
        card, self.onnx_ = self._written(challenger, is_timed=times.is_known)
        self._take(card, classes)
        if named is None:
            del self.feature_names_in_
        self.out_of_fold_ = np.full(len(x), np.nan)
        self.out_of_fold_[order] = challenger.out_of_fold
        return self

    def fit_samples(self, samples: Dataset, *, sample_weight: Any = None) -> Self:
        """Fit to samples, to their usable columns and complete rows alone. Errors as `fit`.

        `out_of_fold_` is of the rows that were complete.
        """
        with as_value_errors():
            check_samples(samples, min_samples=SAMPLES_MIN)
        columns = usable_columns(samples.x)
        rows = np.flatnonzero(complete_rows(samples.x, columns))
        return self.fit(
            samples.x[np.ix_(rows, columns)],
            samples.y[rows],
            sample_weight=None if sample_weight is None else np.asarray(sample_weight)[rows],
            start_ts=samples.ts[rows],
            end_ts=samples.exit_ts[rows],
            symbols=samples.symbols[rows],
            names=[samples.names[column] for column in columns],
        )

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Return the probabilities of both classes, float64 (n, 2), in the order of `classes_`.

        Of a frame the model takes its own columns by name; an array must have just these. Raises
        NotFittedError before `fit`, UnsoundInput for rows that cannot be scored.
        """
        self._refuse_unfitted()
        is_named = hasattr(self, "feature_names_in_")
        x = matrix_of(X, self.card_.features if is_named else None)
        if x.shape[1] != self.n_features_in_:
            raise UnsoundInput(
                f"X has {x.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: {told(self.card_.features)}; give "
                "these columns in this order, or a frame that has them"
            )
        refuse_unknown(x, self.card_.features, PREDICT_REMEDY)
        wins = run_rows(self.onnx_, x)
        return np.column_stack((1.0 - wins, wins))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the likelier class of each row, (n,), as the labels were called."""
        wins = self.predict_proba(X)[:, 1] > 0.5
        found: NDArray[Any] = self.classes_[wins.astype(np.intp)]
        return found

    def save(self, path: str | Path, *, signer: SigningKey | None = None) -> Path:
        """Write the model as three files: `<name>.onnx`, `.card.json`, `.sig`; return the first.

        A scorer lets a model speak that is signed by one it trusts: `signer` is that one's key
        (`models.signing.load_signing_key`). Without one the files are whole and vouched for by
        nobody, for programs of one's own. Raises ConfigError where the labels are not 0 and 1.
        """
        self._refuse_unfitted()
        if not _are_outcomes(self.classes_):
            raise ConfigError(
                f"a model that is saved speaks of outcomes 0 and 1, its labels were "
                f"{self.classes_.tolist()}: fit it on y == {self.classes_[1]!r}"
            )
        target = Path(path)
        card = encode_card(self.card_)
        signature = (signer or ANYBODY).sign(card)
        name = target.name.removesuffix(SUFFIX)
        return save_artifact(Artifact(card, self.onnx_, signature), target.parent, name)

    @classmethod
    def load(cls, path: str | Path, *, trusted_keys: Iterable[str] | None = None) -> Self:
        """Return a saved model, once its digest and its golden rows have been verified.

        `trusted_keys`: hex public keys one of which must have signed it; None: whoever did.
        Raises ModelRefused for files that are missing or do not verify.
        """
        target = Path(path)
        if target.suffix != SUFFIX and not target.is_dir():
            target = target.with_name(target.name + SUFFIX)
        artifact = read_artifact(target)
        card = load_own_model(artifact, trusted_keys).card
        model = cls(card.learner, seed=card.seed, strategy=card.strategy, symbol=card.symbol)
        model.onnx_ = artifact.onnx
        model._take(card, np.array(OUTCOMES))
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "card_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _settings(self) -> _Settings:
        given = {name: getattr(self, name) for name in _Settings.__struct_fields__}
        # A search over settings hands in numpy's numbers.
        plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in given.items()}
        return decode_strict(plain, _Settings, type(self).__name__)

    def _take(self, card: ModelCard, classes: NDArray[Any]) -> None:
        self.card_ = card
        self.classes_ = classes
        self.n_features_in_ = len(card.features)
        self.feature_names_in_ = np.array(card.features, dtype=object)

    def _written(self, challenger: Challenger, *, is_timed: bool) -> tuple[ModelCard, bytes]:
        card, onnx = write_model(
            challenger,
            strategy=self.strategy,
            symbol=self.symbol,
            seed=int(self.seed),
            figures=figures_of(challenger),
            code_version=code_version(),
        )
        found = decode_card(card)
        if not is_timed:
            # Rows were numbered, not dated: nobody shall take that for 1970.
            unknown = {"training_from_ts": 0, "training_to_ts": 0, "labels_to_ts": 0}
            found = msgspec.structs.replace(found, **unknown)
        return found, onnx

    def _refuse_unfitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet: call fit with samples, or "
                f"{type(self).__name__}.load with the path of a saved one"
            )


def _classes(y: Any, x: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Return the two labels there are, ascending, and which of them each row has, int8[n]."""
    if y is None:
        raise UnsoundInput(
            "fit requires y to be passed, but the target y is None: give the outcome of each row"
        )
    labels = column_or_1d(y, warn=True)
    check_consistent_length(x, labels)
    check_classification_targets(labels)
    classes, outcome = np.unique(labels, return_inverse=True)
    if classes.size > 2:
        raise UnsoundInput(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(labels)}: give 1 where the signal won, 0 where it lost"
        )
    if classes.size == 1 and len(labels) >= SAMPLES_MIN:
        raise UnsoundInput(
            f"y must have samples of both classes, has one class only: all {len(labels)} are "
            f"{classes[0]!r}; look at the label's barriers, or give a longer history"
        )
    return classes, outcome.astype(np.int8)


def _are_outcomes(classes: NDArray[Any]) -> bool:
    return classes.dtype.kind in "biuf" and classes.astype(float).tolist() == list(OUTCOMES)
