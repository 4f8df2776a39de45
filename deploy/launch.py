"""A whole run on this machine: broker, streams, roles; and its orderly end."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.operations.scorer_terms import terms_to_record
from deploy.role_runtime import NATS_VARIABLE, SHARDED_ROLE, metrics_at, process_name
from deploy.state import StateDir
from deploy.supervisor import Supervisor
from deploy.trust import ensure_signing_key
from streams.broker import EmbeddedBroker
from streams.errors import BrokerError, ConfigError
from streams.nats_bus import NatsBus
from streams.provision import provision

# The server's own words.
PORT_TAKEN = "address already in use"


@contextmanager
def broker_url(
    nats: str | None, state: StateDir, settings: RunSettings, port: int = 0
) -> Iterator[str]:
    """Yield the URL of the server named, or of an embedded one that ends with this block.

    Beside it is recorded which strategies orders may be given for, and which models may speak.
    """
    if nats is not None:
        yield nats
        return
    with _embedded(state, port) as broker:
        strategies = [strategy.name for strategy in settings.strategies]
        state.write_url(broker.url, strategies, terms_to_record(settings))
        try:
            yield broker.url
        finally:
            state.forget_url()


def _embedded(state: StateDir, port: int) -> EmbeddedBroker:
    try:
        return EmbeddedBroker.start(state.root, port=port)
    except BrokerError as error:
        if PORT_TAKEN not in str(error):
            raise
        raise ConfigError(
            f"--port {port} is in use by another program: choose another, or 0 for a free one"
        ) from None


def role_commands(
    roles: Sequence[str],
    config: Path,
    assignments: Sequence[str],
    url: str,
    state: StateDir,
    *,
    shards: int = 1,
    standby: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Return the command line of each process, by its name: the role's, and its shard's.

    The scorer runs once per shard, with `standby` twice. A URL with a password or a token is left
    out: every user of the machine sees arguments, so it is told by `hidden_from_others`.
    """
    overrides = tuple(part for text in assignments for part in ("--set", text))
    server = () if hidden_from_others(url) else ("--nats", url)
    options = (*server, "--state-dir", str(state.root), "--follow-parent")
    program = (sys.executable, "-m", "deploy.role_main")
    commands: dict[str, tuple[str, ...]] = {}
    for role in roles:
        command = (*program, role, "--config", str(config), *overrides, *options)
        if role != SHARDED_ROLE:
            commands[role] = command
            continue
        for shard in range(shards):
            name = process_name(role, shard, shards)
            part = (*command, "--shard", str(shard), "--shards", str(shards))
            commands[name] = (*part, "--standby") if standby else part
            if standby:
                commands[f"{name}-standby"] = commands[name]
    return commands


def hidden_from_others(url: str) -> dict[str, str]:
    """Return the environment that tells a role the URL of its server where that is a secret.

    >>> hidden_from_others("nats://127.0.0.1:4222"), hidden_from_others("nats://t0ken@host")
    ({}, {'ASSAY_NATS': 'nats://t0ken@host'})
    """
    return {NATS_VARIABLE: url} if "@" in url else {}


def with_metrics(
    commands: Mapping[str, tuple[str, ...]], host: str, port: int | None
) -> dict[str, tuple[str, ...]]:
    """Return the commands of roles that tell metrics, each on a port of its own from `port` on.

    Port 0 is any free one for each, None is none. Raises ConfigError for ports that there are not.
    """
    if metrics_at(host, port, len(commands)) is None:
        return dict(commands)
    ports = [port + number if port else 0 for number in range(len(commands))]
    return {
        name: (*command, "--metrics-host", host, "--metrics-port", str(own))
        for (name, command), own in zip(commands.items(), ports, strict=True)
    }


@asynccontextmanager
async def running_roles(
    commands: Mapping[str, Sequence[str]],
    url: str,
    state: StateDir,
    on_event: Callable[[str], None],
) -> AsyncIterator[tuple[NatsBus, Supervisor]]:
    """Yield a bus and the supervisor of roles that are all ready."""
    ensure_signing_key(state)
    bus = await connect(url, "assay-supervisor")
    try:
        await provision(bus.jetstream)
        secrets = hidden_from_others(url)
        async with Supervisor(commands, state.logs, on_event, secrets) as supervisor:
            yield bus, supervisor
    finally:
        await bus.close()
