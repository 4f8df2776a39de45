"""The snapshot of a role: what its core knew, and where in its streams it stood then.

One file: magic, version, the header's length and CRC-32; the header in MessagePack; the bytes of
every array, one after the other; a CRC-32 over all before it. It takes its name when it is whole
and on the disk: a process that is killed while it writes leaves the snapshot of before. A file
that does not fit, whole as it may be, is refused, and the role replays from the stream instead.
"""

import contextlib
import logging
import os
import struct
import tempfile
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import msgspec
import numpy as np
from numpy.lib.format import descr_to_dtype, dtype_to_descr
from numpy.typing import NDArray

from engine.saved import Saved

SNAPSHOT_BYTES_MAX = 4 * 1024**3
HEADER_BYTES_MAX = 512 * 1024**2
CHUNK_BYTES = 4 * 1024**2
PARTIAL = ".partial"
_MAGIC = b"ASSAYSNP"
_VERSION = 1
_PREFIX = struct.Struct("<8sIQI")
_CHECKSUM = struct.Struct("<I")

log = logging.getLogger("assay.snapshot")


class Origin(msgspec.Struct, frozen=True):
    """Whose snapshot it is: only a role of the same origin may go on from it.

    `basis` is a digest of what its state depends on; `incarnations` are those of the streams it
    reads and writes.
    """

    role: str
    shard: int
    shards: int
    basis: str
    incarnations: dict[str, str]


class Snapshot(msgspec.Struct, frozen=True):
    """What a role goes on from.

    `positions`: the last message taken, feed by feed. `out`, `written` and `progress_ts` are those
    of `engine.shells.already_out`: what it wrote already, before the core has said it again.
    """

    origin: Origin
    positions: tuple[int, ...]
    written: dict[str, int]
    out: list[str]
    progress_ts: int
    saved: Saved


class _Header(msgspec.Struct, frozen=True):
    origin: Origin
    positions: tuple[int, ...]
    written: dict[str, int]
    out: list[str]
    progress_ts: int
    facts: dict[str, Any]
    arrays: list[tuple[str, Any, tuple[int, ...]]]


