"""What a bundle says of itself, first thing in the file: everything in it, with sizes and digests."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from db.garbage import ARTIFACT_PATH
from errors import BundleError

FORMAT = "baton-bundle-1"

#: A manifest is read whole, so a hostile one must not fill the memory. Enough for half a million artifacts.
MOST_MANIFEST_BYTES = 64 << 20

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Size = Annotated[int, Field(ge=0, lt=1 << 50)]


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
            raise ValueError(f"{self.path!r} is no place of an artifact")
        return self


class Handed(_Strict):
    """One bundle of a home's past (`db.schema.Handover`)."""

    key: Key
    at: float
    host: Annotated[str, Field(max_length=255)]
    facts_left: Digest
    facts_arrived: Digest
    attempts: Size


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
            raise ValueError(f"its format is {self.format!r}, this version reads {FORMAT!r}")
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
    """Raises BundleError naming the first thing that is wrong."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise BundleError(f"its manifest is wrong{f' at {where}' if where else ''}: {what}") from None
