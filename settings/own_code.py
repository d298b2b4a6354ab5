"""Running source of the user's own: only what was admitted to this process, as modules of a package of its digest.

Such modules come from the text that was digested, never from a file that may have changed since. Their package is
private (`baton_own_` and the digest), so that two versions of one file live beside each other and no name of theirs
hides another's; an import of a module beside one leads into the package, wherever it stands.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from traceback import extract_tb
from types import CodeType, ModuleType

from errors import BatonError, ConfigError, InvalidInput
from settings.code_source import Reference, Source, module_file, references_in
from settings.faults import need_mistake
from settings.shown import first_line

_PREFIX = "baton_own_"

_admitted: dict[str, Source] = {}


def admit(source: Source) -> str:
    """From now on classes of this source can be made here. Returns its digest."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    digest = source.digest
    _admitted[digest] = source  # the same files, perhaps of another folder
    return digest


def admitted(digest: str) -> Source | None:
    return _admitted.get(digest)


def admitted_in(value: object) -> tuple[Source, ...]:
    """The source of all that plain JSON names. Raises InvalidInput where one was not admitted."""
    return tuple({reference.digest: _source_of(reference) for reference in references_in(value)}.values())


def _source_of(reference: Reference) -> Source:
    source = None if reference.digest is None else admitted(reference.digest)
    if source is None:
        raise InvalidInput(
            f"{reference}: no source of it was named here; it is taken from --config, --set or an option of whoever "
            "types the command, and from no file that says so"
        )
    return source


def class_of(reference: Reference) -> type:
    """Import it. Raises InvalidInput where its source was not admitted, ConfigError where it is no class, and whatever
    its module raises."""
    source = _source_of(reference)
    module = importlib.import_module(f"{_PREFIX}{reference.digest}.{reference.module}")
    found = getattr(module, reference.name, None)
    if not isinstance(found, type):
        file = source.place(module_file(source.files, reference.module) or reference.module)
        raise ConfigError(f"{file} has no class {reference.name}")
    return found


def need_methods(made: object, reference: Reference, *names: str) -> None:
    """Raises ConfigError, one sentence, for an instance that lacks one."""
    for name in names:
        if not callable(getattr(made, name, None)):
            raise ConfigError(
                f"{place_of(reference)}: {reference.name} has no method {name}; docs/own-code.md says what it takes"
            )


def place_of(reference: Reference) -> str:
    """Its file, for messages."""
    source = None if reference.digest is None else admitted(reference.digest)
    if source is None:
        return reference.module
    return source.place(module_file(source.files, reference.module) or reference.module)


@contextmanager
def told_by_line(reference: Reference, doing: str) -> Iterator[None]:
    """For a trial of somebody's code before there is any work: what it raises becomes a ConfigError of one sentence
    with file and line. What a machine lacks, or fails with, stays what it is; what is printed goes to standard error,
    as a command's own answer may be JSON."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except MemoryError:
        raise
    except BatonError as error:
        if not isinstance(error, InvalidInput):
            raise
        line = _line_of(reference, error)
        said = str(error)
        raise ConfigError(said if line is None or line in said else f"{line}: {doing}: {said}") from None
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported to tell
            raise
        if isinstance(error, OSError):
            need_mistake(error)
        line = _line_of(reference, error) or place_of(reference)
        said = first_line(error, 200)
        kind = type(error).__name__
        raise ConfigError(f"{line}: {doing} raised {kind}{'' if said == kind else f': {said}'}") from error


def _line_of(reference: Reference, error: BaseException) -> str | None:
    """File and line of the user's that an error came through last; None where it came through none."""
    source = None if reference.digest is None else admitted(reference.digest)
    marker = _shown_as(reference.digest or "", "")
    for frame in reversed(extract_tb(error.__traceback__)):
        if source is not None and frame.filename.startswith(marker):
            return f"{source.place(frame.filename.removeprefix(marker))}, line {frame.lineno}"
    return None


def _shown_as(digest: str, file: str) -> str:
    """A file as tracebacks name it."""
    return f"<own code {digest[:12]}>/{file}"


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        digest = package.removeprefix(_PREFIX)
        source = _admitted.get(digest) if package.startswith(_PREFIX) else None
        if source is None:
            return None
        file = module_file(source.files, module) if module else None
        inner = f"{module.replace('.', '/')}/" if module else ""
        is_package = any(one.startswith(inner) for one in source.files)
        if file is None and not is_package:
            return None
        return spec_from_loader(fullname, _Loader(source, digest, file, is_package), is_package=is_package)


_FINDER = _Finder()


class _Loader(InspectLoader):
    """Of one module; a package without a file is empty."""

    def __init__(self, source: Source, digest: str, file: str | None, is_package: bool) -> None:
        self._source = source
        self._digest = digest
        self._file = file
        self._is_package = is_package

    def is_package(self, fullname: str) -> bool:
        return self._is_package

    def get_source(self, fullname: str) -> str:
        """What tracebacks show lines of."""
        return "" if self._file is None else self._source.files[self._file]

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_source(fullname))
        led = _LedWithin(self._source.modules, f"{_PREFIX}{self._digest}").visit(tree)
        name = _shown_as(self._digest, self._file or "")
        return compile(ast.fix_missing_locations(led), name, "exec", dont_inherit=True)


class _LedWithin(ast.NodeTransformer):
    """Import statements that name a module of the source itself name it in its package."""

    def __init__(self, local: frozenset[str], package: str) -> None:
        self._local = local
        self._package = package

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if top not in self._local:
                made.append(ast.Import([alias]))
                continue
            made.append(ast.Import([ast.alias(f"{self._package}.{alias.name}", alias.asname)]))
            if alias.asname is None:  # `import a.b` gives the name a
                made.append(ast.ImportFrom(self._package, [ast.alias(top, None)], 0))
        return [ast.copy_location(one, node) for one in made]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module is not None and node.module.partition(".")[0] in self._local:
            node.module = f"{self._package}.{node.module}"
        return node
