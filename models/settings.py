"""The `ml:` block of a strategy's configuration, with the original's key names."""

from typing import Annotated, Literal

import msgspec

Mode = Literal["score_enhancement", "enhance", "filter", "replace", "observe"]
Fallback = Literal["pass_through", "block"]
Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class MlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model's probability acts on a signal.

    `fallback` answers when no model is in force, it is older than `max_age_days` (event time
    since it came into force; that of `model_path`, since its training ends), or the inputs are
    unusable or out of distribution. `model_path` is the model to start with; the registry
    overrides it unless `pinned`.
    """

    enabled: bool = True
    model_path: str | None = None
    pinned: bool = False
    prediction_mode: Mode = "filter"
    ml_weight: Fraction = 0.3
    confidence_threshold: Fraction = 0.5
    fallback: Fallback = "pass_through"
    max_age_days: Annotated[float, msgspec.Meta(gt=0.0)] | None = None
