"""`evaluate` of one policy against another, and of the sequences of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from calvin.sequences import get_sequences
from tests.commands.evaluating import RANDOM, refused, run

pytestmark = pytest.mark.slow


def test_two_policies_against_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    """The expert is told from chance before all sequences are played."""
    words = ("evaluate", "expert", "--against", "random")
    steps = ("--max-steps", "70", "--simulators", "4", "--sequences", "24", "--json")
    found = run(capfd, *words, *steps)
    assert (found["better"], found["decided"]) == ("expert", True) and found["sequences"] < 24
    assert found["success"][0] > found["success"][1] and found["most_sequences"] == 24
    assert (
        len(found["results"])
        == found["sequences"]
        == found["won"]
        + found["lost"]
        + sum((a >= 1) == (b >= 1) for a, b in (entry["done"] for entry in found["results"]))
    )
    capfd.readouterr()
    assert cli.main([*words, "--max-steps", "1", "--sequences", "2", "--simulators", "2"]) == 0
    output = capfd.readouterr()
    assert "they were not told apart (they differ on no sequence)" in output.out
    assert "2 of 2 sequences: 0 to 0" in output.err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--against", "random"), "--against random: it is the same policy"),
        (("--level", "2"), "--level is of --against"),
        (("--against", "expert", "--videos", "films"), "--videos is not heeded by --against"),
        (("--against", "expert", "--official-compat"), "--official-compat is not heeded by --against"),
    ],
)
def test_what_against_does_not_heed(
    more: tuple[str, ...], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refused(capfd, 2, *RANDOM, "--sequences", "1", *more)


def test_the_sequences_of_a_file_are_played(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chains = get_sequences(1000)
    file = tmp_path / "list.json"
    file.write_text(json.dumps([[chains[n].initial_state, chains[n].tasks] for n in (5, 9)]))
    words = (*RANDOM, "--sequences-file", str(file))
    document = run(capfd, *words, "--out", str(tmp_path / "results"))
    assert [entry["tasks"] for entry in document["results"]] == [list(chains[n].tasks) for n in (5, 9)]
    assert document["protocol"] == "a file's sequences"
    assert "--tasks draws sequences" in refused(capfd, 2, *words, "--tasks", "open_drawer")
    assert "list.json has 2, not 3" in refused(capfd, 2, *words, "--sequences", "3")
    file.write_text("[]")
    assert "is no list of sequences" in refused(capfd, 2, *words)
    assert refused(capfd, 2, *words[:-1], str(tmp_path / "nowhere.json")).count("\n") == 1
