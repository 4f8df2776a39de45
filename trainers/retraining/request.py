"""Which retrain requests can be honoured, and what they are about."""

import msgspec

from models.registry import Registry
from streams.errors import WireError
from streams.events import Retrain

REQUEST_ID_CHARACTERS_MAX = 256
SYMBOL_CHARACTERS_MAX = 256
WORDS_CHARACTERS_MAX = 1_024
REQUEST_TS_MAX = 2**62

RETRAIN = "retrain"
RECALIBRATE = "recalibrate"
REVIEW = "review"
ACTIONS = (RETRAIN, RECALIBRATE, REVIEW)

DRIFT_ROLE = "drift"
DRIFT_ALARM = "drift:"
CALIBRATION_ALARM = "calibration:"
REFRESH = "refresh:"
PEOPLES_REASONS = ("manual", "forced", "initial")


def check_request(request: Retrain) -> None:
    """Raise WireError unless its id can name messages and keys, and it can be carried out.

    What is taken here is decided and published under its id: one that no bus takes would be
    decided, and then stand in the way of every later request.
    """
    name = request.request_id
    is_word = name.isascii() and name.isprintable() and " " not in name
    if not (0 < len(name) <= REQUEST_ID_CHARACTERS_MAX and is_word):
        raise WireError(
            "request_id",
            f"request_id must be 1 to {REQUEST_ID_CHARACTERS_MAX} printable ASCII characters "
            f"without spaces, was {name[:64]!r}",
        )
    if request.action not in ACTIONS:
        raise WireError(
            "action", f"action must be one of {', '.join(ACTIONS)}, was {request.action[:64]!r}"
        )
    for field in ("reason", "requested_by"):
        if (length := len(getattr(request, field))) > WORDS_CHARACTERS_MAX:
            raise WireError(
                field, f"{field} must have at most {WORDS_CHARACTERS_MAX} characters, has {length}"
            )
    if request.symbol is not None and len(request.symbol) > SYMBOL_CHARACTERS_MAX:
        raise WireError(
            "symbol",
            f"symbol must have at most {SYMBOL_CHARACTERS_MAX} characters, has "
            f"{len(request.symbol)}",
        )
    for field in ("ts", "since_ts"):
        value = getattr(request, field)
        if not 0 <= value <= REQUEST_TS_MAX:
            raise WireError(
                field, f"{field} must be UTC nanoseconds in [0, {REQUEST_TS_MAX}], was {value}"
            )
    if request.ts and request.since_ts > request.ts:
        raise WireError(
            "since_ts",
            f"since_ts must not lie behind the request's own ts {request.ts}, was "
            f"{request.since_ts}",
        )


def is_persons(request: Retrain) -> bool:
    """Whether a person asked, whom neither a cooldown nor a newer request keeps waiting."""
    return request.requested_by != DRIFT_ROLE and request.reason in PEOPLES_REASONS


def is_alarm_about(request: Retrain, version: str | None) -> bool:
    """Whether a drift detector has just found wanting the model of that version."""
    return request.reason.startswith(DRIFT_ALARM) and request.model in {"", version}


def as_alarm(request: Retrain) -> Retrain:
    """Return a refresh as the alarm that it follows."""
    detector = request.reason.removeprefix(REFRESH)
    return msgspec.structs.replace(request, reason=f"{DRIFT_ALARM}{detector}")


async def scope_of(registry: Registry, request: Retrain) -> str | None:
    """Return the symbol whose own model was found wanting, None for the strategy's.

    The drift monitor watches models by their versions; which scope one is of, pointers know.
    Raises ModelRefused where one cannot be read.
    """
    if request.symbol is not None or not request.model:
        return request.symbol
    whole = await registry.pointer(request.strategy)
    if whole is not None and whole.current.version == request.model:
        return None
    for pointer in await registry.pointers(request.strategy):
        if pointer.symbol is not None and pointer.has_had(request.model):
            return pointer.symbol
    return None
