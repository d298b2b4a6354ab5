"""The content-addressed store: bytes are on the disk, under their digest, before anybody hears of them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path

import pytest

from db.store import ArtifactStore
from errors import ArtifactDamaged
from settings.home import Home

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def put(store: ArtifactStore, folder: Path, content: bytes = CONTENT) -> tuple[str, str, int]:
    file = folder / "draft.safetensors"
    file.write_bytes(content)
    return store.put(file)


def test_a_file_moves_to_the_place_its_bytes_name(store: ArtifactStore, home: Home, tmp_path: Path) -> None:
    digest, relative, size = put(store, tmp_path)
    assert (digest, size) == (DIGEST, len(CONTENT))
    assert relative == f"artifacts/{DIGEST[:2]}/{DIGEST}.safetensors"
    assert (home.root / relative).read_bytes() == CONTENT
    assert stat.S_IMODE((home.root / relative).stat().st_mode) == 0o400
    assert not (tmp_path / "draft.safetensors").exists()


def test_storing_the_same_bytes_again_gives_the_same_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    assert put(store, tmp_path) == put(store, tmp_path)


def test_storing_again_mends_damaged_bytes(store: ArtifactStore, home: Home, tmp_path: Path) -> None:
    digest, relative, _ = put(store, tmp_path)
    damage(home.root / relative)
    put(store, tmp_path)
    assert store.verified(relative, digest).read_bytes() == CONTENT


def test_bytes_reach_the_disk_before_their_name_and_the_name_before_anybody_knows(
    store: ArtifactStore, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order of the system calls: fsync of the file, rename, fsync of the folders that changed."""
    done: list[tuple[str, str]] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        done.append(("rename", str(self)))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    _, relative, _ = put(store, tmp_path)
    draft, folder = str(tmp_path / "draft.safetensors"), (home.root / relative).parent
    assert done == [
        ("fsync", draft),
        ("rename", draft),
        ("fsync", str(folder)),
        ("fsync", str(folder.parent)),
    ]


def test_a_failed_sync_publishes_nothing(
    store: ArtifactStore, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="no space"):
        put(store, tmp_path)
    assert [path for path in home.artifacts.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("when", ["before the first read", "after a good read"])
def test_damage_is_found(store: ArtifactStore, home: Home, tmp_path: Path, when: str) -> None:
    digest, relative, _ = put(store, tmp_path)
    if when == "after a good read":
        store.verified(relative, digest)
    damage(home.root / relative)
    with pytest.raises(ArtifactDamaged, match="its bytes hash to"):
        store.verified(relative, digest)


def test_absence_is_found(store: ArtifactStore, home: Home, tmp_path: Path) -> None:
    digest, relative, _ = put(store, tmp_path)
    (home.root / relative).unlink()
    with pytest.raises(ArtifactDamaged, match="is missing"):
        store.verified(relative, digest)


def test_a_sound_file_is_hashed_once_per_process(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, relative, _ = put(store, tmp_path)
    path = store.verified(relative, digest)
    monkeypatch.setattr("db.store.file_sha256", lambda _: pytest.fail("hashed again"))
    assert store.verified(relative, digest) == path


def test_a_scratch_folder_ends_with_its_attempt(store: ArtifactStore, home: Home) -> None:
    with pytest.raises(RuntimeError), store.scratch("7-1") as folder:
        (folder / "half").write_bytes(b"half")
        raise RuntimeError
    assert list(home.scratch.iterdir()) == []


def test_a_scratch_folder_that_was_made_anew_meanwhile_is_not_cleared(
    store: ArtifactStore, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that was taken was one of a folder which has no name any more."""
    folder = home.scratch / "fetch-1"
    folder.mkdir()
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        folder.rmdir()
        folder.mkdir()
        (folder / "file").write_bytes(b"of a living process")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert store.clear_scratch() == 0
    assert (folder / "file").exists()


def test_scratch_folders_of_the_dead_are_cleared(store: ArtifactStore, home: Home) -> None:
    """However young: what counts is whether a process has it. Attempts' folders are judged by their leases."""
    left = home.scratch / "export-12345"
    attempt = home.scratch / "7-1-12345"
    for folder in (left, attempt):
        folder.mkdir()
        (folder / "half").write_bytes(b"half")
    with store.scratch("import-x") as held:
        os.utime(held, (0, 0))
        assert store.clear_scratch(dry_run=True) == 1 and left.exists()
        assert store.clear_scratch() == 1
        assert {path.name for path in home.scratch.iterdir()} == {held.name, attempt.name}


def damage(path: Path) -> None:
    """Flip a byte in place, keeping the size."""
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def test_a_store_that_was_moved_to_another_disk_and_linked(home: Home, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    home.artifacts.rename(tmp_path / "disk" / "artifacts")
    home.artifacts.symlink_to(tmp_path / "disk" / "artifacts")
    file = tmp_path / "result.bin"
    file.write_bytes(b"result")
    digest, relative, _ = ArtifactStore(home).put(file)
    assert relative == f"artifacts/{digest[:2]}/{digest}.bin"
    assert ArtifactStore(home).verified(relative, digest).read_bytes() == b"result"
