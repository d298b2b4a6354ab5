"""Taking bundles apart and putting them together wrong."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Member = tuple[tarfile.TarInfo, bytes]


def regular(name: str, content: bytes) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    return info, content


@dataclass
class Parts:
    """A bundle as its manifest, its state and its files; `extra` follows, `members` replaces by name."""

    manifest: dict[str, Any]
    state: bytes
    files: dict[str, bytes]
    extra: list[Member] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)

    def sql(self, *statements: str) -> None:
        """Change the state; the manifest then states its new size and digest, as a forger would."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "state.db")
            file.write_bytes(self.state)
            connection = sqlite3.connect(file)
            connection.execute("PRAGMA writable_schema=ON")
            for statement in statements:
                connection.execute(statement)
            connection.commit()
            connection.close()
            self.state = file.read_bytes()
        self.restate()

    def restate(self) -> None:
        self.manifest["state_bytes"] = len(self.state)
        self.manifest["state_sha256"] = hashlib.sha256(self.state).hexdigest()

    def write(self, target: Path, manifest_text: bytes | None = None) -> Path:
        text = manifest_text if manifest_text is not None else json.dumps(self.manifest).encode()
        named = regular(f"manifest-{hashlib.sha256(text).hexdigest()}.json", text)
        members = [named, regular("state.db", self.state)]
        members += [regular(name, content) for name, content in self.files.items()]
        with target.open("wb") as stream:
            for info, content in members:
                info, content = self.members.get(info.name, (info, content))
                _append(stream, info, content)
            for info, content in self.extra:
                _append(stream, info, content)
            stream.write(bytes(1024))
        return target


def parts_of(bundle: Path) -> Parts:
    with tarfile.open(bundle) as archive:
        contents = [(info.name, archive.extractfile(info).read()) for info in archive]  # type: ignore[union-attr]
    (_, manifest), (_, state), *files = contents
    return Parts(json.loads(manifest), state, dict(files))


def forged(bundle: Path, folder: Path, change: Callable[[Parts], object]) -> Path:
    """A copy of the bundle in `folder`, with a change."""
    parts = parts_of(bundle)
    change(parts)
    return parts.write(folder / "forged.bundle")


def _append(stream: io.BufferedIOBase, info: tarfile.TarInfo, content: bytes) -> None:
    stream.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    stream.write(content + bytes(-len(content) % 512))
