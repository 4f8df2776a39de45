"""Which signal ids were seen, with what payload: one signal has effect once.

Remembered for SIGNAL_ID_DAYS of event time, at most SIGNAL_IDS_MAX of them.
"""

from collections import deque
from hashlib import blake2b

import numpy as np

from engine.saved import Saved

SIGNAL_ID_DAYS = 7
SIGNAL_IDS_MAX = 500_000
FINGERPRINT_BYTES = 8
_DAY_NS = 86_400_000_000_000


class SignalLedger:
    """Remembers the fingerprint of each signal id.

    >>> ledger = SignalLedger()
    >>> ledger.check("a", b"x", ts=1), ledger.check("a", b"x", ts=1), ledger.check("a", b"y", ts=1)
    ('new', 'same', 'conflict')
    """

    def __init__(self) -> None:
        self._fingerprints: dict[str, bytes] = {}
        self._order: deque[tuple[int, str]] = deque()
        self._newest_ts = 0

    def check(self, signal_id: str, content: bytes, ts: int) -> str:
        """Return `new`, `same` (a repeat of the same content) or `conflict`, and remember it."""
        fingerprint = blake2b(content, digest_size=FINGERPRINT_BYTES).digest()
        known = self._fingerprints.get(signal_id)
        if known is not None:
            return "same" if known == fingerprint else "conflict"
        self._fingerprints[signal_id] = fingerprint
        self._order.append((ts, signal_id))
        self._newest_ts = max(self._newest_ts, ts)
        self._forget()
        return "new"

    def save(self) -> Saved:
        """Return every id that is remembered."""
        ids = [signal_id for _, signal_id in self._order]
        prints = b"".join(self._fingerprints[signal_id] for signal_id in ids)
        times = np.array([ts for ts, _ in self._order], dtype=np.int64)
        facts = {"ids": ids, "newest_ts": self._newest_ts}
        return Saved(facts, {"ts": times, "prints": np.frombuffer(prints, dtype=np.uint8)})

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        ids, prints = saved.facts["ids"], saved.arrays["prints"].tobytes()
        width = FINGERPRINT_BYTES
        self._fingerprints = {
            signal_id: prints[width * n : width * (n + 1)] for n, signal_id in enumerate(ids)
        }
        self._order = deque(zip(saved.arrays["ts"].tolist(), ids, strict=True))
        self._newest_ts = saved.facts["newest_ts"]

    def _forget(self) -> None:
        horizon = self._newest_ts - SIGNAL_ID_DAYS * _DAY_NS
        while self._order and (self._order[0][0] < horizon or len(self._order) > SIGNAL_IDS_MAX):
            del self._fingerprints[self._order.popleft()[1]]
