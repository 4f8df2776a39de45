"""Which features a model lives by, on samples that it has not seen."""

import msgspec


class PermutedFeatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is lost when these features, together, are handed out among the samples at random.

    `lost`: nats per outcome, mean over the repeats, at or below 0 where they are worth nothing;
    `spread`: the standard deviation over the repeats; `low` and `high` the smallest and largest.
    """

    features: tuple[str, ...]
    lost: float
    spread: float
    low: float
    high: float


class FeatureContribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a feature moves the margin: `magnitude`, the mean of |contribution|.

    `direction` in [-1, 1]: Spearman's rank correlation of the feature and its contribution, None
    where either does not vary.
    """

    feature: str
    magnitude: float
    share: float
    direction: float | None


class Importance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both kinds, largest first. `*_rows`: of how many samples.

    `method` of the contributions: "exact" where the learner says them itself (TreeSHAP, or the
    terms of a sum), else "permutation" (sampled Shapley values). `reason` where there is none.
    """

    permuted: tuple[PermutedFeatures, ...]
    permuted_rows: int
    contributions: tuple[FeatureContribution, ...]
    contribution_rows: int
    method: str | None
    reason: str | None = None
