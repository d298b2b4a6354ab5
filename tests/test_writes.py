"""Product code writes files in one way (`settings.files`): aside, synced, renamed. What does not says why here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support import REPOSITORY
from tests.test_layers import modules

LOCK = "a lock, which must keep its inode; nothing is read from it that work depends on"
LOG = "a log or stream: appended to, and read by people"
SCRATCH = "a draft in a scratch folder: `ArtifactStore.put` syncs and names it"
VOUCHED = "frames by the thousand: all are synced before the one file that vouches for them is written"
TEMPORARY = "a temporary folder, gone with its process"
MEMORY = "into memory"
ASIDE = "a library that wants a path, within `files.written_at`"
LEASE = "the lease's own way: it may only come where nothing is, also on NFS, so it is linked"
STORE = "the store's own way: synced, named by digest, read back by it"

#: file::function -> why it writes directly.
DIRECT = {
    "calvin/episode_file.py::save_episode": SCRATCH,
    "calvin/training_index.py::write_index": SCRATCH,
    "calvin/lerobot_writer/films.py::write_film": "a library that writes into a stream of `files.whole`",
    "calvin/split_summary.py::write": VOUCHED,
    "calvin/writer.py::write_frame": VOUCHED,
    "calvin/writer.py::write_small_files": VOUCHED,
    "commands/attention.py::command": TEMPORARY,
    "commands/audit.py::_workplace": TEMPORARY,
    "commands/tensorboard.py::command": TEMPORARY,
    "db/bundle/export.py::_folder_elsewhere": TEMPORARY,
    "db/bundle/inspection.py::_schema_at": TEMPORARY,
    "db/bundle/receive.py::_new_file": "staged in scratch: `ArtifactStore.adopt` syncs and names them",
    "db/engine.py::fresh_file_mode": "an empty file, which SQLite fills with a journal of its own",
    "db/owner.py::locked": LOCK,
    "db/read_only.py::_copy": TEMPORARY,
    "db/read_only.py::_temporary": TEMPORARY,
    "db/store.py::_keep": STORE,
    "db/store.py::_lock_file": LOCK,
    "db/store.py::adopt": STORE,
    "hub/copies.py::_alone": LOCK,
    "hub/part.py::take": "a file that was proved and synced gets its name, and the name is synced",
    "models/export.py::export_model": "within `folders.whole_folder`, which syncs all that is in the folder",
    "models/sharded_checkpoint.py::save_sharded": "within `folders.whole_folder`, which syncs all in the folder",
    "reports/csv_cells.py::csv_text": MEMORY,
    "reports/figures.py::png_bytes": MEMORY,
    "reports/svg.py::svg": MEMORY,
    "settings/ending.py::_give_up_output": "/dev/null",
    "simulators/playtable/bullet.py::_unheard": "/dev/null",
    "settings/files.py::_made_and_locked": "the one way itself",
    "settings/files.py::whole": "the one way itself",
    "settings/files.py::written_at": "the one way itself",
    "settings/folders.py::_give_name": "the one way of folders",
    "settings/holding.py::held": LOCK,
    "settings/lease.py::_give_name": LEASE,
    "settings/lease.py::_move": LEASE,
    "settings/lease.py::_remove": LEASE,
    "settings/lease.py::_write": LEASE,
    "settings/new_name.py::_link_and_unlink": "the one way itself",
    "settings/network_home.py::need_locks": TEMPORARY,
    "settings/room.py::no_room": TEMPORARY,
    "settings/streams.py::mend_streams": "/dev/null",
    "simulators/piped.py::__init__": TEMPORARY,
    "simulators/playtable/env.py::__init__": TEMPORARY,
    "simulators/playtable/urdf.py::_write_mesh": TEMPORARY,
    "simulators/playtable/urdf.py::write_textures": TEMPORARY,
    "tasks/probes/attention.py::write_looks": ASIDE,
    "tasks/evaluate/run.py::_draft": SCRATCH,
    "tasks/data/extract.py::_write_annotation": VOUCHED,
    "tasks/data/fetch.py::run": SCRATCH,
    "tasks/data/extract.py::_write_frames": VOUCHED,
    "tasks/data/extract.py::_write_item": VOUCHED,
    "tasks/gaze/run.py::run": SCRATCH,
    "tasks/local_context.py::_keep": TEMPORARY,
    "tasks/evaluate/open_loop.py::run_open_loop": SCRATCH,
    "tasks/probes/reconstruct.py::run": SCRATCH,
    "tasks/evaluate/results_file.py::_open": "a line at a time, each synced, or a device; else by `settings.files`",
    "tasks/evaluate/videos.py::_encode": ASIDE,
    "tasks/train/gang/order.py::linked": SCRATCH,
    "workers/audit_process.py::_start": LOG,
    "workers/broker.py::begin_private": LOG,
    "views/event_files.py::__init__": LOCK,
    "views/event_files.py::_writer": "TensorBoard's stream: appended to, written anew from the rows by each process",
    "workers/pulse.py::_touch": "an empty file: a full disk would refuse bytes",
    "workers/supervisor.py::_spawn": LOG,
    "workers/troubles.py::cap_log": LOG,
}

#: Names of functions and methods that write, whatever they are called on.
_WRITES = {
    "write_text", "write_bytes", "touch", "savefig", "savez", "savez_compressed", "save_file", "dump", "DictWriter",
    "writer", "copy", "copy2", "copyfile", "copytree", "move", "rename", "renames", "link", "hardlink_to", "truncate",
    "mkstemp", "NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory", "VideoWriter", "imwrite", "SummaryWriter",
    "RotatingFileHandler", "FileHandler", "save_pretrained", "to_csv", "symlink_to", "symlink", "extractall",
}  # fmt: skip

_WRITING_MODE = re.compile(r"(?=.*[wax+])[rwaxbt+]{1,4}")

#: Of these the object decides: `copy.copy(x)` and `dict.copy()` write nothing.
_OF_MODULES = {"copy": "shutil", "move": "shutil", "dump": "json", "writer": "csv", "truncate": "os"}


def writes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(innermost function, line) of every call that makes, fills or renames a file."""

    def within(node: ast.AST, function: str) -> Iterator[tuple[str, int]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if isinstance(node, ast.Call) and _is_write(node):
            yield function, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from within(child, function)

    return within(tree, "<module>")


def _is_write(call: ast.Call) -> bool:
    name, owner = _name(call.func), _owner(call.func)
    if name == "rename" and owner is None:
        return False
    if name == "open" and owner == "os":
        return bool({"O_CREAT", "O_WRONLY", "O_RDWR"} & {_name(node) for node in ast.walk(call)})
    if name == "open":
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = [node.value for node in given if isinstance(node, ast.Constant)]
        return any(isinstance(text, str) and _WRITING_MODE.fullmatch(text) for text in texts)
    if (
        name == "replace"
    ):  # Path.replace and os.replace; of text, times and dataclasses it takes other arguments
        return (len(call.args) == 1 and not call.keywords) or owner == "os"
    if name == "save":  # a picture or an array, unless into a stream with a format of its own
        formats = [node for node in call.args[1:] if isinstance(node, ast.Constant)]
        return (
            bool(call.args)
            and not formats
            and not any(k.arg in ("format", "metadata") for k in call.keywords)
        )
    if name in _OF_MODULES:
        return owner == _OF_MODULES[name]
    return name in _WRITES


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _owner(node: ast.AST) -> str | None:
    """What a method is called on: a name, "" for anything longer; None for a plain function."""
    return _name(node.value) if isinstance(node, ast.Attribute) else None


def found() -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for file in modules():
        for function, line in writes(ast.parse(file.read_text(encoding="utf-8"))):
            places.setdefault(f"{file.relative_to(REPOSITORY)}::{function}", []).append(line)
    return places


def test_files_are_written_in_one_way() -> None:
    places = found()
    assert {place: lines for place, lines in places.items() if place not in DIRECT} == {}
    assert DIRECT.keys() - places.keys() == set(), "these write nothing any more"


@pytest.mark.parametrize(
    "text",
    [
        "path.write_text('x')", "open(path, 'w')", "path.open('a+b')", "open(path, mode='x')", "io.open(path, 'wb')",
        "os.open(path, os.O_RDWR | os.O_CREAT)", "partial.replace(target)", "os.replace(a, b)", "Image.save(path)",
        "np.save(path, array)", "shutil.copyfile(a, b)", "json.dump(value, stream)", "picture.save(folder / 'x.png')",
        "save_file(tensors, file)", "tempfile.mkstemp()", "path.rename(other)",
    ],
)  # fmt: skip
def test_the_rule_finds_what_it_forbids(text: str) -> None:
    assert list(writes(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "open(path)", "path.open('rb')", "text.replace('a', 'b')", "replace(value, field=1)", "values.copy()",
        "picture.save(stream, 'PNG')", "os.open(path, os.O_RDONLY)", "files.write(path, 'x')", "json.dumps(value)",
    ],
)  # fmt: skip
def test_the_rule_lets_pass_what_writes_no_file(text: str) -> None:
    assert not list(writes(ast.parse(text)))
