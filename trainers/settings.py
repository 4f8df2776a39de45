"""What the trainer may be told: samples, folds, learners, the gate's rules and the delay."""

from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Alpha = Annotated[float, msgspec.Meta(gt=0.0, lt=0.5)]
Count = Annotated[int, msgspec.Meta(ge=1)]
CalibrationMethod = Literal["platt", "beta", "isotonic", "auto"]

SAMPLES_MIN = 50


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a challenger is promoted.

    `alpha` is the one-sided level of the paired log-loss test against a champion, `skill_alpha`
    that at which a challenger must be shown to rank at all. `outcomes_min` and `class_min`
    are what the window must hold at least. `margin_nats` is how much worse per outcome a
    challenger may be than the champion, with confidence 1 - alpha, after a confirmed drift.

    The k-th challenger of one champion is judged at 2 / (k (k + 1)) of `alpha`, where there is no
    champion of `skill_alpha`, so that all of them together spend at most twice of it; a confirmed
    drift begins a new count.

    `rule` auc_improvement is the plain one: an AUC better than the champion's (than .5 without
    one) by `auc_gain_min`, whatever the chance of that. Most of what it promotes is luck.
    """

    rule: Literal["paired_log_loss", "auc_improvement"] = "paired_log_loss"
    alpha: Alpha = 0.10
    skill_alpha: Alpha = 0.05
    outcomes_min: Annotated[int, msgspec.Meta(ge=20)] = 200
    class_min: Annotated[int, msgspec.Meta(ge=5)] = 50
    margin_nats: NotNegative = 0.01
    auc_gain_min: NotNegative = 0.01


class TrainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is trained and judged.

    `min_samples` training samples are needed to train at all; below `warn_samples` the verdict
    says that the sample is small. `gate_share` is the newest share of the samples, on which
    nothing is fitted and the challenger is judged. `embargo_days` keeps further distance between
    training labels and the window. `calibration` is the method that turns margins into
    probabilities, `auto` the one that the sample can carry. A model takes effect `delay_days` of
    event time after its request.

    After a changepoint three samples are tried: since it, all, and all with weights that halve
    every `half_life_days` (0: not). Another request for a scope within `cooldown_days` of event
    time of the last is refused, unless a person asks. The newest `shadows` challengers that were
    not promoted are judged again on what comes; with a `canary_share` a challenger that passes
    the gate first answers that share of the signals.
    """

    learners: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("lightgbm", "logistic")
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 7
    threads: Count = 1
    folds: Annotated[int, msgspec.Meta(ge=2, le=20)] = 5
    min_samples: Annotated[int, msgspec.Meta(ge=SAMPLES_MIN)] = SAMPLES_MIN
    warn_samples: Count = 500
    gate_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.3
    embargo_days: NotNegative = 0.0
    calibration: CalibrationMethod = "platt"
    delay_days: NotNegative = 10.0
    half_life_days: NotNegative = 365.0
    cooldown_days: NotNegative = 1.0
    shadows: Annotated[int, msgspec.Meta(ge=0, le=8)] = 3
    canary_share: Annotated[float, msgspec.Meta(ge=0.0, le=0.5)] = 0.0
    gate: GateSettings = GateSettings()
