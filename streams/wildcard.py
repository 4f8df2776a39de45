"""NATS wildcards: `*` stands for one token, a last `>` for one token or more.

>>> matches("signals.scored.*.*", "signals.scored.breakout.AAPL")
True
>>> matches("signals.scored.>", "signals.scored")
False
"""

from functools import lru_cache


@lru_cache(maxsize=65_536)
def matches(pattern: str, subject: str) -> bool:
    """Return whether `subject` (no wildcards) falls under `pattern`."""
    wanted = pattern.split(".")
    tokens = subject.split(".")
    if wanted[-1] == ">":
        if len(tokens) < len(wanted):
            return False
        wanted.pop()
    elif len(tokens) != len(wanted):
        return False
    return all(want in ("*", token) for want, token in zip(wanted, tokens, strict=False))


def check_subject(subject: str) -> str:
    """Return `subject` if a message can be published on it.

    Raises ValueError for an empty subject or token, white space, a control character or a
    wildcard: CR and LF would let a publisher inject protocol lines.
    """
    if not subject or any(not char.isprintable() or char.isspace() for char in subject):
        raise ValueError(f"a subject is printable text without spaces, was {subject!r}")
    for token in subject.split("."):
        if not token or token in ("*", ">"):
            raise ValueError(f"a subject's tokens are names, not empty or wildcards: {subject!r}")
    return subject
