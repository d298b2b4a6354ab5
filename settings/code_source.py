"""Source that somebody wrote for Baton to run: `module:Class`, found and digested without importing anything.

What counts is the module's file, and the files beside it that it imports by an import statement, directly or through
one another. All else that it imports is Baton's, the standard library's or installed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from errors import ConfigError
from settings.faults import gives_memory, need_fact
from settings.json_values import JsonObject
from settings.regular import is_there, read_bytes
from settings.shown import cut, shown

#: Of one source.
MOST_FILES, MOST_BYTES = 64, 1 << 20
#: Parsing a file of that size takes less.
_PARSER_BYTES = 1 << 28
_LONGEST_NAME = 200

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"({_NAME}(?:\.{_NAME})*):({_NAME})(?:@([0-9a-f]{{64}}))?")
_FILE = re.compile(rf"(?:{_NAME}/)*{_NAME}\.py")
DIGEST = re.compile(r"[0-9a-f]{64}")

#: Baton's own at the top of its folder, beside which the user's may lie too.
OF_BATON = frozenset({
    "benchmark", "benchmarks", "calvin", "chaos", "cli", "commands", "db", "detectors", "docs", "errors", "experiments",
    "hub", "models", "policies", "reports", "settings", "simulators", "tasks", "tests", "trials", "views", "workers",
})  # fmt: skip
#: Top-level names that are never the user's.
RESERVED = frozenset(sys.stdlib_module_names) | OF_BATON


@dataclass(frozen=True)
class Reference:
    """A class of the user's own: `module:Class`, and `@` the digest of its source once that is known."""

    module: str
    name: str
    digest: str | None = None

    def __str__(self) -> str:
        return self.label if self.digest is None else f"{self.label}@{self.digest}"

    @property
    def label(self) -> str:
        """Without the digest."""
        return f"{self.module}:{self.name}"


def reference_of(text: object) -> Reference | None:
    """None for what is no name of a class of the user's own."""
    found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    if found is None or len(found[1]) + len(found[2]) > _LONGEST_NAME:
        return None
    return Reference(*found.groups())


def references_in(value: object) -> Iterator[Reference]:
    """All that name a digest, anywhere in plain JSON."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item
        elif (found := reference_of(item)) is not None and found.digest is not None:
            yield found


@dataclass(frozen=True)
class Source:
    """files: text by path relative to the folder they lay in. folder: where that was, for messages alone."""

    files: Mapping[str, str]
    folder: str | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents."""
        return hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()

    @property
    def modules(self) -> frozenset[str]:
        """Top-level names."""
        return frozenset(path.partition("/")[0].removesuffix(".py") for path in self.files)

    def place(self, path: str) -> str:
        """A file of it as messages name it."""
        return path if self.folder is None else f"{self.folder}/{path}"


def source_from_json(files: JsonObject) -> Source:
    """Of the state's JSON, which may be a stranger's. Raises ValueError with the end of a sentence."""
    taken: dict[str, str] = {}
    for path, text in files.items():
        if not _FILE.fullmatch(path):
            raise ValueError(f"has a file {shown(path)}, which is no place of a module")
        if path.partition("/")[0].removesuffix(".py") in RESERVED:
            raise ValueError(f"has a file {shown(path)}, which has a name of Baton's or of Python's own")
        if not isinstance(text, str):
            raise ValueError(f"has a file {shown(path)} that is no text")
        taken[path] = text
    if not taken or len(taken) > MOST_FILES:
        raise ValueError(f"has {len(taken)} files; it has 1 to {MOST_FILES}")
    if sum(len(text.encode()) for text in taken.values()) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes")
    return Source(taken)


def find_source(folder: Path, reference: Reference, where: str) -> Source:
    """The source of a class beside a configuration. where: who names it, for messages.

    Raises ConfigError for what is not there, lies or leads outside of the folder, is no regular file or text in UTF-8,
    no Python, larger than is taken, or another one than the reference's digest says.
    """
    top = reference.module.partition(".")[0]
    if top in RESERVED:
        raise ConfigError(f"{where}: {top} is a module of Baton's or of Python's own; name yours otherwise")
    walk = _Walk(folder.absolute(), where)
    if walk.take(reference.module) is None:
        path = reference.module.replace(".", "/")
        raise ConfigError(
            f"{where}: there is no {path}.py in {folder.absolute()}, where {reference.label} would be"
        )
    source = Source(walk.files, str(folder.absolute()))
    file = walk.file_of(reference.module)
    if not _defines(ast.parse(source.files[file]), reference.name):
        raise ConfigError(f"{where}: {source.place(file)} defines no class {reference.name}")
    if reference.digest not in (None, source.digest):
        raise ConfigError(
            f"{where}: the source of {reference.label} in {folder.absolute()} has the digest {source.digest}, and not "
            f"{reference.digest}; leave the digest out for what is there now"
        )
    return source


