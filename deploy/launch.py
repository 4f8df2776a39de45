"""A whole run on this machine: broker, streams, roles; and its orderly end."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from deploy.connection import connect
from deploy.state import StateDir
from deploy.supervisor import Supervisor
from deploy.trust import ensure_signing_key
from streams.broker import EmbeddedBroker
from streams.nats_bus import NatsBus
from streams.provision import provision


@contextmanager
def broker_url(nats: str | None, state: StateDir, port: int = 0) -> Iterator[str]:
    """Yield the URL of the server named, or of an embedded one that ends with this block."""
    if nats is not None:
        yield nats
        return
    with EmbeddedBroker.start(state.root, port=port) as broker:
        state.write_url(broker.url)
        try:
            yield broker.url
        finally:
            state.forget_url()


def role_arguments(
    config: Path, assignments: Sequence[str], url: str, state: StateDir
) -> tuple[str, ...]:
    """Return what follows `assay run ROLE` for the roles of a run."""
    overrides = (part for text in assignments for part in ("--set", text))
    return (
        "--config",
        str(config),
        *overrides,
        "--nats",
        url,
        "--state-dir",
        str(state.root),
        "--follow-parent",
    )


@asynccontextmanager
async def running_roles(
    roles: Sequence[str],
    arguments: Sequence[str],
    url: str,
    state: StateDir,
    on_event: Callable[[str], None],
) -> AsyncIterator[tuple[NatsBus, Supervisor]]:
    """Yield a bus and the supervisor of roles that are all ready."""
    ensure_signing_key(state)
    bus = await connect(url, "assay-supervisor")
    try:
        await provision(bus.jetstream)
        async with Supervisor(roles, arguments, state.logs, on_event) as supervisor:
            yield bus, supervisor
    finally:
        await bus.close()
