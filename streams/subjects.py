"""Subjects: how an event's names become NATS tokens, and back.

Tokens percent-encode UTF-8 outside `[A-Za-z0-9_-]` and a leading `_` (reserved); payloads carry
the plain name. A server takes protocol lines of 4096 bytes: a token beyond TOKEN_CHARS_MAX is
cut and ends in a digest of its name.

>>> bar("1d", "BRK.B")
'bars.1d.BRK%2EB'
>>> name_of("BRK%2EB")
'BRK.B'
"""

from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote, unquote
from zlib import crc32

SHARDS = 64
TOKEN_CHARS_MAX = 512
SUBJECT_CHARS_MAX = 2048
SCORED_PLAIN = "signals.scored"
FRAME = "_frame"
_PLAIN = "".join(chr(code) for code in range(33, 127) if chr(code) not in "*>")

BARS = "bars.>"
RAW = "signals.raw.>"
EXPIRE = "signals.expire.>"
SCORED = "signals.scored.>"
REJECTED = "signals.rejected.>"
TRADES = "trades.closed.>"
OUTCOMES = "outcomes.>"
DRIFT = "drift.>"
RETRAIN = "models.retrain.>"
DEPLOYED = "models.deployed.>"
KEPT = "models.kept.>"
POLICY = "policy.>"
AUDIT = "audit.>"
DLQ = "dlq.>"
PROGRESS = "progress.>"


@lru_cache(maxsize=65_536)
def token(name: str) -> str:
    """Return `name` as one subject token. An empty name raises ValueError."""
    if not name:
        raise ValueError("a subject token needs a name of at least one character, was ''")
    # `quote` leaves `.` and `~` alone: neither is in the contract's alphabet.
    text = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
    if text[0] == "_":
        text = "%5F" + text[1:]
    if len(text) > TOKEN_CHARS_MAX:
        digest = blake2b(name.encode(), digest_size=16).hexdigest()
        text = f"{text[: TOKEN_CHARS_MAX - len(digest) - 1]}-{digest}"
    return text


def name_of(subject_token: str) -> str:
    """Return the plain name of a token."""
    return unquote(subject_token)


@lru_cache(maxsize=65_536)
def shard_of(name: str) -> int:
    """Return which of the 64 virtual shards answers for symbol `name`."""
    return shard_on(token(name))


def shard_on(subject: str) -> int:
    """Return which of the 64 virtual shards answers for the symbol that ends `subject`."""
    return crc32(subject.rpartition(".")[2].encode()) % SHARDS


def bar(interval: str, symbol: str) -> str:
    """Return the subject of one symbol's bars."""
    return f"bars.{token(interval)}.{token(symbol)}"


def frame(interval: str) -> str:
    """Return the subject of a frame across symbols."""
    return f"bars.{token(interval)}.{FRAME}"


def reset(symbol: str) -> str:
    """Return the subject of a symbol's resets."""
    return f"bars.reset.{token(symbol)}"


def raw(strategy: str, symbol: str) -> str:
    """Return the subject of raw signals."""
    return f"signals.raw.{token(strategy)}.{token(symbol)}"


def raw_frame(strategy: str) -> str:
    """Return the subject of raw signals in columns."""
    return f"signals.raw.{token(strategy)}.{FRAME}"


def expire(strategy: str, symbol: str) -> str:
    """Return the subject on which waiting signals are given up."""
    return f"signals.expire.{token(strategy)}.{token(symbol)}"


def scored(strategy: str, symbol: str) -> str:
    """Return the subject of accepted answers."""
    return f"signals.scored.{token(strategy)}.{token(symbol)}"


def rejected(strategy: str, symbol: str) -> str:
    """Return the subject of rejected answers."""
    return f"signals.rejected.{token(strategy)}.{token(symbol)}"


def trade(strategy: str, symbol: str) -> str:
    """Return the subject of really closed trades."""
    return f"trades.closed.{token(strategy)}.{token(symbol)}"


def outcome(strategy: str, symbol: str) -> str:
    """Return the subject of outcomes."""
    return f"outcomes.{token(strategy)}.{token(symbol)}"


def drift(strategy: str) -> str:
    """Return the subject of drift events."""
    return f"drift.{token(strategy)}"


def retrain(strategy: str) -> str:
    """Return the subject of retrain requests."""
    return f"models.retrain.{token(strategy)}"


def deployed(strategy: str) -> str:
    """Return the subject on which models come into force."""
    return f"models.deployed.{token(strategy)}"


def kept(strategy: str) -> str:
    """Return the subject on which refused challengers are told."""
    return f"models.kept.{token(strategy)}"


def audit(strategy: str) -> str:
    """Return the subject on which people's doings are recorded."""
    return f"audit.{token(strategy)}"


def policy(strategy: str) -> str:
    """Return the subject of the kill switch."""
    return f"policy.{token(strategy)}"


def progress(role: str, shard: int) -> str:
    """Return the subject of a role's watermarks."""
    return f"progress.{token(role)}.{shard}"


def dead_letter(original: str) -> str:
    """Return the dead-letter subject of `original`, whatever characters a publisher put there.

    What could not be published is percent-encoded; beyond SUBJECT_CHARS_MAX it is cut.

    >>> dead_letter("bars.1d.A\x01B")
    'dlq.bars.1d.A%01B'
    """
    tokens = [quote(text, safe=_PLAIN) or "%" for text in original.split(".")]
    return ".".join(("dlq", *tokens))[:SUBJECT_CHARS_MAX].rstrip(".")
