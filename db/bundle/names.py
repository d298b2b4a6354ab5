"""What a bundle may be called, and what a file is that is none: told before anything is made or changed."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from errors import BundleError, InvalidInput
from settings.faults import need_fact
from settings.home import Home
from settings.regular import open_regular
from settings.typed import typed

#: What a bundle is called in messages.
SUFFIX = ".bundle"

#: Names of other formats, by which programs would take a bundle for what it is not.
_OTHERS = {
    **dict.fromkeys((".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst"), "compressed"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "a database"),
    **dict.fromkeys((".json", ".yaml", ".yml", ".csv", ".txt", ".md", ".html", ".log", ".py"), "text"),
    **dict.fromkeys((".safetensors", ".bin", ".pt", ".pth", ".npy", ".npz", ".parquet"), "weights or data"),
}  # fmt: skip

#: First bytes of files that people have beside a bundle.
_STARTS = (
    (b"SQLite format 3\0", "it is a database (a home's state?) and no bundle"),
    (b"\x1f\x8b", "it is compressed: unpack it with gunzip first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed: unpack it with unzstd first"),
    (b"\xfd7zXZ\0", "it is compressed: unpack it with unxz first"),
    (b"BZh", "it is compressed: unpack it with bunzip2 first"),
    (b"PK\x03\x04", "it is a ZIP file: unpack it first; what comes out may be the bundle"),
)
_LOOKED_AT_BYTES = max(len(start) for start, _ in _STARTS)


def need_name(target: Path) -> None:
    """Raises InvalidInput where no bundle can be meant to be made: a folder, one that is not there, and the name of
    another format."""
    if target.is_dir():
        raise InvalidInput(f"{target} is a folder; name the file in it: {target / f'home{SUFFIX}'}")
    if not target.parent.is_dir():
        how = "" if target.parent.exists() else f" yet; make it first: mkdir -p {quote(str(target.parent))}"
        raise InvalidInput(f"{target.parent} is no folder{how}")
    other = _OTHERS.get(target.suffix.lower())
    if other is not None and not target.exists():  # one that was made there before is replaced
        better = target.with_suffix("" if target.suffixes[-2:-1] == [".tar"] else SUFFIX)
        raise InvalidInput(
            f"{target} would be taken for {other} by its suffix {target.suffix}, and a bundle is a plain tar file: "
            f"name it {better.name}, for example"
        )


def what_it_is(path: Path) -> str | None:
    """Why the file at `path` cannot be a bundle, the end of a sentence; None where only its content can tell."""
    if path.is_dir():
        if Home(path).exists:
            line = typed(f"bundle export FILE{SUFFIX}", Home(path))
            return f"it is a home and no bundle of one; make that with: {line}"
        return "it is a folder and no bundle, which is one file that `bundle export` made"
    try:
        with open_regular(path) as stream:
            start = stream.read(_LOOKED_AT_BYTES)
    except OSError as error:
        need_fact(error)
        return None  # whoever reads it says why it cannot
    if not start:
        return "it is empty and no bundle: what made or fetched it did not come to an end"
    return next((words for beginning, words in _STARTS if start.startswith(beginning)), None)


def need_bundle(path: Path) -> None:
    """Raises BundleError for a file that is plainly something else."""
    if (words := what_it_is(path)) is not None:
        raise BundleError(f"{words}")
