"""What a bundle says of itself, first thing in the file: everything in it, with sizes and digests."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from db.garbage import ARTIFACT_PATH
from errors import BundleError
from settings.documents import parse_json
from settings.shown import cut, shown

FORMAT = "baton-bundle-1"

#: A manifest is read whole, so a hostile one must not fill the memory. Enough for 200,000 artifacts.
MOST_MANIFEST_BYTES = 32 << 20
#: Of its history; a home that travels every hour has made them in a year.
MOST_HANDED = 10_000
#: Bytes of an object of it at least: a file's. Of anything shorter there would be more than memory holds.
_SHORTEST_OBJECT = 64
_MOST_LISTS = MOST_HANDED

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Size = Annotated[int, Field(ge=0, lt=1 << 50)]


#: Unix seconds, as `db.bundle.columns` has them.
Moment = Annotated[float, Field(ge=0, le=1e11)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Strict):
    """An artifact that the receiving home will have. inside: in this bundle; else an earlier one brought it."""

    path: str
    bytes: Size
    inside: bool

    @property
    def sha256(self) -> str:
        return self.path.split("/")[2][:64]

    @model_validator(mode="after")
    def _lies_in_the_store(self) -> File:
        if not ARTIFACT_PATH.fullmatch(self.path):
            raise ValueError(f"{shown(self.path)} is no place of an artifact")
        return self


class Handed(_Strict):
    """One bundle of a home's past (`db.schema.Handover`)."""

    key: Key
    at: Moment
    host: Annotated[str, Field(max_length=255)]
    facts_left: Digest
    facts_arrived: Digest
    attempts: Size


Part = TypeVar("Part", bound=BaseModel)


class Manifest(_Strict):
    """key: of this bundle, also the last of its history. since: the bundle that brought what is not inside."""

    format: str
    key: Key
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z_]{1,40}$")]  # of the schema
    since: Key | None
    state_sha256: Digest
    state_bytes: Size
    history: Annotated[tuple[Handed, ...], Field(min_length=1, strict=False)]
    files: Annotated[tuple[File, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        if self.format != FORMAT:
            raise ValueError(f"its format is {shown(self.format)}, this version reads {FORMAT!r}")
        if self.history[-1].key != self.key:
            raise ValueError("its history does not end with itself")
        if len({entry.key for entry in self.history}) != len(self.history):
            raise ValueError("its history names a bundle twice")
        if len({file.path for file in self.files}) != len(self.files):
            raise ValueError("it names a file twice")
        if self.since is None and not all(file.inside for file in self.files):
            raise ValueError("it lacks files and does not say which bundle brought them")
        return self

    @property
    def inside(self) -> list[File]:
        return [file for file in self.files if file.inside]


def parse(text: bytes) -> Manifest:
    """Raises BundleError naming the first thing that is wrong. Nothing is made of what has another shape."""
    # Every value takes memory many times its bytes, so what holds values is counted before any is made.
    if text.count(b"{") > 2 + len(text) // _SHORTEST_OBJECT or text.count(b"[") > _MOST_LISTS:
        raise BundleError("its manifest is wrong: it is no list of files and of a home's history")
    try:
        values = parse_json(text)
    except ValueError as error:
        raise BundleError(f"its manifest is wrong: {cut(str(error), 160)}") from None
    if not isinstance(values, dict):
        raise BundleError("its manifest is wrong: it is no object")
    values["history"] = _each(Handed, values.get("history"), "history", MOST_HANDED)
    values["files"] = _each(File, values.get("files"), "files", MOST_MANIFEST_BYTES)
    return _checked(Manifest, values, "")


def _each(kind: type[Part], values: object, name: str, most: int) -> tuple[Part, ...]:
    """One at a time: a model of all of them would tell of every one that is wrong."""
    if not isinstance(values, list):
        raise BundleError(f"its manifest is wrong at {name}: it is no list")
    if len(values) > most:
        raise BundleError(
            f"its manifest is wrong at {name}: it has {len(values)} entries, and {most} are the limit"
        )
    return tuple(_checked(kind, value, f"{name}.{place}") for place, value in enumerate(values))


def _checked(kind: type[Part], value: object, place: str) -> Part:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(filter(None, (place, *map(str, first["loc"]))))
        what = cut(first["msg"].removeprefix("Value error, "), 160)
        raise BundleError(f"its manifest is wrong{f' at {cut(where)}' if where else ''}: {what}") from None
