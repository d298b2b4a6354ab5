"""What the attempt keeps of what its ranks print."""

from __future__ import annotations

import logging
import subprocess

import pytest

from tasks.train.gang.processes import Group

#: To the pipe of the words and to the log, without an end of a line.
_PRINTED = 20_000_000
_COMMAND = (
    f"head -c {_PRINTED} /dev/zero | tr '\\0' x; head -c {_PRINTED} /dev/zero | tr '\\0' y >&2;"
    """ echo; echo '{"word": "exits", "exits": {"1": 3}}'; echo the last >&2"""
)


def test_ranks_that_print_without_end_are_heard_and_their_last_lines_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    launcher = subprocess.Popen(
        ["sh", "-c", _COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    group = Group(launcher)
    try:
        words = []
        while not group.ended:
            words += [line.word for line in group.lines(0.1)]
    finally:
        group.end()
    assert words == ["exits"]
    with caplog.at_level(logging.WARNING):
        group.log()
    assert caplog.messages[-1].endswith("the last")
    assert sum(map(len, caplog.messages)) < 1_000_000
    assert str(group.error()).startswith("the ranks ended without a word (rank 1 with 3)")
