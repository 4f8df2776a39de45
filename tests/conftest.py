"""What every test shares: how hypothesis searches, and buses and a database server to test on.

Machines that run the tests are shared, so no example has a deadline; under `CI` the search is the
same each time, elsewhere it is new and prints what reproduces a failure.
"""

import os
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest

from streams.broker import EmbeddedBroker
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision, remove_all
from tests.postgres import PostgresServer, running_postgres

TEST_ACK_WAIT_S = 0.6
BEGUN_FIRST = (
    "tests/engine/strategies/test_conformance.py",
    "tests/test_documents.py",
    "tests/trainers/test_training.py",
    "tests/deploy/test_demo.py",
    "tests/deploy/test_up.py",
    "tests/deploy/test_verify.py",
    "tests/deploy/research/test_pipeline_command.py",
    "tests/trainers/optimiser/test_optimiser_processes.py",
    "tests/trainers/optimiser/test_optimiser.py",
    "tests/trainers/pipeline/test_model_training.py",
    "tests/trainers/selection/test_selection_canary.py",
    "tests/streams/test_nats_recovery.py",
    "tests/trainers/pipeline/test_pipeline_run.py",
    "tests/trainers/retraining/test_worker.py",
    "tests/deploy/test_plain_client.py",
    "tests/trainers/tuning/test_tuning_canary.py",
    "tests/simulation/test_killed_trainer.py",
    "tests/trainers/retraining/test_worker_on_nats.py",
)
"""The longest files. Several workers take one file each: what is long and late keeps only one busy.

The first compiles what later ones would compile at once, each for itself.
"""

hypothesis.settings.register_profile(
    "assay",
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("assay")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first where workers share them out."""
    if hasattr(config, "workerinput"):
        order = {config.rootpath / name: i for i, name in enumerate(BEGUN_FIRST)}
        items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A NATS server on 127.0.0.1 and a free port, for the whole run."""
    with EmbeddedBroker.start(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
async def nats_bus(broker: EmbeddedBroker) -> AsyncIterator[NatsBus]:
    """A bus on that server whose streams, keys and objects are new and empty."""
    bus = await NatsBus.connect(broker.url, name="test", ack_wait_s=TEST_ACK_WAIT_S)
    await remove_all(bus.jetstream)
    await provision(bus.jetstream)
    yield bus
    await bus.close()


@pytest.fixture
async def memory_bus() -> AsyncIterator[MemoryBus]:
    """An empty bus in this process."""
    bus = MemoryBus(ack_wait_s=TEST_ACK_WAIT_S)
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server on a socket of its own, for the whole run; started when first asked."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL, with its password, of a database there that is new and empty."""
    with postgres.database() as url:
        yield url
