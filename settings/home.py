"""The home folder: one object owns every path Baton writes to."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from errors import InvalidInput
from settings import network_home
from settings.elsewhere import elsewhere, sqlite_file
from settings.faults import need_mistake
from settings.holding import held
from settings.ownership import (
    FOLDER,
    READ,
    THERE,
    WRITE,
    is_on_read_only_disk,
    not_usable,
    refusal,
    user_name,
)
from settings.places import with_variables

HOME_VARIABLE = "BATON_HOME"
DEFAULT_HOME = Path("baton-home")

#: SQLite opens no file with a path of more than 512 bytes; below a home they have up to a hundred of their own.
_LONGEST_BYTES = 400

#: What a terminal, a log or a configuration file would take for an end of line or an order, and what is no UTF-8.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Home:
    """Paths under one home folder. `root` is canonical, however it was given (`canonical`)."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", canonical(self.root))

    @property
    def argument(self) -> str:
        """The home as people type it after `--home` in a shell, for messages."""
        return shlex.quote(str(self.root))

    @property
    def state_db(self) -> Path:
        """The file itself where it was moved and linked: SQLite keeps its log beside that."""
        return Path(os.path.realpath(self.root / "state.db"))

    @property
    def state(self) -> str | Path:
        """The URL of the state that was named (`settings.elsewhere`), or the SQLite file in the home."""
        return elsewhere(self.root).database or self.state_db

    @property
    def state_in_home(self) -> bool:
        """Whether the state is the file in the home, and not a database elsewhere."""
        return elsewhere(self.root).database is None

    @property
    def state_file(self) -> Path | None:
        """The state's file where it is SQLite's, in the home or elsewhere."""
        file = sqlite_file(self.state)
        return None if file is None else file.absolute()

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

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.artifacts, self.scratch, self.reports, self.logs, self.run, self.cache)

    def relative(self, path: Path) -> str:
        """`path` as the database stores it: relative to the home, with forward slashes.

        Folders of a home may be links to other disks, so none is followed.
        """
        return path.relative_to(self.root).as_posix()

    @property
    def exists(self) -> bool:
        """Whether there is a state. Raises InvalidInput where this user may not even look."""
        if not self.state_in_home:
            return True
        try:
            self.state_db.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            need_mistake(error)
            raise refusal("read", self.state_db, _NAME_ANOTHER) from None
        return True

    @property
    def state_files(self) -> tuple[Path, ...]:
        """The state in the home, and what SQLite keeps beside it while it is open or was not closed."""
        return (
            self.state_db,
            *(self.state_db.with_name(f"{self.state_db.name}-{name}") for name in ("wal", "shm")),
        )

    def obstacle(self, *, only_state: bool = False) -> InvalidInput | None:
        """What keeps this process from working in the home, with the file and whose it is; else None.

        only_state: what keeps it from changing rows. Changes nothing, and needs no home to be there.
        """
        return self._file_obstacle(only_state) or self.network_obstacle()

    def network_obstacle(self) -> InvalidInput | None:
        """What keeps an SQLite state from being worked with where other machines see it too; None: nothing does."""
        file = self.state_file
        if file is None:
            return None
        what = f"the home {self.root}" if self.state_in_home else f"the state that {self.state_place} names"
        return network_home.refusal(file, what, elsewhere(self.root).network)

    def _file_obstacle(self, only_state: bool) -> InvalidInput | None:
        if not os.access(self.root, THERE):
            place = next(folder for folder in self.root.parents if os.access(folder, THERE))
            if not place.is_dir():
                return InvalidInput(
                    f"cannot write the home folder {self.root}: {place} is no folder; {_NAME_ANOTHER}"
                )
            return None if os.access(place, os.W_OK | os.X_OK) else refusal("write", place, _NAME_ANOTHER)
        if not self.root.is_dir():
            return InvalidInput(f"cannot write the home folder {self.root}: it is no folder; {_NAME_ANOTHER}")
        found = next(self._not_writable(only_state), None)
        if found is None:
            return None
        return refusal("write" if _written(found) else "read", found, self._remedy(found))

    def _not_writable(self, only_state: bool) -> Iterator[Path]:
        """What this process cannot use as it has to. A command that another user ran once leaves such files."""
        for folder in (self.root, *(() if only_state else self.folders)):
            if folder.is_dir() and not os.access(folder, FOLDER):
                yield folder
        if self.state_in_home:
            yield from (
                file for file in self.state_files if os.access(file, THERE) and not os.access(file, WRITE)
            )
        if only_state:
            return
        for folder in (self.run, self.logs, self.reports, self.cache, self.scratch):
            yield from not_usable(folder, WRITE)
        with suppress(OSError):
            for path in sorted(self.artifacts.iterdir()):
                if re.fullmatch(r"[0-9a-f]{2}", path.name):
                    if not os.access(path, FOLDER):
                        yield path
                    yield from not_usable(path, READ)
                elif path.is_file() and not os.access(path, WRITE):
                    yield path

    def _remedy(self, found: Path) -> str:
        """Whoever owns the home can have its files back; in another's home nobody shall."""
        me = os.geteuid()
        if self.root.stat().st_uid != me or is_on_read_only_disk(found):
            return _NAME_ANOTHER
        if found.stat().st_uid == me:
            return f"make it writable with: chmod u+w {shlex.quote(str(found))}"
        return f"take it back with: sudo chown -R {user_name(me).removeprefix('user ')} {self.argument}"

    def create(self) -> None:
        """Make the folders that are missing, for their owner only; one that was there keeps its mode.

        Raises InvalidInput when something in the home cannot be written by this user, naming it and its owner.
        """
        refused = self.obstacle()
        if refused is not None:
            raise refused
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, *self.folders):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            need_mistake(error)
            raise InvalidInput(
                f"cannot write the home folder {self.root}: {error.strerror or error}; {_NAME_ANOTHER}"
            ) from None
        network_home.need_locks(self.run)

    @contextmanager
    def exclusive(self, command: str) -> Iterator[None]:
        """Hold the home for one foreground command; the lock dies with the process.

        Raises HomeInUse when another living process holds it.
        """
        # Locks of other machines are not to be relied on; an SQLite state has a lease of its own (`db.migrate`).
        with (
            held(self.root, self.run / "lock", command),
            network_home.held(self.run, f"the home {self.root}")
            if self.state_file is None
            else nullcontext(),
        ):
            yield


