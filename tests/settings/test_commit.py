"""The commit of a checkout, as git tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from settings.commit import checked_out


def git(folder: Path, *words: str) -> str:
    options = ("-c", "user.name=x", "-c", "user.email=x@y", "-c", "init.defaultBranch=trunk")
    done = subprocess.run(
        ["git", "-C", str(folder), *options, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def test_branches_packed_names_detached_heads_and_worktrees_are_read(checkout: Path, tmp_path: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert checked_out(checkout) == commit
    git(checkout, "worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "two")
    other = git(tmp_path / "other", "rev-parse", "HEAD")
    assert checked_out(tmp_path / "other") == other != commit
    git(checkout, "pack-refs", "--all")
    assert (checked_out(checkout), checked_out(tmp_path / "other")) == (commit, other)
    git(checkout, "checkout", "-q", "--detach")
    assert checked_out(checkout) == commit


def test_what_is_none_has_none(checkout: Path, tmp_path: Path) -> None:
    assert checked_out(tmp_path) is None
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/gone\n")
    assert checked_out(checkout) is None
    (checkout / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert checked_out(checkout) is None
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / ".git").write_text("gitdir: ../nowhere\n")
    assert checked_out(tmp_path / "file") is None
