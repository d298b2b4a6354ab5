"""`worker` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import main


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ("gpu", "a GPU's is accelerator"),
        ("cpu,acelerator", "did you mean accelerator?"),
        ("", "is empty"),
        ("x", "cpu, accelerator"),
    ],
)
def test_a_kind_that_no_job_has_is_refused_before_anything_is_made(
    resources: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a worker would join, and never take a job."""
    assert main(["--home", str(tmp_path / "home"), "worker", "--resources", resources]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "home").exists()
