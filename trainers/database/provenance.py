"""What a sample comes from: parameters, bars, code. Each is described once and named by a digest.

The parameters are those that decide which signals there are, what their vectors hold and how they
are labelled: also the costs of the instruments, and the run's context. Not among them: the
strategy's name, which every sample has; `symbols`, for a run over more of them makes the same
samples of each (breadth apart: what it was counted over are the bars of the data set); and the
`ml:` block, which judges signals and makes none. So a live run and a backtest of one configuration
meet in the same rows.
"""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

import engine
import models
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.instrument_book import InstrumentFile
from engine.settings import EXTERNAL, StrategySettings
from engine.strategy import load_strategy

DISTRIBUTION = "assay-signals"
CODE_DIGEST_CHARACTERS = 16
SIZING_KEYS = ("lot", "margin")
"""What an instrument says of positions alone: it makes no label."""


class DataSet(msgspec.Struct, frozen=True):
    """The bars that samples were made of: their digest, and in words what they were.

    `source` is the settings they were read with; `symbols` sorted; `from_ts` and `to_ts` the
    first and the last close, UTC ns; `bars` how many there were.
    """

    data_digest: str
    source: Mapping[str, Any]
    symbols: tuple[str, ...]
    from_ts: int
    to_ts: int
    bars: int


class Provenance(msgspec.Struct, frozen=True):
    """What the samples of one run have in common; "" is what nobody told.

    `params` is the digest of each strategy's parameters, by its name.
    """

    params: Mapping[str, str] = {}
    data_digest: str = ""
    code_version: str = ""


def params_of(settings: StrategySettings, context: ContextSettings = NO_CONTEXT) -> dict[str, Any]:
    """Return what decides a strategy's samples, with every default filled in.

    `context` is that of the run. It and the instruments are told where there are any: the digests
    of runs without them stay what they were before there were such.
    Raises ConfigError for a strategy that there is not, or parameters that it does not take.
    """
    params: Any = settings.params
    if settings.rule_name != EXTERNAL:
        path = f"strategies.{settings.name}.params"
        params = load_strategy(settings.rule_name).decode_params(settings.params, path)
    found = {
        "kind": settings.rule_name,
        "params": msgspec.to_builtins(params),
        "interval": settings.interval,
        "features": list(settings.features),
        "overlapping": settings.overlapping,
        "label": msgspec.to_builtins(settings.label),
        "costs": msgspec.to_builtins(settings.costs),
    }
    if settings.instruments is not None:
        found["instruments"] = _costs_in(settings.instruments)
    if not context.is_empty:
        found["context"] = msgspec.to_builtins(context)
    return found


def params_digest_of(settings: StrategySettings, context: ContextSettings = NO_CONTEXT) -> str:
    """Return the SHA-256 of `params_of`, as hex: the same for what differs in nothing of it."""
    return digest_of_json(params_of(settings, context))


def digest_of_json(value: Any) -> str:
    """Return the SHA-256 of a value's JSON with sorted keys, as hex."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def to_json(value: Any) -> str:
    """Return a value as JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted").decode()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the version of the package, `+`, and a digest of the sources that make samples.

    Those of features, strategies and labels: `models` and `engine`, as they stand when first
    asked for.
    """
    digest = hashlib.sha256()
    for package in (models, engine):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder.parent).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    version = importlib.metadata.version(DISTRIBUTION)
    return f"{version}+{digest.hexdigest()[:CODE_DIGEST_CHARACTERS]}"


def _costs_in(file: InstrumentFile) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(file)
    for one in (*tree["classes"].values(), *tree["symbols"].values()):
        for name in SIZING_KEYS:
            one.pop(name, None)
    return tree
