"""Every command of the documentation is run, in a small home, or named below with the reason why not.

A new line in a console block fails `test_every_command_is_accounted_for` until it is in `FIRST`, `STORIES`,
`ELSEWHERE` or `NOT_RUN`. `more` is what a line gets here so that it ends soon, or leaves the small home alone.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import transformers.utils.logging

import cli
from db import queries
from db.migrate import open_state
from settings.home import Home
from tests.detectors.grounding_dino.tiny import write_tiny_model
from tests.processes import environment
from tests.simulators.conftest import shared_folder
from tests.support import REPOSITORY
from tests.test_docs import PAGES, console_lines

pytestmark = pytest.mark.slow


class Shown(NamedTuple):
    """A documented line, what is added to it here, what it must print (a pattern) and its exit codes."""

    line: str
    more: str = ""
    says: str = ""
    codes: tuple[int, ...] = (0,)


#: One arm, two steps, two chains of two steps: everything that a home has, as small as it gets.
_TINY = (
    "--detach --arms recon --set training.steps=2 --set training.batch_size=2"
    " --set evaluation.sequences=2 --set evaluation.max_steps=2"
)
_PLAN = "--detach --home plans"
_SHORT = "--sequences 1 --max-steps 2 --simulators 1"
_CHECKPOINT, _DATA, _ASSETS = "3f2a9c01", "path/to/calvin_debug_dataset", "path/to/calvin_env"
_LEROBOT = "path/to/calvin-task-ABC-D-lerobot"

#: What the other lines look at.
FIRST = (
    Shown("python cli.py data generate my-data --demonstrations-per-task 5 --tasks open_drawer,turn_on_led",
          "--demonstrations-per-task 1", r"training: 2 demonstrations of 2 tasks"),
    Shown(f"python cli.py data check {_DATA}", says=r"training: 2 demonstrations of 2 tasks, \d+ annotated frames, 0"),
    Shown(f"python cli.py submit-ablation --data {_DATA} --preset smoke", _TINY, r"smoke: \d+ jobs added, 0 already"),
    Shown("python cli.py up --until-done", "--cpus 1 --gpus none", r"smoke: succeeded"),
)  # fmt: skip

#: Lines that are run one after the other.
STORIES: dict[str, tuple[Shown, ...]] = {
    "what there is": (
        Shown("python cli.py status", says=r"recon +0 +2/2"),
        Shown("python cli.py status --watch", says=r"smoke: succeeded"),
        Shown("python cli.py events", says=r"smoke: \d+ jobs added"),
        Shown('python cli.py logs "train recon seed 0"', says=r"succeeded, step 2 of 2"),
        Shown('python cli.py logs "train recon seed 0" --follow', says=r"succeeded, step 2 of 2"),
        Shown("python cli.py artifacts --kind checkpoint", says=r"final .*train recon seed 0"),
        Shown("python cli.py artifacts --final", says=r"checkpoint .*final .*\(train recon seed 0: weights\)"),
        Shown("python cli.py artifacts verify", says=r"[1-9]\d* artifacts: .* 0 damaged, 0 missing"),
        Shown("python cli.py tensorboard --once", says=r"[1-9]\d* points in .*tensorboard"),
        Shown("python cli.py doctor", says=r"An ablation can(not)? run here", codes=(0, 3)),
    ),
    "the report": (Shown("python cli.py report", says=r"Report: .*1-smoke/report\.html"),),
    "nothing is left to do": (
        Shown("python cli.py up --until-done --session-limit 11h30m"),
        Shown("python cli.py up --until-done --notice-file /run/going-away"),
        Shown("python cli.py up --until-done --notice-url "
              "http://169.254.169.254/latest/meta-data/spot/instance-action"),
        Shown("python cli.py up --until-done --gpus 0,1 --cpus 4", codes=(0, 3)),  # 3 where there are none
    ),
    "plans": (
        Shown("python cli.py submit-ablation --preset quick --detach", "--home plans", r"quick: \d+ jobs added, 0"),
        Shown("python cli.py submit-ablation --preset quick --session-limit 11h30m", _PLAN, r"quick: \d+ jobs added"),
        Shown("python cli.py submit-ablation --preset quick --seeds 0", _PLAN, r"quick: \d+ jobs added"),
        Shown("python cli.py submit-ablation --preset quick --seeds 1", _PLAN, r"quick: [1-9]\d* jobs added, [1-9]"),
        Shown("python cli.py submit-ablation --preset quick --seeds 0,1", _PLAN, r"quick: 0 jobs added, [1-9]"),
        Shown("python cli.py submit-ablation --preset quick --seeds 1,2", _PLAN, r"quick: new seeds: 2; what it has"),
        Shown("python cli.py submit-ablation --preset quick --seeds 2,3,4", _PLAN, r"quick: new seeds: 3, 4; what it"),
        Shown("python cli.py submit-ablation --preset quick --set evaluation.sequences=500", _PLAN,
              r"quick: \d+ sequences become 500; what it has and this does not ask for stays in it: seeds 1, 2, 3, 4"),
        Shown("python cli.py submit-ablation --preset quick --name longer --set training.steps=2000 "
              "--set gaze.detector=oracle", _PLAN, r"longer: [1-9]\d* jobs added, [1-9]\d* already there"),
        Shown("python cli.py submit-ablation --preset quick --name sweep "
              "--vary training.reconstruction_weight=0.1,1,10", _PLAN, r"sweep: [1-9]\d* jobs added, [1-9]"),
        Shown("python cli.py submit-ablation --preset quick --name weights "
              "--vary training.reconstruction_weight=0.1,1,10 --seeds 0,1", _PLAN, r"weights: [1-9]\d* jobs added"),
        Shown("python cli.py plan --preset demo --detect 10 --power 0.8", "--home plans",
              r"(?s)3 seeds find differences of 27 points in 1/5.*11 seeds with 128 sequences each"),
        Shown("python cli.py plan --preset quick --config mine.yaml", "--home plans",
              r"(?s)mine: a new ablation.*heavy .*reconstruction_weight: 1.0 -> 10.0.*chance .* random"),
        Shown("python cli.py submit-ablation --preset quick --config mine.yaml", _PLAN, r"mine: [1-9]\d* jobs added"),
        Shown("python cli.py submit-ablation --preset smoke --name mine --data path/to/calvin_debug_dataset", _PLAN,
              r"error: ablation mine \(\d+\) is in this home with other settings: .* --name mine-2", (2,)),
        Shown("python cli.py ablation rename 2 longer", "--home plans", r"another ablation|is called longer", (0, 2)),
        Shown("python cli.py submit-ablation --preset demo", _PLAN, r"demo: [1-9]\d* jobs added"),
        Shown(f"python cli.py submit-ablation --name colour --data {_DATA} --set gaze.detector=colour", _PLAN,
              r"colour: [1-9]\d* jobs added"),
        Shown("python cli.py ablation remove longer", "--home plans", r"say so with --yes", (2,)),
        Shown("python cli.py ablation remove longer --yes --json", "--home plans", r'"name": "longer", "removed"'),
    ),
    "a LeRobot set": (
        Shown(f"python cli.py data check {_LEROBOT}", says=r"3 episodes are demonstrations of a validation|validation"),
        Shown(f"python cli.py submit-ablation --data {_LEROBOT} --preset smoke", "--detach --home lerobot",
              r"smoke: [1-9]\d* jobs added, 0 already"),
        Shown("python cli.py data check path/to/set --scenes D", says=r"training: 6 demonstrations of"),
        Shown('python cli.py submit-ablation --data path/to/set --set "data.scenes=D=0-5;A=6-8"',
              "--preset smoke --name scenes --detach --home lerobot", r"scenes: [1-9]\d* jobs added"),
    ),
    "from one format into another": (
        Shown(f"python cli.py data convert {_DATA} debug-v3 --to lerobot-v3 --lossless",
              says=r"debug-v3: [1-9]\d* demonstrations, \d+ frames, as lerobot-v3"),
        Shown(f"python cli.py data convert {_LEROBOT} as-v3 --to lerobot-v3",
              says=r"(?s)9 demonstrations, 249 frames, as lerobot-v3.* of 3735 state tokens"),
        Shown("python cli.py data convert debug-v3 debug-npz --to calvin", says=r"debug-npz: .*, as calvin"),
    ),
    "presets that name what is missing": (
        Shown(f"python cli.py submit-ablation --preset calvin-debug --data {_DATA}", _PLAN,
              r"error: .* is not a folder", (3,)),
        *(Shown(f"python cli.py submit-ablation --preset {line}", _PLAN, r"error: .* is not a folder", (3,))
          for line in ("calvin-abc-d --data path/to/task_ABC_D", "calvin-abc-d-8gpu --data path/to/task_ABC_D",
                       ("calvin-abc-d-8gpu --data path/to/task_ABC_D --set training.nodes=2 "
                        "--set pretraining.nodes=2 --detach"))),
    ),
    "bundles": (
        Shown("python cli.py bundle export one.bundle", says=r"one\.bundle: bundle \w+, .* artifacts"),
        Shown("python cli.py --home elsewhere bundle import one.bundle", says=r"imported, [1-9]\d* artifacts"),
        Shown("python cli.py --home old bundle export one.bundle", says=r"one\.bundle: bundle"),
        Shown("python cli.py --home new bundle import one.bundle", says=r"imported, [1-9]\d* artifacts"),
        Shown("python cli.py --home new up --until-done"),
        Shown("python cli.py --home old bundle export two.bundle --since one.bundle", says=r"that bundle \w+ brought"),
    ),
    "a bundle in every session": (
        Shown("python cli.py bundle export /kaggle/working/reconvla.baton", says=r"bundle \w+"),
        Shown("python cli.py bundle export /content/drive/MyDrive/reconvla.baton", says=r"bundle \w+"),
        Shown("python cli.py bundle import /kaggle/input/last/reconvla.baton", "--home kaggle-home", r"imported"),
        Shown("python cli.py --home /tmp/home bundle import /kaggle/input/<name>/baton.bundle", says=r"imported"),
        Shown("python cli.py --home /tmp/home up --until-done --session-limit 11h"),
        Shown("python cli.py --home /tmp/home bundle export /kaggle/working/baton.bundle", says=r"bundle \w+"),
    ),
    "disk space": (
        Shown("python cli.py artifacts gc --dry-run", "--home old", r"would remove \d+ superseded"),
        Shown("python cli.py artifacts gc", "--home old", r"removed \d+ superseded"),
        Shown("python cli.py artifacts gc --spent", "--home old", r"removed \d+ superseded .* [1-9]\d* files"),
        Shown("python cli.py artifacts adopt", "--home old", r"belong to .*state.db"),
    ),
    "done again": (Shown("python cli.py audit --slices 3", "--others 1", r"(?s)equal .*\nequal "),),
    "gaze regions": (
        Shown("python cli.py gaze path/to/dataset --score --preview", "--limit 1", r"2 contact sheets in gaze-preview"),
        Shown("python cli.py gaze path/to/dataset --split validation --score --by-stage", "--limit 1",
              r"1 demonstrations"),
        Shown("python cli.py gaze path/to/dataset --detector grounding_dino --weights path/to/folder",
              "--split validation --limit 1 --stages none", r"1 demonstrations"),
        Shown(f"python cli.py data extract {_DATA} extracted", "--split validation", r"validation_r5\.json: \d+ items"),
    ),
    "one checkpoint": (
        Shown("python cli.py evaluate recon seed 0", "--sequences 1 --max-steps 20", r"recon seed 0: [\s\S]*1/5"),
        Shown(f"python cli.py evaluate {_CHECKPOINT} --sequences 10", _SHORT, r"1/5"),
        Shown(f"python cli.py evaluate {_CHECKPOINT} --sequences 10 --videos films --attention", _SHORT, r"1/5"),
        Shown(f"python cli.py evaluate {_CHECKPOINT} --against expert --sequences 10", _SHORT, r"not told apart"),
        Shown(f"python cli.py attention {_CHECKPOINT} --data {_DATA} --out maps", "--demonstrations 1 --frames 2",
              r"mass in gaze .*centre prior"),
        Shown("python cli.py checkpoint export recon 0 recon-0", says=r"recon-0: recon seed 0 of smoke after 2 steps"),
        Shown("python cli.py evaluate recon-0 --sequences 10", _SHORT, r"1/5"),
        Shown("python cli.py evaluate --policy '{kind: random, seed: 3}' --sequences 10", _SHORT, r"1/5"),
    ),
    "in CALVIN's scenes": (
        Shown(f"python cli.py evaluate {_CHECKPOINT} --assets {_ASSETS} --protocol reconvla-500 --out results.jsonl",
              f"{_SHORT} --renderer tiny", r"1/5"),
        Shown(f"python cli.py evaluate --replay {_DATA} --assets {_ASSETS}", "--limit 1 --renderer tiny",
              r"of 1 demonstrations accepted"),
    ),
}  # fmt: skip

_OWN_CODE = (
    "acceptance/test_own_code.py::test_the_page_comes_to_a_table_and_a_bundle_of_it_runs_where_it_is_allowed"
)

#: Lines that run in a test of their own, here or in another file: `file::function`, or one case of it.
ELSEWHERE = {
    "python cli.py up --flower": "commands/test_up.py::test_services_run_beside_the_work_and_end_with_it",
    "python cli.py up --tensorboard --metrics":
        "commands/test_up.py::test_services_run_beside_the_work_and_end_with_it",
    'eval "$(_BATON_COMPLETE=bash_source baton)"': "test_docs_run.py::test_completion",
    'eval "$(_BATON_COMPLETE=zsh_source baton)"': "test_docs_run.py::test_completion",
    "_BATON_COMPLETE=fish_source baton | source": "test_docs_run.py::test_completion",
    'make ablation ARGS="--preset smoke"': "test_docs_run.py::test_make_runs_what_is_run_here",
    "make ablation": "test_docs_run.py::test_make_runs_what_is_run_here",
    "make chaos N=30": "acceptance/test_chaos.py::test_an_ablation_survives_whatever_strikes_it",
    "make chaos N=300 SEED=1": "acceptance/test_chaos.py::test_an_ablation_survives_whatever_strikes_it",
    "python cli.py plan --preset smoke --config mine.yaml": _OWN_CODE,
    "python cli.py submit-ablation --preset smoke --config mine.yaml": _OWN_CODE,
    "python cli.py --home new up --until-done --allow-code 9c1f...": _OWN_CODE,
    "python cli.py gaze path/to/dataset --detector my_detector:MyDetector --score":
        "acceptance/test_own_code.py::test_a_class_is_looked_at_without_the_queue",
    """python cli.py evaluate --policy '{kind: own, class: "my_policy:MyPolicy"}' --sequences 10""":
        "acceptance/test_own_code.py::test_a_class_is_looked_at_without_the_queue",
    "python cli.py upgrade": "workers/test_upgrades.py::test_commands_refuse_continue_and_plan_again",
    "python cli.py upgrade quick": "workers/test_upgrades.py::test_commands_refuse_continue_and_plan_again",
    "python cli.py checkpoint merge base lora merged":
        "models/test_lora.py::test_the_command_that_the_refusal_names_makes_a_checkpoint",
    "python cli.py metrics": "commands/test_metrics.py::test_figures_agree_with_the_rows",
    "python cli.py tensorboard": "commands/test_up.py::test_services_run_beside_the_work_and_end_with_it",
    "python cli.py scheduler": "test_compose.py::test_a_service_becomes_healthy_and_stops_being_so[scheduler]",
    "python cli.py worker --resources cpu":
        "test_compose.py::test_a_service_becomes_healthy_and_stops_being_so[worker-cpu]",
    "CUDA_VISIBLE_DEVICES=1 BATON_DEVICE=cuda:0 python cli.py worker --resources accelerator":
        "test_compose.py::test_a_service_becomes_healthy_and_stops_being_so[worker-gpu0]",
    "sbatch scripts/slurm/baton.sbatch":
        "scripts/test_slurm.py::test_at_the_time_limit_unfinished_work_is_requeued",
    "sbatch --nodes=2 --gres=gpu:4 scripts/slurm/baton.sbatch":
        "scripts/test_slurm.py::test_several_nodes_have_a_home_and_an_address_each",
}  # fmt: skip

#: Beginnings of lines that no test can run, and why.
NOT_RUN = {
    "make test": "it is what runs this file",
    "source .venv/bin/activate": "the tests run in an environment already",
    "python -m venv gdino": "made to install into, from the network",
    "gdino/bin/pip install": "installs from the network",
    "pip install": "installs from the network",
    "export ": "sets what the next lines need: other servers, another interpreter",
    "python cli.py data fetch hub:": "asks the Hub; tests/hub and tests/commands fetch from one on this machine",
    "python cli.py submit-ablation --preset smoke --data hub:": "the same",
    "docker compose": "needs Docker; test_compose*.py run each service's command and health check as processes",
}


def documented() -> set[str]:
    """Every line of a console block, without its comment."""
    return {re.sub(r"\s+#\s.*", "", line).strip() for page in PAGES for line in console_lines(page)}


def test_every_command_is_accounted_for() -> None:
    run = [shown.line for story in (FIRST, *STORIES.values()) for shown in story]
    lines = documented()
    excused = {line for line in lines if line.startswith(tuple(NOT_RUN))}
    assert sorted(lines - set(run) - set(ELSEWHERE) - excused) == [], "run them here, or say why not"
    assert sorted({*run, *ELSEWHERE} - lines) == [], "no page has these any more"
    assert len(run) == len(set(run)) and not {*run, *ELSEWHERE} & excused
    for beginning in NOT_RUN:
        assert any(line.startswith(beginning) for line in excused), f"no page has {beginning!r} any more"


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_what_runs_elsewhere_is_part_of_make_test(test: str) -> None:
    """And no trial, nor a case that is one."""
    file, _, name = test.partition("::")
    function, _, case = name.removesuffix("]").partition("[")
    module = import_module(f"tests.{file.removesuffix('.py').replace('/', '.')}")
    marks = [*_marks(module), *_marks(getattr(module, function))]
    assert "trial" not in {mark.name for mark in marks}
    cases = [given for mark in marks if mark.name == "parametrize" for given in mark.args[1]]
    trials = {
        given.values[0] for given in cases if "trial" in {mark.name for mark in getattr(given, "marks", ())}
    }
    assert case not in trials and (case or not trials), "only a trial runs it"
    assert not case or case in {getattr(given, "values", [given])[0] for given in cases}


def _marks(marked: Any) -> list[pytest.Mark]:
    found = getattr(marked, "pytestmark", [])
    return [getattr(mark, "mark", mark) for mark in (found if isinstance(found, list) else [found])]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which `FIRST` was run, with what the other lines name beside it."""
    transformers.utils.logging.get_verbosity()  # it logs for good to the standard error that it sees first
    place = tmp_path_factory.mktemp("place")
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    }
    (place / "path" / "to").mkdir(parents=True)
    for name in ("calvin_debug_dataset", "dataset", "task_ABC_D"):
        (place / "path" / "to" / name).symlink_to(place / "my-data")
    for name in ("kaggle/working", "kaggle/input", "drive/MyDrive"):
        (place / name).mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for shown in FIRST:
            run(shown, place)
    yield place
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(shown: Shown, place: Path) -> None:
    """Run a line in this process. Fails unless it ends and prints as it should."""
    line = shown.line.replace(_CHECKPOINT, _digest(place) if _CHECKPOINT in shown.line else "")
    for written, here in (
        ("/kaggle/", "kaggle/"),
        ("/content/", ""),
        ("/tmp/home", "session"),
        ("<name>", "last"),
    ):
        line = line.replace(written, here)
    words = shlex.split(f"{line.removeprefix('python cli.py ')} {shown.more}")
    with (place / "said").open("w+") as said, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cli.py", *words])
        patch.setattr(sys, "stdout", said)
        patch.setattr(sys, "stderr", said)
        code = cli.main(words)
        said.seek(0)
        text = said.read()
    assert code in shown.codes, f"{shown.line}\nexit code {code}\n{text}"
    assert re.search(shown.says, text), f"{shown.line}\nprinted\n{text}\nand not {shown.says!r}"


