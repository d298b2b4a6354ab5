"""Packages are installed into the environment of who lacks them, from what an index has."""

from __future__ import annotations

import sys

import pytest

from settings.installing import pip_install, pip_install_extra


def test_the_environment_of_this_process_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir("/")
    command = pip_install("flower>=2.0.1,<3")
    assert command == f"{sys.executable.removeprefix('/')} -m pip install 'flower>=2.0.1,<3'"


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ("vae", ["'diffusers>="]),
        ("qlora", ["'peft>=", "'bitsandbytes>="]),
        ("s3", ["'s3fs>="]),
        ("none", ["'.[none]'"]),
    ],
)
def test_an_extra_is_told_by_what_it_takes(extra: str, wanted: list[str]) -> None:
    """No index has Baton under its name."""
    command = pip_install_extra(extra)
    assert all(one in command for one in wanted) and "baton-queue" not in command
