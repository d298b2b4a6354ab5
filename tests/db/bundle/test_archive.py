"""Only the tar that the manifest describes is read; whatever else an archive can ask for is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.bundle.archive import Reader
from errors import BundleError
from settings.home import Home
from tests.db.bundle.conftest import bring_in, take_out
from tests.db.bundle.forge import Member, Parts, forged, parts_of, regular
from tests.workshop import Workshop, files_of


def special(name: str, kind: bytes, link: str = "", content: bytes = b"") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def replaced(parts: Parts, member: Member) -> None:
    """Something else takes the first artifact's place and length, so that only the member gives it away."""
    info, content = member
    path = first(parts)
    parts.members[path] = info, content.ljust(len(parts.files[path]), b"\0")


def first(parts: Parts) -> str:
    return next(iter(parts.files))


def _sneak(parts: Parts) -> None:
    path = first(parts)
    parts.members[path] = special(path, tarfile.REGTYPE, link="/etc/passwd", content=parts.files[path])


HOSTILE: dict[str, tuple[Callable[[Parts], Any], str]] = {
    "symbolic link": (lambda p: replaced(p, special(first(p), tarfile.SYMTYPE, "/etc/passwd")), "a symbolic link"),
    "hard link": (lambda p: replaced(p, special(first(p), tarfile.LNKTYPE, "state.db")), "a hard link"),
    "character device": (lambda p: replaced(p, special(first(p), tarfile.CHRTYPE)), "a device"),
    "block device": (lambda p: replaced(p, special(first(p), tarfile.BLKTYPE)), "a device"),
    "pipe": (lambda p: replaced(p, special(first(p), tarfile.FIFOTYPE)), "a pipe"),
    "socket": (lambda p: replaced(p, special(first(p), b"s")), "a member of type b's'"),
    "folder": (lambda p: replaced(p, special(first(p), tarfile.DIRTYPE)), "a folder"),
    "sparse file": (lambda p: replaced(p, special(first(p), tarfile.GNUTYPE_SPARSE)), "a sparse file"),
    "old sort of file": (lambda p: replaced(p, special(first(p), tarfile.AREGTYPE)), "a member of type"),
    "extended header": (
        lambda p: replaced(p, special("pax", tarfile.XHDTYPE, content=b"30 path=../../../../tmp/evil\\n")),
        "an extended header",
    ),
    "long name": (
        lambda p: replaced(p, special("././@LongLink", tarfile.GNUTYPE_LONGNAME, content=b"../" * 99)),
        "a long name",
    ),
    "traversal": (lambda p: replaced(p, regular("artifacts/../../evil", b"x")), "where its manifest names"),
    "absolute path": (lambda p: replaced(p, regular("/tmp/evil", b"x")), "where its manifest names"),
    "link beside the bytes": (_sneak, "where its manifest names"),
    "twice the same": (lambda p: p.extra.append(regular(first(p), p.files[first(p)])), "has .* bytes and its manifest"),
    "one more": (lambda p: p.extra.append(regular("artifacts/evil", b"")), "has .* bytes and its manifest"),
    "one less": (lambda p: p.files.pop(first(p)), "has .* bytes and its manifest"),
    "other bytes": (lambda p: p.files.update({first(p): bytes(len(p.files[first(p)]))}), "is damaged in it"),
    "other state": (lambda p: setattr(p, "state", bytes(len(p.state))), "state.db is damaged in it"),
    "another order": (lambda p: setattr(p, "files", dict(reversed(p.files.items()))), "where its manifest names"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_member_that_is_not_what_the_manifest_names(
    what: str, sealed: Path, new: Home, tmp_path: Path
) -> None:
    change, says = HOSTILE[what]
    with pytest.raises(BundleError, match=says):
        bring_in(new, forged(sealed, tmp_path, change))
    assert not new.root.exists() and not (tmp_path / "evil").exists() and not Path("/tmp/evil").exists()


def _first_file(parts: Parts) -> dict[str, Any]:
    entry: dict[str, Any] = parts.manifest["files"][0]
    return entry


MANIFESTS: dict[str, tuple[Callable[[Parts], Any], str]] = {
    "other format": (lambda p: p.manifest.update(format="baton-bundle-9"), "its format is 'baton-bundle-9'"),
    "unknown field": (lambda p: p.manifest.update(run="rm -rf /"), "wrong at run"),
    "no key": (lambda p: p.manifest.pop("key"), "wrong at key"),
    "absolute": (lambda p: _first_file(p).update(path="/etc/passwd"), "no place of an artifact"),
    "traversal": (lambda p: _first_file(p).update(path="artifacts/../../x"), "no place of an artifact"),
    "wrong folder": (lambda p: _first_file(p).update(path="artifacts/zz/" + "0" * 64), "no place of an artifact"),
    "line end": (lambda p: _first_file(p).update(path=_first_file(p)["path"] + "\n"), "no place of an artifact"),
    "negative": (lambda p: _first_file(p).update(bytes=-1), "wrong at files.0.bytes"),
    "bomb": (lambda p: _first_file(p).update(bytes=1 << 60), "wrong at files.0.bytes"),
    "large": (lambda p: _first_file(p).update(bytes=1 << 49), "has .* bytes and its manifest says"),
    "no number": (lambda p: _first_file(p).update(bytes="9"), "wrong at files.0.bytes"),
    "twice": (lambda p: p.manifest["files"].append(_first_file(p)), "names a file twice"),
    "lacking": (lambda p: _first_file(p).update(inside=False), "does not say which bundle"),
    "no history": (lambda p: p.manifest.update(history=[]), "wrong at history"),
    "other history": (lambda p: p.manifest["history"][-1].update(key="0" * 32), "does not end with itself"),
    "history twice": (lambda p: p.manifest["history"].append(p.manifest["history"][0]), "a bundle twice"),
}  # fmt: skip


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_that_is_not_as_it_should_be(what: str, sealed: Path, new: Home, tmp_path: Path) -> None:
    change, says = MANIFESTS[what]
    with pytest.raises(BundleError, match=says):
        bring_in(new, forged(sealed, tmp_path, change))
    assert not new.root.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "its manifest is wrong"),
        (b"[" * 100_000, "its manifest is wrong"),
        (b'{"format": NaN}', "its manifest is wrong"),
        (b"\xff\xfe", "its manifest is wrong"),
    ],
)
def test_a_manifest_that_is_no_json(text: bytes, says: str, sealed: Path, new: Home, tmp_path: Path) -> None:
    target = parts_of(sealed).write(tmp_path / "forged.bundle", manifest_text=text)
    with pytest.raises(BundleError, match=says):
        bring_in(new, target)