def _digest(place: Path) -> str:
    """The weights that the small ablation ended with."""
    database = open_state(Home(place / "baton-home"))
    digests = [
        entry.sha256
        for entry in queries.artifacts(database, "checkpoint")
        if entry.final and entry.path.endswith(".safetensors")
    ]
    database.close()
    assert digests
    return str(digests[0])[:8]


@pytest.mark.parametrize("story", STORIES)
def test_it_runs_as_written(story: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    prepare(story, place)
    for shown in STORIES[story]:
        if "bundle export one.bundle" in shown.line:
            (place / "one.bundle").unlink(missing_ok=True)
        run(shown, place)
        if shown.line.endswith("/kaggle/working/reconvla.baton"):
            for file in ("reconvla.baton", "baton.bundle"):  # the next session finds it under its inputs
                (place / "kaggle/input/last").mkdir(exist_ok=True)
                shutil.copy(place / "kaggle/working/reconvla.baton", place / "kaggle/input/last" / file)


def prepare(story: str, place: Path) -> None:
    """What a story needs beside the home. Skips where that is absent."""
    if story in ("bundles", "disk space") and not (place / "old").exists():
        shutil.copytree(place / "baton-home", place / "old", ignore=shutil.ignore_patterns("lock"))
    if story == "plans":
        page = (REPOSITORY / "docs" / "arms.md").read_text(encoding="utf-8")
        (place / "mine.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    if story in ("a LeRobot set", "from one format into another") and not (place / _LEROBOT).exists():
        sets = shared_folder("BATON_LEROBOT_MINI", "lerobot_mini")
        (place / _LEROBOT).symlink_to(sets / "v21_images_relative")
        (place / "path/to/set").symlink_to(sets / "v21_images_relative")
    if story == "gaze regions" and not (place / "path/to/folder").exists():
        write_tiny_model(place / "path/to/folder")
    if story == "in CALVIN's scenes" and not (place / _ASSETS).exists():
        assets = shared_folder("BATON_CALVIN_ASSETS", "calvin_assets")
        (place / _ASSETS).symlink_to(assets)


#: How each shell runs the line and then tells what completes `baton`.
_SHELLS = {
    "bash": ("bash", "-c", "{line}; complete -p baton"),
    "zsh": ("zsh", "-fc", "autoload -Uz compinit; compinit -D -u; {line}; echo $_comps[baton]"),
    "fish": ("fish", "--no-config", "-c", "{line}; complete baton"),
}


@pytest.mark.parametrize("shell", _SHELLS)
def test_completion(shell: str, tmp_path: Path) -> None:
    baton = tmp_path / "baton"
    baton.write_text(f"#!{sys.executable}\nimport sys\nimport cli\nsys.exit(cli.main())\n")
    baton.chmod(0o755)
    (line,) = [line for line in ELSEWHERE if f"{shell}_source" in line]
    words = [word.replace("{line}", line) for word in _SHELLS[shell]]
    if shutil.which(shell) is None:  # what it would be given, then
        words = ["sh", "-c", f"_BATON_COMPLETE={shell}_source baton"]
    asked = subprocess.run(
        words,
        env=environment(PATH=f"{tmp_path}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0 and "_baton_completion" in asked.stdout, asked.stderr


def test_make_runs_what_is_run_here(tmp_path: Path) -> None:
    """`make -n`, as if everything was installed: the command line is one that the stories have run."""
    installed = tmp_path / "venv"
    installed.mkdir()
    for stamp in (".installed-torch", ".installed"):
        (installed / stamp).touch()
    for options in ("", "--preset smoke"):
        asked = subprocess.run(
            ["make", "-n", "--no-print-directory", "ablation", f"VENV={installed}", f"ARGS={options}"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.split() == [
            f"{installed}/bin/python",
            "cli.py",
            "submit-ablation",
            *options.split(),
        ]
