"""What the scorers of a run go by when they let a model speak."""

from typing import Any

import msgspec
from msgspec.structs import replace

from deploy.config import RunSettings
from deploy.state import StateDir
from deploy.trust import known_keys


class ScorerTerms(msgspec.Struct, frozen=True):
    """What scorers are configured with.

    `trusted_keys`: hex public keys of whose models may speak, () where that is not known.
    `features` by strategy: the numbers that its signals carry. `pinned`: strategies that keep
    their `ml.model_path`.
    """

    trusted_keys: tuple[str, ...] = ()
    features: dict[str, tuple[str, ...]] = {}
    pinned: tuple[str, ...] = ()


def terms_of(settings: RunSettings, state: StateDir) -> ScorerTerms:
    """Return the terms of scorers of that configuration over that state directory."""
    configured = _configured(settings)
    return replace(configured, trusted_keys=known_keys(state, configured.trusted_keys))


def terms_to_record(settings: RunSettings) -> dict[str, Any]:
    """Return what a run writes down of its terms; its own key lies in its state directory."""
    found: dict[str, Any] = msgspec.to_builtins(_configured(settings))
    return found


def recorded_terms(state: StateDir) -> ScorerTerms | None:
    """Return the terms of the run that is up over `state`, None where none are recorded."""
    try:
        terms = msgspec.convert(state.read_terms(), ScorerTerms)
    except msgspec.ValidationError:
        return None
    return replace(terms, trusted_keys=known_keys(state, terms.trusted_keys))


def _configured(settings: RunSettings) -> ScorerTerms:
    strategies = settings.strategies
    return ScorerTerms(
        settings.trusted_keys,
        {one.name: tuple(one.features) for one in strategies},
        tuple([one.name for one in strategies if one.ml.pinned]),
    )
