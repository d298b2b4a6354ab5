"""The home folder: one object owns every path Baton writes to."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from errors import HomeInUse, InvalidInput
from settings.elsewhere import elsewhere

HOME_VARIABLE = "BATON_HOME"
#: Under this key a command's context holds the home that it works on.
HOME_KEY = "baton.home"

DEFAULT_HOME = Path("baton-home")


@dataclass(frozen=True)
class Home:
    """Paths under one home folder, all owner-only. `root` is absolute."""

    root: Path

    @property
    def state_db(self) -> Path:
        return self.root / "state.db"

    @property
    def state_url(self) -> str:
        """SQLAlchemy URL of the state: the one that was named (`settings.elsewhere`), or SQLite in the home."""
        return elsewhere(self.root).database or f"sqlite:///{self.state_db}"

    @property
    def state_in_home(self) -> bool:
        """Whether the state is the file in the home, and not a database elsewhere."""
        return elsewhere(self.root).database is None

    @property
    def state_place(self) -> str:
        """Where the state is, for messages: its URL may hold a password."""
        return str(self.state_db) if self.state_in_home else elsewhere(self.root).database_named_in

    @property
    def artifacts_url(self) -> str | None:
        """fsspec URL of a store that machines share; None: `artifacts` is all there is."""
        return elsewhere(self.root).artifacts

    @property
    def artifacts_place(self) -> str:
        """Where that URL was named, for messages: it may hold a secret."""
        return elsewhere(self.root).artifacts_named_in

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def scratch(self) -> Path:
        """Files being written; everything here without a living attempt is garbage."""
        return self.root / "artifacts" / ".scratch"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def cache(self) -> Path:
        """Results kept by content to save work. Whoever finds it empty does the work again; nothing else is lost."""
        return self.root / "cache"

    def relative(self, path: Path) -> str:
        """`path` as the database stores it: relative to the home, with forward slashes."""
        return path.resolve().relative_to(self.root).as_posix()

    @property
    def exists(self) -> bool:
        return self.state_db.exists() or not self.state_in_home

    def create(self) -> None:
        """Make the folders. Raises InvalidInput when the place cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in (
                self.root,
                self.artifacts,
                self.scratch,
                self.reports,
                self.logs,
                self.run,
                self.cache,
            ):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise InvalidInput(
                f"cannot write the home folder {self.root}: {error.strerror or error}; "
                f"choose another with --home or {HOME_VARIABLE}"
            ) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise InvalidInput(
                f"cannot write the home folder {self.root}: permission denied; "
                f"choose another with --home or {HOME_VARIABLE}"
            )

    @contextmanager
    def exclusive(self, command: str) -> Iterator[None]:
        """Hold the home for one foreground command; the lock dies with the process.

        Raises HomeInUse when another living process holds it.
        """
        lock_path = self.run / "lock"
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another command"
                raise HomeInUse(
                    f"{self.root} is already being run by {holder}; wait for it, use another --home, "
                    f"or add work to it with submit-ablation --detach"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(
                descriptor, f"'{command}' (process {os.getpid()} on {socket.gethostname()})".encode(), 0
            )
            yield
        finally:
            os.close(descriptor)


def home_at(path: str | Path | None) -> Home:
    """The home named by `--home`, else `BATON_HOME`, else `./baton-home`. Creates nothing."""
    chosen = path or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME
    return Home(Path(chosen).expanduser().absolute())