class SnapshotFile:
    """The place of one role's snapshots, in a folder that is there.

    `basis` is a digest of all that the state of the core depends on beside its input:
    configuration, code, models. Another basis, another state. Of several processes that share the
    file the last that was done wins. `refused` counts those that were found and are of no use,
    `failed` those that could not be taken, since the process began.
    """

    def __init__(self, path: Path, basis: str) -> None:
        self.path = path
        self.basis = basis
        self.refused = 0
        self.failed = 0
        self._partial = path.with_name(path.name + PARTIAL)

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot beside the last one; from then on its arrays may change.

        Raises OSError, and ValueError for what no snapshot can hold.
        """
        arrays = snapshot.saved.arrays
        header = _packed(snapshot)
        size = len(header) + sum(array.nbytes for array in arrays.values())
        if size > SNAPSHOT_BYTES_MAX or len(header) > HEADER_BYTES_MAX:
            raise ValueError(
                f"a snapshot has at most {SNAPSHOT_BYTES_MAX} bytes, {HEADER_BYTES_MAX} of them "
                f"in its header; this one has {size} and {len(header)}"
            )
        # For its owner alone, and of a name that nobody else writes to, in whatever container.
        number, name = tempfile.mkstemp(PARTIAL, f"{self.path.name}.", self.path.parent)
        self._partial = Path(name)
        try:
            with os.fdopen(number, "wb", buffering=0) as file:
                _write_all(file, _PREFIX.pack(_MAGIC, _VERSION, len(header), crc32(header)))
                _write_all(file, header)
                for array in arrays.values():
                    if array.nbytes:
                        _write_all(file, _bytes_of(array))
        except (OSError, ValueError):
            # A disk that is full stays no fuller than it was.
            self._partial.unlink(missing_ok=True)
            raise

    def settle(self) -> None:
        """Seal what was written, bring it to the disk, and let it take the last one's place.

        Raises OSError.
        """
        with self._partial.open("r+b", buffering=0) as file:
            checksum = 0
            while chunk := file.read(CHUNK_BYTES):
                checksum = crc32(chunk, checksum)
            file.write(_CHECKSUM.pack(checksum))
            os.fsync(file.fileno())
        self._partial.replace(self.path)
        with contextlib.suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self, origin: Origin) -> Snapshot | None:
        """Return the snapshot if there is one of this origin, whole; else say why not."""
        try:
            with self.path.open("rb") as file:
                return _read(file, origin)
        except FileNotFoundError:
            log.info("there is no snapshot %s: replaying from the stream", self.path)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self.refused += 1
            log.warning("snapshot %s is of no use: %s; replaying", self.path, error)
        return None

    def clear(self) -> None:
        """Remove what processes that were killed had not finished."""
        for partial in self.path.parent.glob(f"{self.path.name}.*{PARTIAL}"):
            with contextlib.suppress(OSError):
                partial.unlink()

    def discard(self) -> None:
        """Remove the snapshot: the next start replays from the stream."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def _packed(snapshot: Snapshot) -> bytes:
    arrays = [
        (name, dtype_to_descr(array.dtype), array.shape)
        for name, array in snapshot.saved.arrays.items()
    ]
    header = _Header(
        snapshot.origin,
        snapshot.positions,
        snapshot.written,
        snapshot.out,
        snapshot.progress_ts,
        snapshot.saved.facts,
        arrays,
    )
    try:
        return msgspec.msgpack.encode(header)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"the facts cannot be saved: {error}") from None


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array, where they are."""
    if array.dtype.hasobject or not array.flags.c_contiguous:
        raise ValueError(f"an array of {array.dtype}, {array.strides} apart, cannot be saved")
    return array.reshape(-1).view(np.uint8).data


def _write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest[:CHUNK_BYTES]) :]


def _read(file: BinaryIO, origin: Origin) -> Snapshot:
    size = os.fstat(file.fileno()).st_size
    prefix = _taken(file, _PREFIX.size)
    magic, version, header_bytes, header_checksum = _PREFIX.unpack(prefix)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"it is of format {magic!r} {version}, not {_MAGIC!r} {_VERSION}")
    if size > SNAPSHOT_BYTES_MAX or header_bytes > min(size, HEADER_BYTES_MAX):
        raise ValueError(f"it has {size} bytes, {header_bytes} in its header")
    packed = _taken(file, header_bytes)
    if crc32(packed) != header_checksum:
        raise ValueError("its header is not the one that was written")
    header = msgspec.msgpack.decode(packed, type=_Header)
    _check_origin(header.origin, origin)
    dtypes = [descr_to_dtype(_untied(descr)) for _, descr, _ in header.arrays]
    checksum = crc32(packed, crc32(prefix))
    arrays: dict[str, NDArray[Any]] = {}
    left = size - file.tell() - _CHECKSUM.size
    for (name, _, shape), dtype in zip(header.arrays, dtypes, strict=True):
        count = _count(shape)
        left -= count * dtype.itemsize
        if dtype.hasobject or left < 0:
            raise ValueError(f"its array {name} of {dtype} {shape} is cut off")
        arrays[name] = np.empty(shape, dtype=dtype)
        if arrays[name].nbytes:
            checksum = _fill(file, _bytes_of(arrays[name]), checksum)
    if left or _CHECKSUM.unpack(_taken(file, _CHECKSUM.size)) != (checksum,):
        raise ValueError("its bytes are not those that were written")
    return Snapshot(
        header.origin,
        header.positions,
        header.written,
        header.out,
        header.progress_ts,
        Saved(header.facts, arrays),
    )


def _check_origin(found: Origin, wanted: Origin) -> None:
    for field in Origin.__struct_fields__:
        theirs, ours = getattr(found, field), getattr(wanted, field)
        if theirs != ours:
            raise ValueError(f"its {field} was {theirs}, here it is {ours}")


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        if length < 0:
            raise ValueError(f"no array has the shape {shape}")
        count *= length
    return count


def _untied(descr: Any) -> Any:
    """Return a description of a type with the tuples that MessagePack made lists of."""
    if not isinstance(descr, list):
        return descr
    return [
        (field[0], _untied(field[1]), *(tuple(shape) for shape in field[2:])) for field in descr
    ]


def _taken(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"it ends at {file.tell()} bytes")
    return data


def _fill(file: BinaryIO, target: memoryview, checksum: int) -> int:
    while target:
        part = target[:CHUNK_BYTES]
        if not (got := file.readinto(part)):  # type: ignore[attr-defined]
            raise ValueError(f"it ends at {file.tell()} bytes")
        checksum = crc32(part[:got], checksum)
        target = target[got:]
    return checksum
