"""The HTTP beside a role: what it answers, what it turns away, when it says that all is well."""

import asyncio
import contextlib
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.metrics import metrics_server
from deploy.metrics.health import BEAT_S
from deploy.metrics.role_metrics import MetricsPlace, RoleMetrics
from engine.shells.reading import Reading, counter, gauge, info
from streams.errors import ConfigError

HOST = "127.0.0.1"


class Bus:
    """As much of a connection as is told of."""

    connected = True
    reconnects = 3


class Role:
    def __init__(self, *readings: Reading) -> None:
        self.found = list(readings)

    async def readings(self) -> list[Reading]:
        return self.found


@pytest.fixture
async def told() -> AsyncIterator[RoleMetrics]:
    async with RoleMetrics(MetricsPlace(HOST, 0), "scorer", 2, ["alpha"]) as metrics:
        yield metrics


def get(url: str, accept: str = "") -> tuple[int, str, str]:
    """Status, body and content type."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers["Content-Type"]


async def got(told: RoleMetrics, path: str, accept: str = "") -> tuple[int, str, str]:
    url = told.url.removesuffix("/metrics") + path
    return await asyncio.to_thread(get, url, accept)


async def said_to(told: RoleMetrics, request: bytes) -> bytes:
    """What comes back for bytes as they are."""
    port = int(told.url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    await closed(writer)
    return answer


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # The server may have turned away what it has not read.
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_the_figures_of_a_role_are_text_that_prometheus_reads(told: RoleMetrics):
    odd = 'a "name"\\\n'
    wait = Reading("histogram", "wait_seconds", "Wait.", 1.5, (), ((0.5, 2), (float("inf"), 3)))
    told.note_role(
        Role(
            counter("taken", "Taken.", 7, stream="INPUT"),
            gauge("lag_messages", "Lag.", 2.5, stream=odd),
            info("model", "Model.", version="alpha-1"),
            wait,
        ),
        None,
    )
    status, body, content_type = await got(told, "/metrics")
    samples = {
        (sample.name, sample.labels.get("stream", sample.labels.get("le", ""))): sample
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert samples["assay_taken_total", "INPUT"].value == 7
    assert samples["assay_lag_messages", odd].value == 2.5
    assert samples["assay_model_info", ""].labels["version"] == "alpha-1"
    assert samples["assay_wait_seconds_bucket", "0.5"].value == 2
    assert samples["assay_wait_seconds_count", ""].value == 3
    assert samples["assay_wait_seconds_sum", ""].value == 1.5
    own = [one for (name, _), one in samples.items() if name.startswith("assay_")]
    assert all((one.labels["role"], one.labels["shard"]) == ("scorer", "2") for one in own)
    assert samples["process_resident_memory_bytes", ""].value > 1e6


async def test_open_metrics_are_written_where_they_are_asked_for(told: RoleMetrics):
    status, body, content_type = await got(told, "/metrics", "application/openmetrics-text")
    assert (status, content_type.split(";")[0]) == (200, "application/openmetrics-text")
    assert body.endswith("# EOF\n")


async def test_a_role_is_ready_once_it_works_and_while_its_bus_answers(told: RoleMetrics):
    bus = Bus()
    assert (await got(told, "/readyz"))[:2] == (503, "starting\n")
    told.note_bus(bus)  # type: ignore[arg-type]
    assert (await got(told, "/readyz"))[0] == 503
    told.note_ready()
    assert (await got(told, "/readyz"))[:2] == (200, "ok\n")
    assert "assay_ready{" in (await got(told, "/metrics"))[1]
    bus.connected = False
    assert (await got(told, "/readyz"))[:2] == (503, "the bus does not answer\n")
    assert (await got(told, "/livez"))[0] == 200
    bus.connected = True
    assert (await got(told, "/readyz"))[0] == 200


async def test_a_loop_that_hangs_is_said_not_to_live(told: RoleMetrics, monkeypatch):
    monkeypatch.setattr(metrics_server, "COLLECT_TIMEOUT_S", 0.2)
    told._health._silent_max_s = 2 * BEAT_S
    told.note_bus(Bus())  # type: ignore[arg-type]
    told.note_ready()
    asking = asyncio.create_task(hanging(told))
    await asyncio.sleep(0.05)
    time.sleep(4 * BEAT_S)  # The loop hangs.
    answers = await asking
    assert [status for status, _, _ in answers] == [503, 503, 503]
    assert "has not turned for" in answers[0][1]
    await asyncio.sleep(BEAT_S)
    assert (await got(told, "/livez"))[0] == 200


async def hanging(told: RoleMetrics) -> list[tuple[int, str, str]]:
    base = told.url.removesuffix("/metrics")

    def ask() -> list[tuple[int, str, str]]:
        time.sleep(2.5 * BEAT_S)
        return [get(base + path) for path in ("/livez", "/readyz", "/metrics")]

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"DELETE /livez HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /livez?verbose HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /livez HTTP/1.0\r\n\r\n", b"200"),
        (b"HEAD /livez HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /livez\r\n\r\n", b"400"),
        (b"GET /livez SMTP\r\n\r\n", b"400"),
        (b"\xff\xfe\x00 \r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 20_000, b"431"),
        (b"G" * 20_000, b"431"),
    ],
)
async def test_requests_are_answered_or_turned_away(told, request_: bytes, status: bytes):
    answer = await said_to(told, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert (b"Allow: GET, HEAD" in head) == (status == b"405")
    assert bool(body) != request_.startswith(b"HEAD")
    assert (await got(told, "/livez"))[0] == 200


async def test_who_says_nothing_is_let_go_and_disturbs_nobody(told, monkeypatch):
    monkeypatch.setattr(metrics_server, "REQUEST_TIMEOUT_S", 0.3)
    answers = await asyncio.gather(*(said_to(told, b"GET /met") for _ in range(5)))
    assert {answer.split()[1] for answer in answers} == {b"408"}
    assert (await got(told, "/livez"))[0] == 200


async def test_connections_are_limited(told, monkeypatch):
    monkeypatch.setattr(metrics_server, "CONNECTIONS_MAX", 3)
    port = int(told.url.split(":")[2].split("/")[0])
    held = [await asyncio.open_connection(HOST, port) for _ in range(3)]
    await asyncio.sleep(0.1)
    reader, another = await asyncio.open_connection(HOST, port)
    held.append((reader, another))
    said = b""
    # Turned away with its request unread, it may find the connection reset.
    with contextlib.suppress(ConnectionResetError):
        another.write(b"GET /livez HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(10):
            said = await reader.read()
    for _, writer in held:
        await closed(writer)
    assert said == b""
    await asyncio.sleep(0.1)
    assert (await got(told, "/livez"))[0] == 200


async def test_a_defect_in_a_figure_is_told_as_such_and_ends_nothing(told: RoleMetrics):
    class Broken:
        async def readings(self) -> list[Reading]:
            raise ZeroDivisionError

    told.note_role(Broken(), None)
    assert (await got(told, "/metrics"))[0] == 500
    told.note_role(Role(), None)
    assert (await got(told, "/metrics"))[0] == 200


async def test_scrapes_of_a_role_that_does_not_answer_end_together(told: RoleMetrics, monkeypatch):
    monkeypatch.setattr(metrics_server, "COLLECT_TIMEOUT_S", 1.0)

    class Stuck(Role):
        async def readings(self) -> list[Reading]:
            await asyncio.Event().wait()
            return []

    told.note_role(Stuck(), None)
    async with asyncio.timeout(3.0):  # One behind the other they would need five.
        found = await asyncio.gather(*(got(told, "/metrics") for _ in range(5)))
    assert {status for status, _, _ in found} == {503}
    assert (await got(told, "/livez"))[0] == 200


async def test_one_of_two_scorers_says_whether_it_publishes(told: RoleMetrics):
    class Outlet:
        is_active = False

    told.note_role(Role(), Outlet())  # type: ignore[arg-type]
    assert 'assay_publishing{role="scorer",shard="2"} 0.0' in (await got(told, "/metrics"))[1]


async def test_a_port_that_is_taken_is_an_error_that_names_it():
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--metrics-port {port} on {HOST}"):
            async with RoleMetrics(MetricsPlace(HOST, port), "drift", 0, []):
                pass


async def test_nothing_listens_once_the_role_has_ended():
    async with RoleMetrics(MetricsPlace(HOST, 0), "drift", 0, []) as metrics:
        url = metrics.url
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(get, url)
