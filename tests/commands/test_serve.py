"""`serve` as people use it: a real process, a toy checkpoint."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.base import Query
from policies.registry import ReconVLAFolder, open_policy
from policies.remote import RemotePolicy
from tests.commands.evaluating import refused, toy_checkpoint
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint(tmp_path_factory.mktemp("toy"))


def test_serve_asks_for_its_address_before_it_loads_the_model(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("policies.registry.open_policy", loads)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        assert "cannot listen on 127.0.0.1" in refused(capfd, 3, "serve", str(folder), "--port", port)


def test_ctrl_c_while_it_loads_says_that_nothing_was_begun(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("policies.registry.open_policy", interrupted)
    said = refused(capfd, 4, "serve", str(folder), "--port", "0")
    assert said.endswith(
        f"error: stopped by SIGINT while {folder} was loaded; nothing was begun, and the same command loads it again\n"
    )


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """`serve` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "cli.py", "serve", str(folder), "--port", "0"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " answers at http://127.0.0.1:" in line
    yield line.split()[-1].removesuffix("/predict")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_served_checkpoint_acts_as_it_does_at_home(folder: Path, server: str) -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    queries = [
        Query(
            {
                "rgb_static": random.integers(0, 256, (200, 200, 3), dtype=np.uint8),
                "rgb_gripper": random.integers(0, 256, (84, 84, 3), dtype=np.uint8),
                "robot_obs": random.normal(size=15),
            },
            "draw the drawer out",
            sequence=number,
            number=0,
        )
        for number in range(3)
    ]
    at_home = open_policy(ReconVLAFolder(str(folder))).act(queries)
    served = RemotePolicy(server, tries=1).act(queries)
    for one, other in zip(at_home, served):
        np.testing.assert_array_equal(one, other)
