"""The file itself: a plain tar whose members are known before they are read.

    manifest-<sha256>.json, state.db, artifacts/<ab>/<sha256><suffix> ...

Why tar: it is written and read in one pass of any length without an index, any `tar` can list it, and weights
do not compress. Why not `tarfile` for reading: it follows what an archive asks for (links, devices, sparse
files, extended headers of any size). Here the manifest says which members come, in which order, of which size,
and everything else is refused; only the parsing of one 512-byte header is left to `tarfile`.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable
from typing import BinaryIO, Protocol

from db.bundle.manifest import MOST_MANIFEST_BYTES, File, Manifest, parse
from errors import BundleError
from settings.shown import shown

STATE = "state.db"

_MANIFEST = re.compile(r"manifest-([0-9a-f]{64})\.json")
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_PIECE = 1 << 20

_TYPES = {
    tarfile.DIRTYPE: "a folder", tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file", tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "an extended header", tarfile.GNUTYPE_LONGNAME: "a long name",
    tarfile.GNUTYPE_LONGLINK: "a long link",
}  # fmt: skip

#: Told how many bytes more were copied.
OnBytes = Callable[[int], None]


def total_bytes(manifest: Manifest, manifest_bytes: int) -> int:
    """Length of the whole file."""
    sizes = [manifest_bytes, manifest.state_bytes, *(file.bytes for file in manifest.inside)]
    return sum(_BLOCK + size + _padding(size) for size in sizes) + len(_END)


class Source(Protocol):
    """What a member is copied from; fewer bytes than asked for may come."""

    def read(self, size: int, /) -> bytes: ...


class Writer:
    """Appends members to a stream."""

    def __init__(self, stream: BinaryIO, on_bytes: OnBytes) -> None:
        self._stream = stream
        self._on_bytes = on_bytes

    def manifest(self, manifest: Manifest) -> None:
        """Raises BundleError when it names more files than a reader would accept."""
        text = manifest.model_dump_json().encode()
        if len(text) > MOST_MANIFEST_BYTES:
            raise BundleError(f"{len(manifest.files)} artifacts are too many for one bundle")
        self._stream.write(_header(f"manifest-{hashlib.sha256(text).hexdigest()}.json", len(text)))
        self._stream.write(text + bytes(_padding(len(text))))

    def member(self, name: str, size: int, source: Source) -> str | None:
        """Copy `size` bytes. Returns their SHA-256, or None when the source has more or fewer bytes."""
        self._stream.write(_header(name, size))
        digest, left = hashlib.sha256(), size
        while left and (piece := source.read(min(_PIECE, left))):
            self._stream.write(piece)
            digest.update(piece)
            self._on_bytes(len(piece))
            left -= len(piece)
        self._stream.write(bytes(_padding(size)))
        return digest.hexdigest() if left == 0 and not source.read(1) else None

    def end(self) -> None:
        self._stream.write(_END)


class Reader:
    """Reads members in the only order there is. Every method raises BundleError for anything else."""

    def __init__(self, stream: BinaryIO, on_bytes: OnBytes = lambda _count: None) -> None:
        self._stream = stream
        self._on_bytes = on_bytes

    def manifest(self) -> tuple[Manifest, int]:
        """The manifest and its length."""
        header, info = self._info()
        match = _MANIFEST.fullmatch(info.name)
        if match is None or info.type != tarfile.REGTYPE:
            raise BundleError("it does not begin with a manifest: it is no bundle of Baton's")
        if not 0 <= info.size <= MOST_MANIFEST_BYTES:
            raise BundleError(f"its manifest claims {info.size} bytes; {MOST_MANIFEST_BYTES} are the limit")
        self._check_header(header, info)
        text = self._exactly(info.size)
        self._skip_padding(info.size)
        if hashlib.sha256(text).hexdigest() != match[1]:
            raise BundleError("its manifest is damaged")
        return parse(text), info.size

    def state(self, manifest: Manifest, target: BinaryIO) -> None:
        self._member(STATE, manifest.state_bytes, manifest.state_sha256, target)

    def file(self, file: File, target: BinaryIO) -> None:
        self._member(file.path, file.bytes, file.sha256, target)

    def end(self) -> None:
        if self._stream.read(len(_END) + 1) != _END:
            raise BundleError("something follows the last file that its manifest names")

    def _member(self, name: str, size: int, sha256: str, target: BinaryIO) -> None:
        header, info = self._info()
        if info.type != tarfile.REGTYPE or info.linkname:
            kind = _TYPES.get(info.type, f"a member of type {info.type!r}")
            raise BundleError(f"it holds {kind} ({_shown(info.name)}) where its manifest names {name}")
        if info.name != name:
            raise BundleError(f"it holds {_shown(info.name)} where its manifest names {name}")
        if info.size != size:
            raise BundleError(f"{name} has {info.size} bytes in it, and {size} in its manifest")
        self._check_header(header, info)
        digest, left = hashlib.sha256(), size
        while left:
            piece = self._exactly(min(_PIECE, left))
            target.write(piece)
            digest.update(piece)
            self._on_bytes(len(piece))
            left -= len(piece)
        self._skip_padding(size)
        if digest.hexdigest() != sha256:
            raise BundleError(f"{name} is damaged in it: its bytes do not have their digest")

    def _info(self) -> tuple[bytes, tarfile.TarInfo]:
        header = self._exactly(_BLOCK)
        try:
            return header, tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise BundleError(f"it is damaged or no bundle of Baton's ({error})") from None

    def _check_header(self, header: bytes, info: tarfile.TarInfo) -> None:
        """`tarfile` reads past some bytes of a header (those behind its checksum's end): none may differ."""
        if header != _header(info.name, info.size):
            raise BundleError(f"it is damaged or no bundle of Baton's (the header of {_shown(info.name)})")

    def _skip_padding(self, size: int) -> None:
        if any(self._exactly(_padding(size))):
            raise BundleError("something hides behind the end of a file in it")

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) != count:
            raise BundleError("it ends too early: it is not complete, or no bundle of Baton's")
        return data


def read_manifest(stream: BinaryIO, size: int) -> Manifest:
    """The manifest of a bundle of `size` bytes. Raises BundleError also when bytes are missing or too many."""
    manifest, manifest_bytes = Reader(stream).manifest()
    expected = total_bytes(manifest, manifest_bytes)
    if size != expected:
        raise BundleError(
            f"it has {size} bytes and its manifest says {expected}: it is not complete, or damaged"
        )
    return manifest


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def _padding(size: int) -> int:
    return -size % _BLOCK


def _shown(name: str) -> str:
    return shown(name, 120)
