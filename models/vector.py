"""The served vector: which values a model sees, in which order, and the digest of that order.

>>> vector_names(("ibs",), ("z1",))
('ibs', 'signal_score', 'signal_side', 'signal_z1')
"""

import hashlib
from collections.abc import Iterable

SIGNAL_NAMES = ("signal_score", "signal_side")


def vector_names(features: Iterable[str], declared: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the served vector.

    The market features first, then the signal's own score and side, then the features that the
    strategy declares, as `signal_<name>`.
    """
    return (*features, *SIGNAL_NAMES, *(f"signal_{name}" for name in declared))


def digest_of(names: Iterable[str]) -> str:
    """Return the SHA-256, in hex, of the ordered names, one a line.

    >>> digest_of(("a", "b"))[:12]
    '7e18f737311b'
    """
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