def home_at(path: str | Path | None) -> Home:
    """The home named by `--home`, else `BATON_HOME`, else `./baton-home`. Creates nothing. Raises InvalidInput."""
    named = "--home" if path is not None else HOME_VARIABLE
    given = path if path is not None else os.environ.get(HOME_VARIABLE) or DEFAULT_HOME
    return Home(canonical(with_variables(os.fspath(given), named)))


def canonical(path: str | Path) -> Path:
    """The one way in which every process writes a home's path: absolute, without `~`, `..` and links.

    Nothing needs to be there yet. Raises InvalidInput for one that cannot be a folder's, or that cannot be printed.
    """
    text = os.fspath(path)
    if not text:
        raise InvalidInput(f"the home's path is empty; {_NAME_ANOTHER}")
    try:
        found = Path(text).expanduser().resolve()
    except FileNotFoundError:
        raise InvalidInput(
            f"the home {text!a} is relative to a folder that is gone; change to another, or name a whole path"
        ) from None
    except (OSError, RuntimeError) as error:  # a loop of links, or ~ of nobody
        need_mistake(error)
        raise InvalidInput(f"the home {text!a} cannot be found: {error}") from None
    if any(unicodedata.category(character) in _UNPRINTABLE for character in str(found)):
        raise InvalidInput(
            f"the home's path {str(found)!a} holds characters that cannot be printed; {_NAME_ANOTHER}"
        )
    if len(os.fsencode(found)) > _LONGEST_BYTES or any(len(os.fsencode(part)) > 255 for part in found.parts):
        raise InvalidInput(
            f"the home's path is too long ({len(os.fsencode(found))} bytes: at most {_LONGEST_BYTES}, and 255 for a "
            f"name): {found}; {_NAME_ANOTHER}"
        )
    return found


_NAME_ANOTHER = f"choose another with --home or {HOME_VARIABLE}"


def _written(path: Path) -> bool:
    """Artifacts are read; all else in a home is written too."""
    return not re.fullmatch(r"[0-9a-f]{2}", path.parent.name)
