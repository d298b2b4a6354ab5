"""The store of several machines: objects behind a URL are the truth, the home's folder keeps copies of them.

A publication uploads before the commit that names the file, so a row never points to an object that is not
there, and dying in between leaves an object that no row names, which `artifacts gc` finds. A reader that lacks a
file, or whose copy is damaged, fetches it, and keeps it once its digest is right.

Objects lie below the state's own key: two states may be given the same URL and never see each other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select, update

from db import ownership
from db.engine import Database
from db.remote import Remote
from db.schema import Artifact, Identity
from db.store import ArtifactStore, file_sha256
from errors import ArtifactDamaged, ConfigError
from settings.faults import is_unreadable
from settings.home import Home


class _FolderOfAServersState(ArtifactStore):
    """The home's folder, where machines may share it as they share the state: file locks need not reach all of them."""

    def __init__(self, home: Home, database: Database) -> None:
        super().__init__(home)
        self._database = database

    @contextmanager
    def publication(self) -> Iterator[None]:
        with super().publication(), self._database.publication():
            yield

    @contextmanager
    def standstill(self, wait_seconds: float) -> Iterator[Callable[[], None]]:
        with super().standstill(wait_seconds), self._database.standstill(wait_seconds) as still:
            yield still


class SharedArtifactStore(ArtifactStore):
    """As the store of one machine, and what it puts away every other machine finds."""

    remote: Remote

    def __init__(self, home: Home, database: Database, remote: Remote) -> None:
        super().__init__(home)
        self._database = database
        self.remote = remote

    @contextmanager
    def publication(self) -> Iterator[None]:
        """The locks of the state's database hold for all machines; a state in a file has but one."""
        with super().publication() if self._database.is_sqlite else self._database.publication():
            yield

    @contextmanager
    def standstill(self, wait_seconds: float) -> Iterator[Callable[[], None]]:
        here = self._database.is_sqlite
        locked = super().standstill(wait_seconds) if here else self._database.standstill(wait_seconds)
        with locked as still:
            yield still

    def put(self, file: Path) -> tuple[str, str, int]:
        digest, relative, size = super().put(file)
        self.remote.upload(self.path(relative), relative)
        return digest, relative, size

    def verified(self, relative: str, sha256: str) -> Path:
        try:
            return super().verified(relative, sha256)
        except ArtifactDamaged:
            return self._fetch(relative, sha256)
        except OSError as error:  # the object is elsewhere: why look at a bad copy again
            if not is_unreadable(error):
                raise
            return self._fetch(relative, sha256)

    def find(self, relative: str, sha256: str) -> Path | None:
        path = super().find(relative, sha256)
        if path is not None:
            return path
        try:
            return self._fetch(relative, sha256)
        except ArtifactDamaged:
            return None

    def absent(self, relatives: Iterable[str]) -> list[str]:
        lacking = super().absent(relatives)
        listings = {prefix: self.remote.listing(prefix) for prefix in {_prefix(path) for path in lacking}}
        return [path for path in lacking if path not in listings[_prefix(path)]]

    def digest(self, relative: str) -> tuple[str, int]:
        """Of the object: a damaged copy is fetched again by whoever reads it."""
        return self.remote.digest(relative)

    def _fetch(self, relative: str, sha256: str) -> Path:
        """Raises ArtifactDamaged when the object is missing or is not what its row states."""
        target = self.path(relative)
        with self.scratch("fetch") as folder:
            file = folder / target.name
            try:
                self.remote.download(relative, file)
            except FileNotFoundError:
                raise ArtifactDamaged(f"artifact {relative} is missing", relative) from None
            found = file_sha256(file)
            if found != sha256:
                raise ArtifactDamaged(
                    f"artifact {relative} is damaged: its bytes hash to {found[:12]}…", relative
                )
            self._keep(file, target)
        return target


def open_store(home: Home, database: Database) -> ArtifactStore:
    """The store of a home's artifacts: its folder, with the objects behind `Home.artifacts_url` if it has one.

    Raises ConfigError or EnvironmentLacks for a URL that cannot be used here, StoreUnreachable, and StoreOfAnother
    when the folder holds what belongs to another state.
    """
    remote = remote_of(home, database)
    if remote is None:
        ownership.admit(home, database, copies=False)
        return ArtifactStore(home) if database.is_sqlite else _FolderOfAServersState(home, database)
    home.create()  # a machine that comes to read has no folder yet
    ownership.admit(home, database, copies=True)
    return SharedArtifactStore(home, database, remote)


def remote_of(home: Home, database: Database) -> Remote | None:
    """The objects behind `Home.artifacts_url`; None where the folder is all there is. Raises as `open_store`."""
    url, place = home.artifacts_url, home.artifacts_place
    with database.read() as tx:
        state = tx.execute(select(Identity.key, Identity.shared)).one()
        begun = tx.execute(select(Artifact.id).limit(1)).first() is not None
    if url is None:
        if state.shared:
            raise ConfigError(
                f"the artifacts of this state are shared between machines: name their URL in {place}"
            )
        return None
    remote = Remote(f"{url.rstrip('/')}/{state.key}", place)
    # What is looked for in a wrong place is missing, and would all be made again.
    if not state.shared and begun:
        raise ConfigError(
            f"this state's artifacts are in the folders of homes; {place} cannot be given to it any more"
        )
    if not state.shared:
        remote.mark()
        with database.write(durable=True) as tx:
            tx.execute(update(Identity).values(shared=True))
    elif not remote.is_marked():
        raise ConfigError(f"this state's artifacts are not where {place} says; correct it")
    return remote


def _prefix(relative: str) -> str:
    return relative.split("/")[1]
