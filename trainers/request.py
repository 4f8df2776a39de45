"""Which retrain requests can be honoured."""

from streams.errors import WireError
from streams.events import Retrain

REQUEST_ID_CHARACTERS_MAX = 256
SYMBOL_CHARACTERS_MAX = 256
REQUEST_TS_MAX = 2**62


def check_request(request: Retrain) -> None:
    """Raise WireError unless its id can name messages and keys, and its times can be stored.

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
