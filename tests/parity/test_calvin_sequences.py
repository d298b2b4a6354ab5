"""`get_sequences` against the official list, recorded in `calvin_sequences.json`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from calvin.sequences import get_sequences

PARITY = Path(os.environ.get("BATON_PARITY", Path(__file__).parents[3] / "shared" / "parity"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    path = PARITY / "calvin_sequences.json"
    if not path.is_file():
        pytest.skip(f"recorded official outputs are absent: {path}")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def ours(recorded: dict[str, Any]) -> list[list[Any]]:
    return [[chain.initial_state, list(chain.tasks)] for chain in get_sequences(recorded["num_sequences"])]


def test_entries_equal_the_recorded_ones(recorded: dict[str, Any], ours: list[list[Any]]) -> None:
    listed = [(int(key[6:]), entries) for key, entries in recorded.items() if re.fullmatch(r"first_\d+", key)]
    if not listed:
        pytest.skip("only digests are recorded")
    for count, entries in listed:
        assert len(entries) == count
        for position, (mine, official) in enumerate(zip(ours, entries)):
            assert mine == official, f"sequence {position}"
            assert list(mine[0]) == list(official[0]), f"keys of sequence {position}"


def test_digests_equal_the_recorded_ones(recorded: dict[str, Any], ours: list[list[Any]]) -> None:
    digests = {key: value for key, value in recorded.items() if key.startswith("sha256_")}
    assert digests
    for key, digest in digests.items():
        count = int(key.rpartition("_")[2])
        text = json.dumps(ours[:count], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        assert hashlib.sha256(text.encode("utf-8")).hexdigest() == digest, key