@pytest.mark.parametrize("size", [(64 << 20) + 1, 1 << 40, -1])
def test_a_manifest_too_large_to_read_is_not_read(size: int, new: Home, tmp_path: Path) -> None:
    info = tarfile.TarInfo(f"manifest-{'0' * 64}.json")
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "large.bundle").write_bytes(header + b"x" * 4096)
    with pytest.raises(BundleError, match="its manifest claims"):
        bring_in(new, tmp_path / "large.bundle")


def test_a_manifest_under_a_wrong_name_is_damaged(sealed: Path, new: Home, tmp_path: Path) -> None:
    parts = parts_of(sealed)
    text = json.dumps(parts.manifest).encode()
    name = f"manifest-{hashlib.sha256(text).hexdigest()}.json"
    parts.members[name] = regular(f"manifest-{'0' * 64}.json", text)
    with pytest.raises(BundleError, match="its manifest is damaged"):
        bring_in(new, parts.write(tmp_path / "forged.bundle"))


def test_what_is_no_bundle_is_refused(tmp_path: Path, new: Home) -> None:
    (tmp_path / "text").write_text("notes of mine\n" * 100)
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "zeros").write_bytes(bytes(10240))
    os.mkfifo(tmp_path / "pipe")
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.add(__file__)
    for name in ("text", "nothing", "zeros", "tar", "pipe", ".", "absent"):
        with pytest.raises(BundleError, match=r"no bundle|is no file|cannot be read|ends too early|is no fo"):
            bring_in(new, tmp_path / name)
    assert not new.root.exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Home]:
    """A bundle's bytes, and a home that may import it."""
    folder = tmp_path_factory.mktemp("sound")
    workshop = Workshop(folder / "home")
    workshop.submit()
    workshop.finish("ingest")
    workshop.close()
    take_out(workshop.home, folder / "first.bundle")
    receiver = Home(folder / "receiver")
    bring_in(receiver, folder / "first.bundle")
    workshop = Workshop(folder / "home")
    workshop.finish("gaze 1")
    workshop.close()
    take_out(workshop.home, folder / "second.bundle")
    return (folder / "second.bundle").read_bytes(), receiver


def test_no_bit_of_a_header_may_differ(sound: tuple[bytes, Home]) -> None:
    content, _ = sound
    header, rest = content[:512], content[512:]
    for bit in range(8 * len(header)):
        bad = bytearray(header)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BundleError):
            Reader(io.BytesIO(bytes(bad) + rest)).manifest()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_flipped_bit_and_no_cut_gets_in(
    sound: tuple[bytes, Home], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content, receiver = sound
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    cut = data.draw(st.booleans(), label="cut")
    folder = tmp_path_factory.mktemp("flip")
    bad = bytearray(content)
    if cut:
        del bad[place:]
    else:
        bad[place] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    (folder / "bad.bundle").write_bytes(bad)
    home = Home(folder / "home")
    shutil.copytree(receiver.root, home.root)
    before = files_of(home)
    with pytest.raises(BundleError):
        bring_in(home, folder / "bad.bundle")
    assert files_of(home) == before
    shutil.rmtree(folder)
