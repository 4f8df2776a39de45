"""From the served vector to a model's columns, by name."""

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.vector import SIGNAL_NAMES
from streams.errors import ModelRefused

MISSING_TOLD_MAX = 5
REASONS_TOLD_MAX = 8
WARMING = "warming"
OUT_OF_DISTRIBUTION = "out_of_distribution"

_DECLARED = "signal_"


def columns_of(wanted: Sequence[str], served: Sequence[str]) -> NDArray[np.intp]:
    """Return where in the vector `served` each of the model's features stands: (k,).

    Raises ModelRefused naming every feature that nobody computes, with the nearest that is.
    """
    places = {name: place for place, name in enumerate(served)}
    missing = [name for name in wanted if name not in places]
    if missing:
        raise ModelRefused(_refusal(missing, served))
    return np.array([places[name] for name in wanted], dtype=np.intp)


def why_unusable(names: Sequence[str], row: NDArray[np.float32]) -> tuple[str, ...]:
    """Return why `row` (k,), the values of `names`, cannot be served to a model; () if it can.

    `warming`: a market feature has not seen enough bars. `missing_feature:<name>`: the signal
    does not carry a number that its strategy declares. `not_finite:<name>`: it is infinite.
    """
    reasons: dict[str, None] = {}
    for place in np.flatnonzero(~np.isfinite(row)).tolist():
        name = names[place]
        if np.isinf(row[place]):
            reasons[f"not_finite:{name}"] = None
        elif name.startswith(_DECLARED) and name not in SIGNAL_NAMES:
            reasons[f"missing_feature:{name.removeprefix(_DECLARED)}"] = None
        else:
            reasons[WARMING] = None
    return tuple(reasons)[:REASONS_TOLD_MAX]


def _refusal(missing: Sequence[str], served: Sequence[str]) -> str:
    told = []
    for name in missing[:MISSING_TOLD_MAX]:
        nearest = difflib.get_close_matches(name, served, n=1)
        told.append(f"{name!r} (nearest: {nearest[0]!r})" if nearest else repr(name))
    more = f" and {len(missing) - len(told)} more" if len(missing) > len(told) else ""
    return (
        f"nobody computes the model's feature {', '.join(told)}{more}; train it on the features "
        "of this version, or run the version it was trained on"
    )
