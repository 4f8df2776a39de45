"""From stored vectors, of whatever layouts, to one matrix."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError

NamesOf = Callable[[str], tuple[str, ...] | None]


class VectorLayout:
    """The columns `names` of vectors whose own layouts `names_of` tells by their digest.

    `where` is what errors call the database.
    """

    def __init__(self, names: tuple[str, ...], names_of: NamesOf, where: str) -> None:
        self._names = names
        self._names_of = names_of
        self._where = where
        self._places: dict[str, tuple[int, NDArray[np.int64], NDArray[np.int64]]] = {}

    def matrix(self, vectors: Sequence[bytes], digests: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (len(vectors), len(names)): NaN for what a vector does not have.

        Raises DataError for a vector whose names are not known, or whose length is not theirs.
        """
        rows_of: dict[str, list[int]] = {}
        for row, digest in enumerate(digests):
            rows_of.setdefault(digest, []).append(row)
        x = np.full((len(vectors), len(self._names)), np.nan, dtype=np.float32)
        for digest, rows in rows_of.items():
            width, theirs, ours = self._layout(digest)
            found = [vectors[row] for row in rows]
            for vector in found:
                if len(vector) != 4 * width:
                    raise DataError(
                        f"a vector of {digest[:12]} must have {width} float32 values, has "
                        f"{len(vector)} bytes ({self._where}): it was written by something else"
                    )
            stored = np.frombuffer(b"".join(found), dtype="<f4").reshape(len(rows), width)
            x[np.array(rows)[:, None], ours] = stored[:, theirs]
        return x

    def _layout(self, digest: str) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """How a vector of `digest` is laid out: its width, and which value goes where."""
        if digest in self._places:
            return self._places[digest]
        stored = self._names_of(digest)
        if stored is None:
            raise DataError(
                f"the names of vectors {digest[:12]} are not in the {self._where}: collect with "
                "the configuration that served them"
            )
        position = {name: place for place, name in enumerate(stored)}
        shared = [
            (position[name], ours) for ours, name in enumerate(self._names) if name in position
        ]
        pairs = np.array(shared, dtype=np.int64).reshape(-1, 2)
        self._places[digest] = len(stored), pairs[:, 0], pairs[:, 1]
        return self._places[digest]
