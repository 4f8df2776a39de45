"""How the pipeline trains: which days, which learners, and what is tried."""

import math
from typing import Annotated, Any, Literal

import msgspec

from streams.errors import ConfigError
from trainers.settings import SAMPLES_MIN, Alpha, Count, GateSettings, NotNegative
from trainers.validation.walk_forward_dates import WalkForwardDates

GATE_ALPHA = 0.05
"""Half of what a challenger of the live loop is held to: a searched model stands for many
candidates. `bench_layer_a` counts how many models of noise are let through.
"""

BOOSTERS = ("lightgbm", "xgboost", "catboost")
LINE = "logistic"
TUNED = (*BOOSTERS, LINE)
BY_DATES_SAMPLES_MIN = 500
"""Fewer than these before the holdout are too few to leave any out for the calendar's sake."""

EMBARGO_DAYS_MAX = 3_660.0
"""Ten years: a longer one is a mistaken unit."""
TRIALS_MAX = 10_000
CPCV_SPLITS_MAX = 500
"""Each is a fit of the model taken."""
LEGACY_GROUPS = 6
"""Of the legacy forest's search, where no groups are asked for."""


class PipelineGate(GateSettings, frozen=True, forbid_unknown_fields=True):
    """The gate of a searched model: as that of the live loop, at a level of its own."""

    alpha: Alpha = GATE_ALPHA


class PipelineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `pipeline` key of a run file.

    `spans`: `dates` walks forward and holds out by the calendar of `dates` (2016 to 2020, and 2021
    to 2024); `share` walks in `folds` parts of equal size and holds the newest `holdout_share` of
    the samples out; `auto` takes the dates where both of their spans have enough samples.
    `train_folds` makes a walk by share rolling: so many parts train; 0: all before, anchored.

    `learners` take part, with their defaults; those of `tuned` are searched first, in `trials`
    trials each. Without `ensemble` there is one model of the first of `learners`, beside the
    logistic one. Features that say the same are put into `clusters` clusters, of which one
    each is used; 0: all are used. `cpcv_groups` of time, of which `cpcv_test_groups` are tested at
    once, make the paths of combinatorial purged cross-validation; 0: none.

    `half_life_days` lets samples fade with age; 0: they do not. `threshold`: the probability from
    which a signal is worth taking, searched (`utility`) or where a trade of mean win and loss
    breaks even.
    """

    spans: Literal["auto", "dates", "share"] = "auto"
    dates: WalkForwardDates = WalkForwardDates()
    holdout_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.3
    folds: Annotated[int, msgspec.Meta(ge=2, le=20)] = 5
    train_folds: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    embargo_days: Annotated[float, msgspec.Meta(ge=0.0, le=EMBARGO_DAYS_MAX)] = 0.0
    learners: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = (
        *BOOSTERS,
        LINE,
        "random_forest",
    )
    tuned: tuple[str, ...] = TUNED
    trials: Annotated[int, msgspec.Meta(ge=1, le=TRIALS_MAX)] = 100
    ensemble: bool = True
    legacy_forest: bool = False
    clusters: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 30
    calibration: Literal["auto", "platt", "beta", "isotonic"] = "auto"
    threshold: Literal["break_even", "utility"] = "break_even"
    half_life_days: NotNegative = 0.0
    cpcv_groups: Annotated[int, msgspec.Meta(ge=0, le=20)] = 6
    cpcv_test_groups: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    min_samples: Annotated[int, msgspec.Meta(ge=SAMPLES_MIN)] = SAMPLES_MIN
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 7
    threads: Count = 1
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    gate: PipelineGate = PipelineGate()

    def __post_init__(self) -> None:
        """Refuse, before any work, what does not fit together."""
        self._check_learners()
        self._check_paths()

    def _check_learners(self) -> None:
        for key, names in (("learners", self.learners), ("tuned", self.tuned)):
            for name in names:
                if names.count(name) > 1:
                    raise ConfigError(
                        f"pipeline.{key} must name a learner once, names {name} "
                        f"{names.count(name)} times: was {', '.join(names)}"
                    )
        # The default names all that are worth a search, whichever of them take part.
        for name in () if self.tuned == TUNED else self.tuned:
            if name not in self.learners and (self.ensemble or name != LINE):
                raise ConfigError(
                    f"pipeline.tuned must be of pipeline.learners, {name} does not take part: "
                    f"learners are {', '.join(self.learners)}"
                )

    def _check_paths(self) -> None:
        groups, tested = self.cpcv_groups, self.cpcv_test_groups
        if not groups and not self.legacy_forest:
            return
        groups = groups or LEGACY_GROUPS
        if not tested < groups:
            raise ConfigError(
                f"pipeline.cpcv_test_groups must be below cpcv_groups, was {tested} of {groups}: "
                "lower it, or set cpcv_groups to 0 for no paths"
            )
        if (splits := math.comb(groups, tested)) > CPCV_SPLITS_MAX:
            raise ConfigError(
                f"pipeline.cpcv_test_groups of {tested} of {groups} cpcv_groups make {splits} "
                f"splits, {CPCV_SPLITS_MAX} are allowed: lower either"
            )


def settings_told(settings: PipelineSettings) -> dict[str, Any]:
    """Return the settings as a report tells them: how many workers there are changes no result."""
    told: dict[str, Any] = msgspec.to_builtins(settings)
    del told["workers"]
    return told
