"""Makes the streams, buckets and object stores of `streams.topology` on a NATS server.

Running it again changes nothing. A stream that is there with other settings is an error: to
change it is a decision about the data in it.
"""

import asyncio
from typing import Any

from streams import topology
from streams.errors import BusError
from streams.jetstream import JetStream, JetStreamError
from streams.topology import StreamSpec

GIB = 1024**3
STREAM_BYTES_MAX = 8 * GIB
DLQ_BYTES_MAX = GIB // 4
AUDIT_BYTES_MAX = GIB // 4
BUCKET_BYTES_MAX = GIB // 16
STORE_BYTES_MAX = 4 * GIB
KEY_HISTORY = 16
STORE_TRIES = 10
STORE_PAUSE_S = 0.2
STORE_FAILED = "error creating store"
_NOT_FOUND = 10059
_NO_ROOM = 10047
_NS = 1_000_000_000
# Settings that decide what is kept and who hears it; the rest may be tuned on the server.
_COMPARED = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "duplicate_window",
    "max_msgs_per_subject",
    "republish",
)


async def provision(jetstream: JetStream, *, replicas: int = 1) -> None:
    """Make what is missing.

    Raises BusError naming a stream whose settings differ, or the space that a server will not
    reserve.
    """
    for config in configs(replicas):
        await _ensure(jetstream, config)


async def remove_all(jetstream: JetStream) -> None:
    """Delete everything `provision` makes, with all its content: for tests."""
    for config in configs(1):
        try:
            await jetstream.call(f"STREAM.DELETE.{config['name']}")
        except JetStreamError as error:
            if error.err_code != _NOT_FOUND:
                raise


def configs(replicas: int) -> list[dict[str, Any]]:
    """Return the server's configuration of every stream, bucket and object store."""
    streams = [_stream(spec) for spec in topology.STREAMS]
    buckets = [_bucket(name) for name in topology.BUCKETS]
    stores = [_store(name) for name in topology.STORES]
    return [{**config, "num_replicas": replicas} for config in streams + buckets + stores]


def _stream(spec: StreamSpec) -> dict[str, Any]:
    config = {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": "workqueue" if spec.work_queue else "limits",
        "storage": "file",
        "duplicate_window": topology.DEDUP_WINDOW_S * _NS,
        # A full stream refuses what is new: what was acknowledged is never dropped. Dead
        # letters are the exception, or a flood of them would stop the roles.
        "max_bytes": STREAM_BYTES_MAX,
        "discard": "new",
        "allow_direct": True,
    }
    if spec.name == topology.DLQ:
        config |= {"max_bytes": DLQ_BYTES_MAX, "discard": "old"}
    if spec.name == topology.AUDIT:
        config["max_bytes"] = AUDIT_BYTES_MAX
    if spec.per_subject_max:
        # What stands beyond it gives way to what is newer, whatever `discard` says.
        config["max_msgs_per_subject"] = spec.per_subject_max
    if spec.republish is not None:
        config["republish"] = {"src": spec.republish[0], "dest": spec.republish[1]}
    return config


def _bucket(name: str) -> dict[str, Any]:
    return {
        "name": f"KV_{name}",
        "subjects": [f"$KV.{name}.>"],
        "storage": "file",
        "max_msgs_per_subject": KEY_HISTORY,
        "max_bytes": BUCKET_BYTES_MAX,
        # The newest decisions matter; a model in force must never be forgotten.
        "discard": "old" if name == topology.BUCKET_LEDGER else "new",
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "deny_delete": True,
    }


def _store(name: str) -> dict[str, Any]:
    return {
        "name": f"OBJ_{name}",
        "subjects": [f"$O.{name}.C.>", f"$O.{name}.M.>"],
        "storage": "file",
        "max_bytes": STORE_BYTES_MAX,
        "discard": "new",
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }


async def make_stream(jetstream: JetStream, config: dict[str, Any]) -> None:
    """Create a stream that is not there.

    A server that has just deleted one of that name still clears its folder away and cannot make
    its store: it is asked again, STORE_TRIES times in all.
    """
    for tries_left in range(STORE_TRIES - 1, -1, -1):
        try:
            await jetstream.call(f"STREAM.CREATE.{config['name']}", config)
            return
        except JetStreamError as error:
            if error.err_code == _NO_ROOM:
                raise BusError(_no_room(error, config)) from None
            if not tries_left or STORE_FAILED not in str(error):
                raise
            await asyncio.sleep(STORE_PAUSE_S)


def _no_room(error: JetStreamError, config: dict[str, Any]) -> str:
    whole = sum(one["max_bytes"] for one in configs(1))
    return (
        f"{error}: the server keeps {config['max_bytes'] / GIB:.2f} GiB free for it, "
        f"{whole / GIB:.0f} GiB for all that Assay needs: set max_file_store in the jetstream "
        "block of its configuration (unset, it is three quarters of the free disk), or the "
        "limit of the account"
    )


async def _ensure(jetstream: JetStream, config: dict[str, Any]) -> None:
    name = config["name"]
    try:
        state = await jetstream.stream_state(name)
    except JetStreamError as error:
        if error.err_code != _NOT_FOUND:
            raise
        await make_stream(jetstream, config)
        return
    for key in _COMPARED:
        wanted, found = config.get(key), state.config.get(key)
        if key == "subjects":
            wanted, found = sorted(wanted or ()), sorted(found or ())
        if (wanted is not None or key == "republish") and wanted != found:
            raise BusError(
                f"stream {name} is there with {key} = {found}, Assay needs {wanted}: use another "
                "server or account, or change the stream with the nats command after a backup"
            )
