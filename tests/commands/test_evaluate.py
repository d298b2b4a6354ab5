"""`evaluate` as people use it: real simulator, real server process, toy checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

import cli
from policies import registry
from policies.base import Query
from policies.random_actions import RandomPolicy
from policies.remote import RemotePolicy
from simulators.own_process import FORKS
from tasks.data.generate import generate
from tasks.specs import Demonstration
from tests.calvin.writing import write_split
from tests.commands.evaluating import RANDOM, refused, run, toy_checkpoint
from tests.policies.http_servers import raw_server
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint(tmp_path_factory.mktemp("toy"))


def test_results_on_disk_are_gone_on_with(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = run(capfd, *RANDOM, "--sequences", "4")
    assert [entry["sequence"] for entry in whole["results"]] == [0, 1, 2, 3]
    assert whole["estimate"]["sequences"] == 4
    assert whole["simulator_description"]["scene"] == "D"
    out = tmp_path / "deep" / "results.jsonl"
    run(capfd, *RANDOM, "--sequences", "4", "--out", str(out))
    lines = out.read_text().splitlines(keepends=True)
    assert len(lines) == 5
    out.write_text("".join(lines[:3]) + lines[3][:10])  # as if it was broken off while writing
    again = run(capfd, *RANDOM, "--sequences", "4", "--out", str(out))
    assert again["results"] == whole["results"]
    assert len(out.read_text().splitlines()) == 5
    finished = run(capfd, *RANDOM, "--sequences", "4", "--out", str(out))
    assert finished["simulator_description"] == whole["simulator_description"]  # nothing was left to simulate
    sentence = refused(capfd, 2, *RANDOM, "--sequences", "3", "--out", str(out))
    assert "holds results with sequences = 4, not 3" in sentence
    out.write_text("what?\n")
    assert "does not hold results" in refused(capfd, 2, *RANDOM, "--out", str(out))


def test_a_checkpoint_says_that_it_is_loaded_and_how_far_it_is_before_the_first_sequence_has_ended(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", str(folder), "--sequences", "1", "--max-steps", "10", "--json")
    capfd.readouterr()
    assert cli.main(list(words)) == 0
    loading, *steps = capfd.readouterr().err.splitlines()
    assert loading == f"loading {folder}"
    told = "so far; no sequence has ended yet"
    assert steps[:2] == [f"0/1  5 steps {told}", f"0/1  10 steps {told}"]
    sentence = refused(capfd, 2, "evaluate", str(folder / "gone"), "--sequences", "1")
    assert "loading" not in sentence, "what cannot be used is said first"


@pytest.mark.parametrize("command", [("evaluate", "random"), ("serve", "."), ("attention", ".")])
def test_a_detector_that_is_none_is_refused_whether_it_is_asked_or_not(
    command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    sentence = refused(capfd, 2, *command, "--detector", "nope")
    assert "unknown detector 'nope': known are colour, grounding_dino" in sentence
    assert sentence.count("\n") == 1


def test_threads_are_those_of_the_option_and_never_of_the_shell(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    out = tmp_path / "results.jsonl"
    words = ("evaluate", str(folder), "--sequences", "1", "--max-steps", "5", "--json", "--out", str(out))
    assert run(capfd, *words)["threads"] == torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1", "what the simulators' processes and numpy begin with"
    told = refused(capfd, 2, *words, "--threads", "2")
    assert "holds results with threads = 1, not 2" in told
    out.unlink()
    assert run(capfd, *words, "--threads", "2")["threads"] == torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_another_evaluation_is_not_gone_on_with(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides results is compared with the file, not only what the evaluation is called."""
    out, one = tmp_path / "random.jsonl", ("--sequences", "1")
    run(capfd, *RANDOM, *one, "--out", str(out))
    told = refused(capfd, 2, *RANDOM, *one, "--out", str(out), "--seed", "7")
    assert "holds results with seed = 0, not 7" in told
    monkeypatch.setattr("simulators.playtable.env.pybullet_build", lambda: "9.9.9")
    told = refused(capfd, 2, *RANDOM, *one, "--out", str(out))
    assert "with simulator_description.pybullet = " in told and "not '9.9.9'" in told
    monkeypatch.undo()

    toy, again = tmp_path / "toy", tmp_path / "again.jsonl"
    shutil.copytree(folder, toy)
    given = ("evaluate", str(toy), *RANDOM[2:], *one, "--out", str(again))
    run(capfd, *given)
    assert "holds results with batch = 8, not 4" in refused(capfd, 2, *given, "--batch", "4")
    weights = toy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "holds results with weights = " in refused(capfd, 2, *given)


