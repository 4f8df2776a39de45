"""What a core saves of itself: facts and arrays, from which a fresh core goes on.

>>> inner = Saved({"count": 2}, {"ts": np.array([1, 2])})
>>> whole = Saved.of({"ts": 3}, bars=inner)
>>> whole.part("bars").facts["count"], whole.part("bars").arrays["ts"].tolist(), whole.facts["ts"]
(2, [1, 2], 3)
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SEPARATOR = "/"


class Saved(NamedTuple):
    """`facts` are what MessagePack can hold, by name; `arrays` are C-contiguous, by name.

    Arrays may be views on the core's own: they are to be written before its next step, and to
    be copied by who loads them.
    """

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, facts: dict[str, Any], /, **parts: "Saved") -> "Saved":
        """Return `facts` together with named parts."""
        whole = cls(dict(facts), {})
        for name, part in parts.items():
            whole.facts[name] = part.facts
            for key, array in part.arrays.items():
                whole.arrays[f"{name}{_SEPARATOR}{key}"] = array
        return whole

    def part(self, name: str) -> "Saved":
        """Return a part by its name. Raises KeyError where there is none."""
        prefix = f"{name}{_SEPARATOR}"
        own = {
            key.removeprefix(prefix): array
            for key, array in self.arrays.items()
            if key.startswith(prefix)
        }
        return Saved(self.facts[name], own)


def refilled(array: NDArray[Any], saved: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of `saved` with at least the rows of `array`, the others zero.

    Raises ValueError where rows have another shape or type.
    """
    if saved.shape[1:] != array.shape[1:] or saved.dtype != array.dtype:
        raise ValueError(
            f"rows of {saved.dtype} {saved.shape[1:]} were saved, {array.dtype} "
            f"{array.shape[1:]} are kept"
        )
    fresh = np.zeros((max(len(array), len(saved)), *array.shape[1:]), dtype=array.dtype)
    fresh[: len(saved)] = saved
    return fresh
