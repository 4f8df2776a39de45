"""All that is known of one model: what its page, its summary and `pipeline_results.json` tell.

Numbers are plain, in the units that their names say. What is not defined is None: a `Figure` says
why by itself, a part of the report by `missing`. Days are UTC. A log-loss gain is in nats per
outcome, the constant's loss less the model's: above 0 where the model is better.
"""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from trainers.evaluation.cpcv_paths import CpcvFigures
from trainers.evaluation.evaluation import Evaluation
from trainers.evaluation.figure import Figure
from trainers.evaluation.importance import Importance
from trainers.evaluation.model_walk_forward import ModelWalkForward
from trainers.evaluation.overfitting import ModelDeflated, ModelPbo
from trainers.evaluation.period_figures import PeriodFigures
from trainers.served_difference import ServedDifference

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class DaySpan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days, both included."""

    first_day: date
    last_day: date


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model this is, and what it was made from.

    `symbol` None: it speaks for all symbols of the strategy. `params` are the strategy's.
    `known_to_ts`, event time, UTC ns: the last label that it learned from was closed then.
    `trained_ts`: what the clock said when it was made. `version`: its short name, None where no
    model was written. `libraries`: the versions of those that fitted it. `chosen_from_ts` and
    `chosen_to_ts`, 0 where nobody searched: the bars on which `params` were chosen.
    """

    strategy: str
    symbol: str | None
    interval: str
    params: dict[str, Any]
    data_digest: str
    code_version: str
    seed: int
    known_to_ts: int
    trained_ts: int | None = None
    version: str | None = None
    libraries: dict[str, str] = {}
    chosen_from_ts: int = 0
    chosen_to_ts: int = 0


class Spans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The days that were searched, and those that were sealed; `scheme`: how folds were cut.

    `purged` samples are in neither, for their labels were not closed in time.
    """

    research: DaySpan
    holdout: DaySpan | None
    embargo_days: float
    scheme: str
    purged: Count = 0


class Samples(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The samples of the research span, and how many were held out.

    `effective`: the sum of their weights by average uniqueness, how many they amount to at most.
    `features`: columns on offer. `vectors`: as the stream served them, or recomputed from bars.
    """

    count: Count
    effective: float
    days: Count
    symbols: Count
    base_rate: Share
    mean_r: float
    features: Count
    holdout_count: Count = 0
    vectors: Literal["recomputed", "served"] = "recomputed"
    warnings: tuple[str, ...] = ()


class Candidate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that was tried, by its figures out of fold.

    `members` of an ensemble or a blend, () for a learner; `params` are its hyperparameters;
    `trials`, how many its search took, in `seconds`.
    """

    name: str
    log_loss_gain: Figure
    auc: Figure
    is_chosen: bool = False
    members: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    trials: Count = 0
    seconds: float | None = None


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The search of hyperparameters; its values are out-of-fold log-losses, lower is better.

    `complete` trials of all learners, of which `found` were there from a run that was resumed.
    `default_log_loss`: that of the hyperparameters nobody searched for.
    """

    sampler: str
    complete: Count
    pruned: Count = 0
    failed: Count = 0
    found: Count = 0
    best_log_loss: float | None = None
    default_log_loss: float | None = None
    seconds: float | None = None


class FeatureChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The features that the model reads, and how far the folds agree on them.

    `clusters`: groups of alike features, of each of which one was taken; None: all were. Stability
    is 1 where all folds choose alike and about 0 where they do by chance
    (`trainers.selection.selection_stability`): of the features, and of their clusters.
    `share_by_feature`: the share of the folds that chose each.
    """

    clusters: Count | None
    columns: tuple[str, ...]
    stability: Figure | None = None
    cluster_stability: Figure | None = None
    share_by_feature: dict[str, Share] = {}


class CalibrationChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How margins were made probabilities, fitted to `rows` of them out of fold."""

    method: str
    rows: Count
    figures: dict[str, float] = {}


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The probability from which a signal is accepted, and by what `rule`.

    `break_even`: from which a signal earns its costs by itself.
    """

    value: Share
    rule: str
    break_even: Share | None = None


class WalkForwardRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fold: trained on `train_count` labels that closed before its test days.

    `tested`: what the model of those days was worth on the fold's own.
    """

    train: DaySpan
    test: DaySpan
    train_count: Count
    tested: PeriodFigures


class WalkForwardReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The folds one by one, and what they say together, past against future."""

    folds: tuple[WalkForwardRow, ...]
    summary: ModelWalkForward | None = None


class Combinatorial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Combinatorial purged cross-validation: `test_groups` of `groups` were tested at a time."""

    groups: Count
    test_groups: Count
    figures: CpcvFigures


class Overfitting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the search by itself may explain what it found.

    `deflated`: of the daily R of the accepted, by the trials that the ledger counts.
    """

    pbo: ModelPbo
    deflated: ModelDeflated


class Holdout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed days: opened at `opened_ts`, by the clock, and what they said.

    They had been opened before, `opened_for_others` times for other models: whoever chose again
    knew what they hold.
    """

    opened_ts: int
    opened_before: Count
    opened_for_others: Count
    evaluation: Evaluation


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gate's word: `reason` is one of `trainers.gate`; it was decided by `figures`."""

    promoted: bool
    reason: str
    figures: dict[str, float] = {}


class ModelReport(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="model"
):
    """The account of one model.

    A part that was not asked for, or cannot be had, is None or empty, and `missing` says why, by
    its name. `settings` are the pipeline's. `files`: paths by what they hold
    (`model`, `card`, `summary`, `report`), relative to the folder of `pipeline_results.json`.
    """

    identity: Identity
    spans: Spans
    samples: Samples
    verdict: Verdict
    candidates: tuple[Candidate, ...] = ()
    tuning: Tuning | None = None
    feature_choice: FeatureChoice | None = None
    calibration: CalibrationChoice | None = None
    threshold: Threshold | None = None
    walk_forward: WalkForwardReport | None = None
    combinatorial: Combinatorial | None = None
    overfitting: Overfitting | None = None
    out_of_fold: Evaluation | None = None
    holdout: Holdout | None = None
    importance: Importance | None = None
    served_difference: ServedDifference | None = None
    missing: dict[str, str] = {}
    settings: dict[str, Any] = {}
    files: dict[str, str] = {}


class ModelFailure(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="failure"
):
    """A model that could not be made: `reason` says what was wrong, and what to do."""

    strategy: str
    symbol: str | None
    reason: str
