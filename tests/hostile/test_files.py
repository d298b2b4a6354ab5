"""What lies where a file should: everything that is read by a name that somebody else chose, or in a folder of theirs.

A FIFO without a writer keeps its reader waiting and a device has no end, so a guard that fails hangs here until the
time limit of the test.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from calvin import annotations, boxes
from calvin.check import examine
from calvin.dataset import survey
from calvin.episode_file import load_episode
from calvin.frames import FrameFiles
from calvin.instructions import read_instruction_file
from calvin.pickles import load_npy_pickle
from calvin.recording import CONFIGURATION, RECORD, read_record, recorded_renderer
from db.bundle.receive import receive
from db.soundness import need_sound
from detectors.calibration import FILE_NAME as CALIBRATION
from detectors.calibration import read_calibrations
from detectors.grounding_dino.files import check_stored, existing, weights_digest
from errors import BatonError, CheckpointError, InvalidInput
from experiments.foreign import ForeignJobs
from experiments.reconvla.named_config import load_config
from models.beside import check_beside
from models.folder_identity import folder_identity
from models.generation_rules import GENERATION_FILE, rules_of_folder
from models.json_files import read_json
from models.openvla_checkpoint import read_config
from models.picture_values import picture_values
from models.tokenizer import load_tokenizer
from models.weight_files import open_file, shards_of
from policies.openvla import OpenVLAPolicy
from settings.code_source import Reference, find_source
from settings.elsewhere import elsewhere
from settings.home import Home
from settings.regular import UnfitFile, need_regular_files, open_regular, read_bytes, read_text
from settings.secret import secret_in
from simulators.playtable import assets, meshes
from simulators.playtable.calvin_scenes import calvin_scene
from tasks.evaluate.results_file import ResultsFile
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.hostile.sentences import LONGEST_SENTENCE, sentence
from views.notice_file import NoticeFile

pytestmark = pytest.mark.timeout(60)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_fifo(path: Path) -> None:
    (aside := path.with_name("aside")).mkdir()
    os.mkfifo(aside / "a fifo")
    path.symlink_to(aside / "a fifo")


def in_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = Path.cwd()
        os.chdir(path.parent)  # its name may be too long for a socket
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


UNFIT: dict[str, Callable[[Path], None]] = {
    "FIFO": fifo,
    "link to a FIFO": link_to_fifo,
    "socket": in_a_socket,
    "device": endless,
    "link to itself": link_to_itself,
}


def scene(clone: Path) -> Any:
    return calvin_scene("D", clone)


#: What reads -> where its file lies in a folder, and how it is asked for by that file.
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "configuration": ("some.yaml", lambda path: load_config(None, path)),
    "home's file": ("home.yaml", lambda path: elsewhere(path.parent)),
    "instructions": ("some.yaml", read_instruction_file),
    "annotations": ("auto_lang_ann.npy", annotations.read_annotations),
    "embeddings": ("auto_lang_ann.npy", annotations.read_embeddings),
    "bounds": ("ep_start_end_ids.npy", annotations.read_bounds),
    "scenes": ("scene_info.npy", annotations.read_scenes),
    "evaluation instructions": ("embeddings.npy", annotations.read_instructions),
    "boxes": ("boxes.json", boxes.read_boxes),
    "pickle": ("some.npy", load_npy_pickle),
    "frame": ("episode_0000001.npz", lambda path: FrameFiles(path.parent, 7).read(1)),
    "frame's directory": ("episode_0000001.npz", lambda path: FrameFiles(path.parent, 7).checksums(1)),
    "record": (RECORD, lambda path: read_record(path.parent, [], FrameFiles(path.parent, 7))),
    "renderer": (CONFIGURATION.name, lambda path: recorded_renderer(path.parent.parent)),
    "episode": ("task_0.safetensors", load_episode),
    "model's values": ("config.json", read_json),
    "tensors": ("model.safetensors", open_file),
    "shards": ("model.safetensors.index.json", lambda path: shards_of(path.parent)),
    "adapter": ("adapter_config.json", lambda path: check_beside(path.parent, ())),
    "tokenizer": ("tokenizer_config.json", lambda path: load_tokenizer(path.parent)),
    "OpenVLA": ("config.json", lambda path: read_config(path.parent)),
    "generation": (GENERATION_FILE, lambda path: rules_of_folder(path.parent, {}, None)),
    "pictures": ("preprocessor_config.json", lambda path: picture_values(path.parent, None)),
    "calibration": (CALIBRATION, lambda path: read_calibrations(path.parent)),
    "GroundingDINO": ("config.json", lambda path: check_stored(path.parent)),
    "GroundingDINO's words": ("vocab.txt", lambda path: check_stored(path.parent)),
    "official GroundingDINO": ("some.pth", existing),
    "digest of weights": ("some.pth", lambda path: weights_digest(str(path))),
    "identity": ("model.safetensors", lambda path: folder_identity(path.parent)),
    "mesh": ("some.obj", meshes.vertices),
    "binary mesh": ("some.stl", meshes.vertices),
    "body": ("some.urdf", lambda path: assets.joints(path)),
    "scene": ("conf/scene/calvin_scene_D.yaml", lambda path: scene(path.parents[2])),
    "code of one's own": (
        "some.py",
        lambda path: find_source(path.parent, Reference("some", "Mine"), "a setting"),
    ),
    "bundle": ("some.bundle", lambda path: receive(Home(path.parent / "home"), path, 0.0, ForeignJobs(path))),
    "state": ("state.db", need_sound),
}


#: A link that leads nowhere is as good as no file to these.
MAY_BE_ABSENT = {"state", "GroundingDINO's words", "tokenizer"}


@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        (reader, kind)
        for reader in READERS
        for kind in UNFIT
        if kind != "link to itself" or reader not in MAY_BE_ABSENT
    ],
)
def test_what_is_no_regular_file_is_not_read(reader: str, kind: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / (CONFIGURATION if reader == "renderer" else name)
    path.parent.mkdir(parents=True, exist_ok=True)
    UNFIT[kind](path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BatonError) as refused:
        read(path)
    assert refused.value.exit_code in (2, 3)
    sentence(refused, path)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_folder_lacks_is_not_asked_of_what_stands_in_its_place(tmp_path: Path) -> None:
    """Files that a split may lack: what is no file is a fault of the split, and not passed over."""
    folder = write_split(tmp_path, "training", [make_episode(100, 2)])
    for name in ("scene_info.npy", "embeddings.npy", "boxes.json", "ep_lens.npy", RECORD):
        (folder / name).unlink(missing_ok=True)
        fifo(folder / name)
    split, faults = survey(tmp_path, "training")
    found = [*map(str, faults), *examine(split, []).problems]
    for name in ("scene_info.npy", "embeddings.npy", "boxes.json", "ep_lens.npy", RECORD):
        assert [
            problem for problem in found if name in problem and ("FIFO" in problem or "damaged" in problem)
        ]


@pytest.mark.parametrize("read", [meshes.extent, OpenVLAPolicy])
def test_a_path_that_leads_in_a_circle_is_one_sentence(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    """Of what is told by where a link leads: a mesh that was read before, the name of a checkpoint's folder."""
    place = tmp_path / "some.obj"
    link_to_itself(place)
    with pytest.raises(BatonError) as refused:
        read(place)
    sentence(refused, place)