def module_file(files: Mapping[str, str], module: str) -> str | None:
    """The file of a module among those of a source; None where there is none."""
    path = module.replace(".", "/")
    return next((one for one in (f"{path}/__init__.py", f"{path}.py") if one in files), None)


def _defines(tree: ast.Module, name: str) -> bool:
    """Whether a name may stand for something in a module, as far as its text tells."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return True
        if isinstance(node, (ast.Import, ast.ImportFrom)) and any(
            name == (alias.asname or alias.name) or alias.name == "*" for alias in node.names
        ):
            return True
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return True
    return False


class _Walk:
    """Takes modules of one folder, and what they import of it."""

    def __init__(self, folder: Path, where: str) -> None:
        self._folder = folder
        self._where = where
        self._bytes = 0
        self.files: dict[str, str] = {}

    def file_of(self, module: str) -> str:
        found = module_file(self.files, module)
        assert found is not None
        return found

    def take(self, module: str) -> str | None:
        """Take a module, the packages it is in, and what all of them import; None where it is no file of the folder."""
        if module.partition(".")[0] in RESERVED:
            return None
        found = self._find(module)
        if found is None or found in self.files:
            return found
        parents = module.split(".")[:-1]
        for depth in range(1, len(parents) + 1):
            self.take(".".join(parents[:depth]))
        self._read(found)
        self._follow(found, module)
        return found

    def _find(self, module: str) -> str | None:
        path = module.replace(".", "/")
        for one in (f"{path}/__init__.py", f"{path}.py"):
            if is_there(self._folder / one):  # what no file can be called is none
                return one
        return None

    def _read(self, path: str) -> None:
        place = self._folder / path
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self._folder)):
            raise ConfigError(
                f"{self._where}: {place} leads outside of {self._folder}, beside which code lies"
            )
        try:
            content = read_bytes(place, MOST_BYTES)
            text = content.decode()
        except OSError as error:
            need_fact(error)
            raise ConfigError(f"{self._where}: {place} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self._where}: {place} is no text in UTF-8") from None
        self._bytes += len(content)
        self.files[path] = text
        if len(self.files) > MOST_FILES or self._bytes > MOST_BYTES:
            raise ConfigError(
                f"{self._where}: its source, with what it imports of {self._folder}, is more than {MOST_FILES} files "
                f"or {MOST_BYTES} bytes"
            )

    def _follow(self, path: str, module: str) -> None:
        package = module if PurePosixPath(path).name == "__init__.py" else module.rpartition(".")[0]
        for line, name in imported(self._parsed(path), package):
            if name is None:
                raise ConfigError(
                    f"{self._where}: {self._folder / path}, line {line}: this import leads outside of {self._folder}"
                )
            self.take(name)

    def _parsed(self, path: str) -> ast.Module:
        try:
            return ast.parse(self.files[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            told = cut(error.msg if isinstance(error, SyntaxError) else str(error), 200)
            if isinstance(
                error, MemoryError
            ):  # what CPython's parser raises where its own stack is full, too
                if not gives_memory(_PARSER_BYTES):
                    raise
                told = "it is nested too deeply"
            raise ConfigError(
                f"{self._where}: {self._folder / path}{line}: this is no Python: {told}"
            ) from None


def imported(tree: ast.Module, package: str) -> Iterator[tuple[int, str | None]]:
    """(line, dotted name) of whatever may be a module that the import statements of a module name; None for one above
    all packages. package: that the module is in, empty for none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            if node.level > len(parts) + 1:
                yield node.lineno, None
                continue
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield node.lineno, base
            for alias in node.names:
                if alias.name != "*":
                    yield node.lineno, f"{base}.{alias.name}" if base else alias.name
