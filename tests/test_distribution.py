"""What is shipped: the lock names exactly what the project needs, the wheel holds what it runs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import PACKAGES, ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked() -> dict[str, tuple[str, int]]:
    """Every pinned package: its version and how many hashes it has."""
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    pins: dict[str, tuple[str, int]] = {}
    for entry in entries:
        found = re.match(r"([a-z0-9.-]+)==(\S+)", entry)
        assert found, f"not pinned: {entry.splitlines()[0]}"
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)
        pins[canonicalize_name(found[1])] = (found[2], len(hashes))
    return pins


def test_lock_pins_every_package_with_hashes():
    without = [name for name, (_, hashes) in locked().items() if not hashes]
    assert not without


def test_lock_agrees_with_the_project():
    pins = locked()
    needed = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    for text in needed:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{text} is not locked: make lock"
        version, _ = pins[name]
        assert version in requirement.specifier, f"{text}, locked {version}: make lock"


def test_lock_names_no_host_and_no_folder():
    assert not re.search(r"https?://|file:|--index|--find-links|--trusted-host|(?:^|\s|\()/", LOCK)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_packages_and_their_data_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "streams/events.py",
        "streams/data/us_stocks_daily.parquet",
        "streams/data/ATTRIBUTION.md",
        "configs/quickstart.yaml",
    ):
        assert needed in names
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {*PACKAGES, "configs"}


def test_wheel_gives_the_command_and_the_licence(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "assay = deploy.program:main" in archive.read(entry_points).decode()
    [licence] = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert b"Apache License" in archive.read(licence)