def test_named_protocols_and_their_official_slips(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    document = run(capfd, *RANDOM, "--protocol", "reconvla-500", "--sequences", "1")
    assert (document["drawn"], document["max_steps"], document["official_compat"]) == (1000, 5, False)
    (entry,) = document["results"]
    assert entry["steps"] == 5
    slips = ("--protocol", "reconvla-500", "--official-compat")
    compat = run(capfd, "evaluate", "random", *slips, "--sequences", "1", "--json")
    (entry,) = compat["results"]
    assert (compat["max_steps"], entry["steps"], entry["done"]) == (500, 500, 0)
    out = tmp_path / "results.jsonl"
    run(capfd, *RANDOM, *slips, "--sequences", "2", "--out", str(out))
    out.write_text(out.read_text().replace('"done": 0', '"done": 1', 1))  # a lucky one
    compat = run(capfd, *RANDOM, *slips, "--sequences", "2", "--out", str(out))
    assert compat["success"][:2] == [pytest.approx(1 / 3), 0.0]  # over N + 1
    assert compat["avg_len"] == 0.5


def test_a_simulator_that_is_killed_on_the_way_changes_no_result(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("evaluate", "random", "--max-steps", "20", "--simulators", "2", "--sequences", "3", "--json")
    undisturbed = run(capfd, *given)
    calls, act = [], RandomPolicy.act
    playing: list[int] = []

    def killing(policy: RandomPolicy, queries: Sequence[Query]) -> list[np.ndarray]:
        calls.append(1)
        playing.extend(_simulator_processes() if len(calls) == 3 else ())
        if len(calls) in (3, 6):
            os.kill(playing.pop(), signal.SIGKILL)
        if len(calls) == 4:  # what forked them, if anything did: the next is started otherwise
            for one in psutil.Process().children():
                if FORKS in one.cmdline():
                    one.kill()
        return act(policy, queries)

    monkeypatch.setattr(RandomPolicy, "act", killing)
    disturbed = run(capfd, *given, "--parallel")
    assert disturbed["results"] == undisturbed["results"]
    assert (undisturbed["counts"]["replays"], disturbed["counts"]["replays"]) == (0, 2)


def _simulator_processes() -> list[int]:
    """Those that play; where they are forked, not the one that forks."""
    alive = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    found = [p.pid for p in alive if "simulators.own_process" in p.cmdline()]
    forking = {p.ppid() for p in alive}
    return [pid for pid in found if pid not in forking]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("evaluate",), 2, "name a checkpoint"),
        (("evaluate", "nowhere"), 2, "there is no folder nowhere, and it is no digest"),
        (("evaluate", "127.0.0.1:9097"), 2, "the address of a server begins with http://"),
        (("--home", "/nowhere", "evaluate", "0123abcd"), 2, "no home at /nowhere"),
        (("evaluate", "random", "--sequences", "1001"), 2, "calvin has 1000, not 1001"),
        (("evaluate", "random", "--instructions", "none.yaml"), 2, "none.yaml cannot be read"),
        (("evaluate", "random", "--simulator", "calvin"), 3, "needs the interpreter"),
        (("evaluate", "random", "--simulator", "calvin", "--calvin-python", "/bin/false"), 3, "makes no simulator"),
        (("evaluate", "random", "--simulator", "calvin", "--calvin-python", "/nonexist"), 3, "/nonexist is no program"),
        (("evaluate", "random", "--calvin-python", "/bin/false"), 2, "simulator 'playtable' takes no python"),
        (("evaluate", "random", "--attention"), 2, "name their folder with --videos"),
        (("evaluate", "random", "--attention", "--videos", "films"), 2, "only a ReconVLA checkpoint"),
        (("evaluate", "random", "--out", "/"), 2, "results cannot be kept in /: Is a directory"),
        (("evaluate", "random", "--out", "/proc/no/file"), 2, "cannot be kept in /proc/no/file: No such file"),
        (("evaluate", "random", "--videos", "/dev/null"), 2, "the folder /dev/null cannot be made: File exists"),
        (("evaluate", "http://"), 2, "http:// is no address of a policy server"),
        (("evaluate", "random", "--tasks", "fly"), 2, "Unknown CALVIN task 'fly'"),
        (("evaluate", "random", "--tasks", "open_drawer,close_drawer"), 2, "--tasks: The tasks open_drawer"),
        (("evaluate", "random", "--tasks", "open_drawer,open_drawer"), 2, "is listed more than once"),
        (("evaluate", "random", "--limit", "2"), 2, "--limit is of --replay"),
        (("evaluate", "--replay", "/nowhere"), 2, "/nowhere is not a folder"),
        (("evaluate", "random", "--replay", "/nowhere"), 2, "leave out CHECKPOINT (random)"),
        (("evaluate", "--replay", "/nowhere", "--tasks", "open_drawer"), 2, "--tasks is not heeded by --replay"),
        (("evaluate", "--replay", "/nowhere", "--protocol", "calvin"), 2, "--protocol is not heeded by --replay"),
        (("evaluate", "randm"), 2, "there is no policy and no folder 'randm' (did you mean 'random'?)"),
        (("evaluate", "--policy", "{kind: htp}"), 2, "--policy: policy.kind: 'htp' is unknown; known kinds: random"),
        (("evaluate", "--policy", "{kind: random, seed: x}"), 2, "policy.seed: must be a whole number, got 'x'"),
        (("evaluate", "--policy", "{kind: random"), 2, "--policy is not YAML"),
        (("evaluate", "--policy", "none.yaml"), 2, "--policy none.yaml is no file"),
        (("evaluate", "--policy", "{kind: http, url: ftp://x}"), 2, "--policy: ftp://x is no address"),
        (("evaluate", "--policy", "{kind: folder, folder: none}"), 2, "/none/config.json cannot be read"),
        (("evaluate", "--policy", "{kind: folder, folder: ~no-such-user/x}"), 2, "~no-such-user names no home"),
        (("evaluate", "random", "--policy", "{kind: random}"), 2, "leave out CHECKPOINT (random)"),
        (("evaluate", "--policy", "{kind: random}", "--seed", "3"), 2, "--seed is not heeded beside --policy"),
        (("evaluate", "--policy", "{kind: random}", "--replay", "x"), 2, "--policy is not heeded by --replay"),
        (("serve", "nowhere"), 2, "there is no folder nowhere"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_sentence(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    assert sentence in refused(capfd, code, *arguments)


def test_a_policy_is_named_as_in_a_row_of_an_ablation(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few = (*RANDOM[2:], "--sequences", "2")
    chance = run(capfd, "evaluate", "random", "--seed", "3", *few)
    described = run(capfd, "evaluate", "--policy", "{kind: random, seed: 3}", *few)
    assert described["results"] == chance["results"]
    assert (described["policy"], described["policy_spec"]) == ("random", {"kind": "random", "seed": 3})
    file, out = tmp_path / "toy.yaml", tmp_path / "results.jsonl"
    file.write_text(json.dumps({"kind": "folder", "folder": str(folder), "batch": 2}))
    known = run(capfd, "evaluate", str(folder), "--batch", "2", *few)
    toy = run(capfd, "evaluate", "--policy", str(file), *few, "--out", str(out))
    assert (toy["results"], toy["weights"]) == (known["results"], known["weights"])
    file.write_text(json.dumps({"kind": "folder", "folder": str(folder), "batch": 3}))
    told = refused(capfd, 2, "evaluate", "--policy", str(file), *few, "--out", str(out))
    assert "holds results with policy_spec.batch = 2, not 3" in told


@dataclass(frozen=True)
class _Still:
    """A kind of policy that no command knows."""

    lift: float = 0.0


class _StillPolicy:
    needs_images = False

    def __init__(self, lift: float) -> None:
        self.counts: Counter[str] = Counter()
        self._chunk = np.array([[0.0, 0.0, lift, 0.0, 0.0, 0.0, 1.0]])

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [self._chunk for _ in queries]


def test_a_new_kind_of_policy_needs_no_command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {**registry._KINDS, "still": registry._Kind(_Still, f"{__name__}:_StillPolicy")}  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "_KINDS", kinds)
    few = (*RANDOM[2:], "--sequences", "1")
    document = run(capfd, "evaluate", "--policy", "{kind: still, lift: 1}", *few)
    assert document["policy_spec"] == {"kind": "still", "lift": 1.0}
    assert "lift: must be a number" in refused(
        capfd, 2, "evaluate", "--policy", "{kind: still, lift: x}", *few
    )


def test_a_dead_policy_server_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = RemotePolicy.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "tries", 2)
    monkeypatch.setitem(defaults, "pause_seconds", 0.01)
    told = refused(capfd, 1, "evaluate", "http://127.0.0.1:9", "--sequences", "1", "--simulators", "1")
    assert "policy server http://127.0.0.1:9/predict gave no action in 2 tries" in told


def test_ctrl_c_ends_an_evaluation_whose_policy_server_hangs(tmp_path: Path) -> None:
    asked = threading.Event()

    def hang(connection: socket.socket) -> None:
        asked.set()
        connection.settimeout(None)
        connection.recv(1)  # until the client has left

    with raw_server(hang) as url:
        out = tmp_path / "results.jsonl"
        process = subprocess.Popen(
            [sys.executable, "cli.py", "evaluate", url, "--simulators", "2", "--out", str(out),
             "--server-timeout", "3600"],
            cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
            # Tests that run in the background of a shell inherit that Ctrl-C is ignored.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        try:
            assert asked.wait(300)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=600)  # one try waits for an hour
        finally:
            process.kill()
    assert process.returncode == 4
    assert "stopped after 0 of 1000 sequences; 0 results are in" in told


def test_the_time_limit_of_a_policy_server_can_be_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = RemotePolicy.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "tries", 1)
    with raw_server(lambda connection: connection.settimeout(None) or connection.recv(1)) as url:
        told = refused(capfd, 1, "evaluate", url, "--sequences", "1", "--server-timeout", "0.2")
    assert "the last time it did not answer within 0.2 s" in told


def test_replay_accepts_what_the_expert_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entries = [
        Demonstration(number=number, scene="D", task=task, seed=3 + number, starts="rest")
        for number, task in enumerate(("open_drawer", "turn_on_led"))
    ]
    write_split(tmp_path, "validation", generate(entries, "validation"))
    document = run(capfd, "evaluate", "--replay", str(tmp_path), "--json")
    assert (document["played"], document["accepted"]) == (2, 2)
    assert document["static_difference"] == 0.0
    assert all(0 < one["accepted_at"] < 100 for one in document["demonstrations"])
    assert cli.main(["evaluate", "--replay", str(tmp_path), "--limit", "1"]) == 0
    assert "1 of 1 demonstrations accepted" in capfd.readouterr().out
    assert document["scenes_told_by"] == {"the dataset": 2} and document["unknown_scenes_played_in"] is None
    (tmp_path / "validation" / "scene_info.npy").unlink()
    assert cli.main(["evaluate", "--replay", str(tmp_path), "--limit", "1"]) == 0
    told = capfd.readouterr().out
    assert "The scene of 1 demonstrations is unknown; they were played in D (--scene)." in told


#: What is wrong with each can be said without a model.
WRONG = (
    ("evaluate --replay /nowhere", "/nowhere is not a folder"),
    ("evaluate random --tasks nope", "--tasks: Unknown CALVIN task"),
    ("evaluate random --sequences-file /nowhere", "/nowhere cannot be read"),
    ("evaluate random --attention", "name their folder with --videos"),
    ("evaluate random --attention --videos films", "only a ReconVLA checkpoint"),
    ("evaluate random --against random", "it is the same policy"),
    ("evaluate /nowhere/x", "there is no folder /nowhere/x"),
    ("evaluate /nowhere/x --batch 0", "'--batch'"),
    ("serve /nowhere/x", "there is no folder /nowhere/x"),
    ("serve /nowhere/x --center-crop", "--center-crop is for a folder of OpenVLA"),
    ("serve /nowhere/x --port 70000", "'--port'"),
)


def test_wrong_arguments_are_refused_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys, cli\nfor words in sys.argv[1:]:\n"
        " print(cli.main(words.split()), 'torch' in sys.modules, flush=True)"
    )
    words = [line for line, _ in WRONG]
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert ended.stdout.splitlines() == ["2 False"] * len(WRONG)
    for _, sentence in WRONG:
        assert sentence in ended.stderr
