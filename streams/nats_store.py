"""Keys and objects on NATS, by nats-py, with deadlines and with what it leaves unsaid."""

import asyncio
import base64
import hashlib
import io
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext
from nats.js.errors import (
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
    ObjectNotFoundError,
)
from nats.js.kv import KeyValue
from nats.js.object_store import ObjectStore

from streams.bus import KeyEntry
from streams.errors import BusError, ConflictError
from streams.jetstream import JetStream
from streams.limits import OBJECT_BYTES_MAX, check_key

KEY_TIMEOUT_S = 10.0
OBJECT_TIMEOUT_S = 60.0
OBJECT_ATTEMPTS_MAX = 3

T = TypeVar("T")


class NatsStore:
    """The buckets and object stores of one connection. Everything raises BusError.

    Keys are subject tokens joined by dots; on NATS their `%` travels as `=`, which its other
    clients accept.
    """

    def __init__(self, context: JetStreamContext, jetstream: JetStream) -> None:
        self._context = context
        self._jetstream = jetstream
        self._buckets: dict[str, KeyValue] = {}
        self._stores: dict[str, ObjectStore] = {}
        self._reads: set[asyncio.Task[Any]] = set()

    def interrupt(self) -> None:
        """Begin the reads of objects again: what they wait for went with the connection."""
        for read in self._reads:
            read.cancel()

    async def key_get(self, bucket: str, key: str) -> KeyEntry | None:
        """Return a key's value and revision, or None."""
        name = _on_the_wire(key)
        values = await self._bucket(bucket)
        try:
            entry = await _within(KEY_TIMEOUT_S, values.get(name), f"reading {bucket}/{key}")
        except KeyNotFoundError:
            return None
        return KeyEntry(entry.value or b"", entry.revision or 0)

    async def key_put(self, bucket: str, key: str, value: bytes, expected: int | None) -> int:
        """Write a key and return its revision; raises ConflictError."""
        name = _on_the_wire(key)
        values = await self._bucket(bucket)
        what = f"writing {bucket}/{key}"
        try:
            if expected is None:
                return await _within(KEY_TIMEOUT_S, values.put(name, value), what)
            return await _within(KEY_TIMEOUT_S, values.update(name, value, expected), what)
        except KeyWrongLastSequenceError:
            raise ConflictError(f"{bucket}/{key} is not at revision {expected}") from None
        except BusError:
            # The answer is lost, not necessarily the write: what is stored now tells.
            entry = await self.key_get(bucket, key)
            if entry is not None and entry.value == value and entry.revision != expected:
                return entry.revision
            raise

    async def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket, sorted."""
        prefix = f"$KV.{bucket}."
        state = await self._jetstream.stream_state(f"KV_{bucket}", prefix + ">")
        return sorted(subject.removeprefix(prefix).replace("=", "%") for subject in state.subjects)

    async def object_put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object; one that is there under this content-addressed name is left alone."""
        if len(data) > OBJECT_BYTES_MAX:
            raise BusError(f"object {name} has {len(data)} bytes, at most {OBJECT_BYTES_MAX}")
        store = await self._store(bucket)
        what = f"storing object {bucket}/{name}"
        try:
            await _within(KEY_TIMEOUT_S, store.get_info(name), what)
        except ObjectNotFoundError:
            await _within(OBJECT_TIMEOUT_S, store.put(name, bytes(data)), what)

    async def object_get(self, bucket: str, name: str) -> bytes | None:
        """Return an object's bytes, verified against the store's SHA-256, or None."""
        store = await self._store(bucket)
        for attempt in range(OBJECT_ATTEMPTS_MAX):
            what = f"reading object {bucket}/{name}"
            try:
                read = self._interruptible(self._object(store, bucket, name), what)
                return await _within(OBJECT_TIMEOUT_S, read, what)
            except ObjectNotFoundError:
                return None
            except BusError:
                # The connection was lost, or two writers of one name purged each other's chunks.
                if attempt == OBJECT_ATTEMPTS_MAX - 1:
                    raise
        return None

    async def _object(self, store: ObjectStore, bucket: str, name: str) -> bytes:
        """Read an object; one of a single chunk, as models are, without making a consumer."""
        info = await store.get_info(name)
        if info.chunks == 1 and not info.is_link():
            subject = f"$O.{bucket}.C.{info.nuid}"
            chunk = await self._context.get_last_msg(f"OBJ_{bucket}", subject, direct=True)
            data = chunk.data or b""
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
            # `SHA-256=<digest>`, by some clients without the padding.
            if (info.digest or "").partition("=")[2].rstrip("=") == digest.rstrip("="):
                return data
        written = io.BytesIO()
        await store.get(name, writeinto=written)
        return written.getvalue()

    async def _interruptible(self, call: Coroutine[Any, Any, T], what: str) -> T:
        """Await `call`; raises BusError when the connection is lost meanwhile."""
        read = asyncio.create_task(call)
        self._reads.add(read)
        try:
            return await read
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise BusError(f"{what}: the connection was lost") from None
        finally:
            read.cancel()
            self._reads.discard(read)

    async def _bucket(self, name: str) -> KeyValue:
        if name not in self._buckets:
            try:
                what = f"opening bucket {name}"
                opened = await _within(KEY_TIMEOUT_S, self._context.key_value(name), what)
            except (BucketNotFoundError, NotFoundError):
                raise BusError(f"no bucket is called {name!r}: provision the bus first") from None
            self._buckets[name] = opened
        return self._buckets[name]

    async def _store(self, name: str) -> ObjectStore:
        if name not in self._stores:
            try:
                what = f"opening object store {name}"
                opened = await _within(KEY_TIMEOUT_S, self._context.object_store(name), what)
            except (BucketNotFoundError, NotFoundError):
                raise BusError(
                    f"no object store is called {name!r}: provision the bus first"
                ) from None
            self._stores[name] = opened
        return self._stores[name]


async def _within(timeout_s: float, call: Awaitable[T], what: str) -> T:
    """Await `call`; what is neither an answer nor a not-found becomes a BusError."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except (NotFoundError, KeyWrongLastSequenceError):
        raise
    except TimeoutError:
        raise BusError(f"{what}: no answer within {timeout_s:.0f} s") from None
    except NatsError as error:
        raise BusError(f"{what}: {error}") from None


def _on_the_wire(key: str) -> str:
    return check_key(key).replace("%", "=")