@pytest.mark.parametrize("kind", UNFIT)
def test_a_notice_is_given_by_whatever_exists(kind: str, tmp_path: Path) -> None:
    UNFIT[kind](tmp_path / "notice")
    assert NoticeFile(tmp_path / "notice").look().notice == (None if kind == "link to itself" else "notice")


def test_of_a_long_notice_the_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / "notice").write_bytes(b"go" + bytes(1 << 20))
    assert str(NoticeFile(tmp_path / "notice").look().notice).startswith("go")


RESULTS: dict[str, str] = {
    "no entry": "[1]",
    "a list": "[]",
    "no sequence": '{"done": 1}',
    "a sequence that is a text": '{"sequence": "x", "done": 1, "tasks": []}',
    "a sequence that is a truth": '{"sequence": true, "done": 1, "tasks": []}',
    "a number below zero": '{"sequence": 1, "done": -1, "tasks": []}',
    "a sequence that says nothing else": '{"sequence": 1}',
    "nothing that was done": '{"sequence": 1, "tasks": []}',
    "no tasks": '{"sequence": 1, "done": 1}',
    "a task that is none": '{"sequence": 1, "done": 1, "tasks": [1]}',
    "tasks that are a text": '{"sequence": 1, "done": 1, "tasks": "x"}',
    "levels": "[" * 150 + "]" * 150,
    "digits": '{"sequence": ' + "1" * 500 + "}",
    "nothing": "null",
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_are_none_are_one_sentence(case: str, tmp_path: Path) -> None:
    (file := tmp_path / "results.jsonl").write_text('{"evaluation": {}}\n' + RESULTS[case] + "\n")
    with pytest.raises(InvalidInput) as refused:
        ResultsFile(file, {})
    sentence(refused, file)


def test_results_of_something_else_are_shown_in_part(tmp_path: Path) -> None:
    (file := tmp_path / "results.jsonl").write_text('{"evaluation": {"x": "' + "y" * 5000 + '"}}\n')
    with pytest.raises(InvalidInput) as refused:
        ResultsFile(file, {"x": "z" * 5000})
    sentence(refused, file)


# --- the door itself -----------------------------------------------------------------------------


def test_a_file_larger_than_is_known_what_for_is_not_opened(tmp_path: Path) -> None:
    (file := tmp_path / "some").write_bytes(bytes(11))
    for read in (open_regular, read_bytes, read_text):
        with pytest.raises(UnfitFile, match="11 bytes, and at most 10"):
            read(file, 10)
    assert read_bytes(file, 11) == bytes(11)


def test_a_file_that_is_longer_than_it_says_is_refused() -> None:
    """Those of /proc say 0."""
    with pytest.raises(UnfitFile, match="more than 10 bytes"):
        read_bytes(Path("/proc/self/status"), 10)


def test_a_name_that_passed_to_another_file_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sound := tmp_path / "sound").write_text("x")
    fifo(tmp_path / "fifo")
    open_as_it_is = os.open
    monkeypatch.setattr("settings.regular.os.open", lambda _, flags: open_as_it_is(tmp_path / "fifo", flags))
    with pytest.raises(UnfitFile, match="FIFO"):
        open_regular(sound)
    left_open = [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert tmp_path / "fifo" not in left_open


def test_folders_and_links_to_nothing_are_left_to_the_library(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.json").symlink_to("nothing")
    need_regular_files(tmp_path, CheckpointError)
    fifo(tmp_path / "x.json")
    with pytest.raises(CheckpointError) as refused:
        need_regular_files(tmp_path, CheckpointError)
    sentence(refused, tmp_path / "x.json")


def test_text_has_the_line_ends_that_python_gives_it(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"a\r\nb")
    assert read_text(tmp_path / "some") == "a\nb"


def test_a_secret_is_not_read_from_a_fifo(tmp_path: Path) -> None:
    fifo(tmp_path / "secret")
    with pytest.raises(UnfitFile):
        secret_in(tmp_path / "secret", lambda: "x")


# --- by a command --------------------------------------------------------------------------------

COMMANDS = {
    "configuration": ["submit-ablation", "--detach", "--config"],
    "bundle": ["bundle", "import"],
    "dataset": ["data", "check"],
    "data": ["submit-ablation", "--preset", "calvin-debug", "--detach", "--data"],
    "instructions": ["submit-ablation", "--preset", "smoke", "--detach", "--set"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_a_fifo_before_anything_is_made(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fifo(path := tmp_path / "strange")
    words = [
        *COMMANDS[command],
        f"evaluation.instructions={path}" if command == "instructions" else str(path),
    ]
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), *words] if command != "dataset" else words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and len(said) < LONGEST_SENTENCE
    assert str(path) in said and not home.exists()
