"""Two distributions bring the module pybullet; what is recorded is the one that an import gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import machine
from settings.machine import ABSENT, pybullet_build


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages, and nothing else, where Python looks for them."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    machine.version.cache_clear()
    machine.pybullet_build.cache_clear()


def _install(packages: Path, name: str, version: str, module: bytes) -> None:
    """As pip does it: the module of the one before is written over."""
    file = "pybullet.cpython-311-x86_64-linux-gnu.so"
    (packages / file).write_bytes(module)
    about = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "RECORD").write_text(
        f"pybullet_data/__init__.py,,98\n{file},,{len(module)}\n{about.name}/METADATA,,\n"
    )


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ([], ABSENT),
        ([("pybullet", "3.2.7", b"one")], "3.2.7"),
        ([("pybullet-arm64", "3.2.8", b"another")], "pybullet-arm64 3.2.8"),
        ([("pybullet", "3.2.7", b"one"), ("pybullet-arm64", "3.2.8", b"another")], "pybullet-arm64 3.2.8"),
        ([("pybullet-arm64", "3.2.8", b"another"), ("pybullet", "3.2.7", b"one")], "3.2.7"),
    ],
    ids=["none", "pybullet", "the fork", "the fork last", "pybullet last"],
)
def test_the_pybullet_that_is_imported_is_told(
    packages: Path, installed: list[tuple[str, str, bytes]], told: str
) -> None:
    for one in installed:
        _install(packages, *one)
    assert pybullet_build() == told


def test_of_two_builds_that_cannot_be_told_apart_both_are_told(packages: Path) -> None:
    _install(packages, "pybullet", "3.2.7", b"one")
    _install(packages, "pybullet-arm64", "3.2.8", b"another")
    (packages / "pybullet.cpython-311-x86_64-linux-gnu.so").write_bytes(b"of a conda package")
    assert pybullet_build() == "3.2.7 or pybullet-arm64 3.2.8"
