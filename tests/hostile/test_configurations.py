"""Configurations of strangers: each is refused with one sentence that names its file, and nothing is made or changed.

Inputs are small and harmless, and lie above limits that are lowered for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cli
from errors import ConfigError, InvalidInput
from experiments.reconvla.count_jobs import MOST_JOBS, check_jobs, jobs_by_entry
from experiments.reconvla.named_config import load_config, preset_names
from experiments.reconvla.planner import Planner
from settings.document_limits import LIMITS, Limits
from settings.documents import parse_json, parse_yaml
from settings.shown import as_file_name

LOW = Limits(characters=400, values=40, levels=5, digits=12)
LONGEST_SENTENCE = 600


def sentence(refused: pytest.ExceptionInfo[BaseException], place: str) -> str:
    text = str(refused.value)
    assert text.startswith(place), text
    assert "\n" not in text and len(text) < LONGEST_SENTENCE and text.isprintable()
    return text


def laughs(rounds: int) -> str:
    """Each line names the one before it three times."""
    lines = ["a0: &a0 [1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 3)}]" for n in range(1, rounds)]
    return "\n".join(lines)


def merges(rounds: int) -> str:
    lines = ["a0: &a0 {x: 1, y: 2, z: 3}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 3)}]}}" for n in range(1, rounds)]
    return "\n".join(lines)


YAML = {
    "long": ("a: " + "x" * 400, "characters"),
    "many": ("[" + "1, " * 41 + "1]", "more than 40 values"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(30)), "more than 40 values"),
    "laughs": (laughs(4), "more than 40 values"),
    "merges": (merges(4), "more than 40 values"),
    "alias as a key": ("a: &a [1, 2]\n? *a\n: 1", "unhashable"),
    "levels of lists": ("[" * 6 + "]" * 6, "more than 5 levels"),
    "levels of mappings": ("{a: " * 6 + "1" + "}" * 6, "more than 5 levels"),
    "levels of blocks": ("- " * 6 + "1", "more than 5 levels"),
    "levels of keys": ("? " * 6 + "1", "more than 5 levels"),
    "levels that are not closed": ("[" * 350, "more than 5 levels"),
    "levels by aliases": ("a: &a [[1]]\nb: &b [[*a]]\nc: [*b]", "more than 5 levels"),
    "a list that holds itself": ("a: &a [1, *a]", "holds itself"),
    "a mapping that holds itself": ("a: &a {b: *a}", "holds itself"),
    "a mapping merged with itself": ("a: &a {<<: *a}", "holds itself"),
    "digits": ("a: " + "1" * 13, "13 characters"),
    "digits of a fraction": ("a: 0." + "1" * 13, "15 characters"),
    "digits of an exponent": ("a: 1e" + "1" * 13, "15 characters"),
    "digits of base 16": ("a: 0x" + "f" * 13, "15 characters"),
    "digits of base 60": ("a: 1" + ":10" * 6, "19 characters"),
    "digits of a key": ("1" * 13 + ": a", "13 characters"),
    "a number by its tag": ("a: !!int '" + "1" * 13 + "'", "13 characters"),
    "no number": ("a: !!int x", "not YAML"),
    "an empty number": ("a: !!int ''", "not YAML"),
    "no truth": ("a: !!bool maybe", "not YAML"),
    "no time": ("a: !!timestamp soon", "not YAML"),
    "no bytes": ("a: !!binary é", "not YAML"),
    "a set": ("a: !!set {b, c}", "constructor"),
    "bytes for a text": ("a: !!binary aGVsbG8=", "constructor"),
    "pairs": ("a: !!pairs [b: 1]", "constructor"),
    "an ordered mapping": ("a: !!omap [b: 1]", "constructor"),
    "a date by its tag": ("a: !!timestamp 2020-01-01", "constructor"),
    "a foreign tag": ("a: !!python/object/apply:os.getcwd []", "constructor"),
    "a long tag": ("a: !" + "x" * 300 + " 1", "constructor"),
    "a long anchor": ("a: *" + "x" * 300, "alias"),
    "a long key twice": (("x" * 150 + ": 1\n") * 2, "given twice"),
    "a control character": ("a: \x07", "not YAML"),
}


@pytest.mark.parametrize("case", YAML)
@pytest.mark.parametrize("is_ours", [True, False])
def test_yaml_above_a_limit_is_one_sentence(case: str, is_ours: bool) -> None:
    text, says = YAML[case]
    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "some.yaml", is_ours=is_ours, limits=LOW)
    assert says in sentence(refused, "some.yaml")


JSON = {
    "levels of lists": ("[" * 6 + "]" * 6, "more than 5 levels"),
    "levels of objects": ('{"a": ' * 6 + "1" + "}" * 6, "more than 5 levels"),
    "levels of both": ('[{"a": ' * 3 + "1" + "}]" * 3, "more than 5 levels"),
    "levels beyond those of Python": ("[" * 20_000 + "]" * 20_000, "more than 5 levels"),
    "digits": ('{"a": ' + "1" * 13 + "}", "13 characters"),
    "digits below zero": ("[-" + "1" * 13 + "]", "14 characters"),
    "digits of a fraction": ("0." + "1" * 13, "15 characters"),
    "digits of an exponent": ("1e" + "1" * 13, "15 characters"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_above_a_limit_is_one_sentence(case: str) -> None:
    text, says = JSON[case]
    for given in (text, text.encode()):
        with pytest.raises(ValueError) as refused:
            parse_json(given, LOW)
        assert says in sentence(refused, "")


def test_what_lies_below_the_limits_is_read() -> None:
    assert parse_json("[" * 5 + "123456789012" + "]" * 5, LOW) == [[[[[123456789012]]]]]
    assert parse_yaml("[" * 5 + "123456789012" + "]" * 5, "x", limits=LOW) == [[[[[123456789012]]]]]
    assert len(parse_yaml("a: &a [1, 1]\nb: [*a, *a, *a]", "x", limits=LOW)["b"]) == 3
    longest = 10**30  # what tokenizers of the hub say of the length of a text
    assert parse_json(json.dumps({"model_max_length": longest})) == {"model_max_length": longest}
    assert LIMITS.levels < 300, "PyYAML calls itself three times a level, and Python ends at 1000"


#: In a file: what is wrong with a whole configuration.
FILES: dict[str, tuple[str, str]] = {
    "unknown key": ("? " + "x" * 9000 + "\n: 1", "unknown key"),
    "unknown key of a section": ("data: {" + "x" * 900 + ": 1}", "unknown key"),
    "long text": ("seeds: " + "x" * 9000, "seeds"),
    "large list": ("data: {seed: [" + "1, " * 5000 + "1]}", "data.seed"),
    "nested value": ("seeds: " + "[" * 90 + "]" * 90, "seeds"),
    "aliases": ("override: &a [" + "x, " * 90 + "x]\nseeds: [*a, *a, *a]", "seeds"),
    "unknown arm": ("arms: [" + "x" * 9000 + "]", "unknown arm"),
    "arms twice": ("arms: [" + "recon, " * 3000 + "recon]", "twice"),
    "other keys": ("1: 2", "1"),
    "no mapping": ("- 1", "mapping"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_used_is_one_sentence(case: str, tmp_path: Path) -> None:
    text, says = FILES[case]
    file = tmp_path / "strange.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        load_config(None, file)
    assert says in sentence(refused, str(file))


def test_an_override_is_shown_in_part() -> None:
    for given in ("x" * 9000, "data.seed=" + "x" * 9000, "name=" + "[" * 150, ".".join(["a"] * 9000) + "=1"):
        with pytest.raises(ConfigError) as refused:
            load_config("smoke", None, (given,))
        sentence(refused, "--set")
    with pytest.raises(ConfigError) as refused:
        load_config("smoke", None, ("seeds=[1]", f"seeds={list(range(5000))}"))
    sentence(refused, "--set")


NAMES = {
    "long": ("x" * 101, "100 characters"),
    "empty": ("", "100 characters"),
    "a control character": ("a\x1b[31mb", "printed"),
    "two lines": ("a\nb", "printed"),
    "no character": ("a\ud800", "printed"),
    "turned around": ("a\u202eb", "printed"),
    "a path": ("a/b", "folder"),
    "its folder": (".", "folder"),
    "the folder above": ("..", "folder"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_does_for_no_folder_is_refused(case: str, tmp_path: Path) -> None:
    name, says = NAMES[case]
    file = tmp_path / "strange.yaml"
    file.write_text(f"name: {json.dumps(name)}")
    with pytest.raises(ConfigError) as refused:
        load_config(None, file)
    assert says in sentence(refused, f"{file}: name: ")
    with pytest.raises(ConfigError):
        load_config("smoke", name=name)


@pytest.mark.parametrize("name", ["x" * 100, "名" * 100, "a b", "x.y", "-", "…"])
def test_names_that_file_systems_take_are_taken(name: str, tmp_path: Path) -> None:
    assert load_config("smoke", name=name).name == name
    (tmp_path / f"1234567-{as_file_name(name)}").mkdir()


def test_a_report_of_an_ablation_with_a_longer_name_has_a_folder(tmp_path: Path) -> None:
    (tmp_path / f"1234567-{as_file_name('名' * 5000)}").mkdir()


PLACES = ["data.root", "gaze.weights", "gaze.python", "model.backbones.checkpoint", "model.backbones.vision",
          "evaluation.assets", "evaluation.calvin_python", "evaluation.instructions"]  # fmt: skip


@pytest.mark.parametrize("key", PLACES)
@pytest.mark.parametrize(
    ("path", "says"),
    [("x" * 256, "256 bytes"), ("名" * 86, "258 bytes"), ("x/" * 2100, "4200 bytes"), ("a\0b", "printed")],
    ids=["long name", "long name of few characters", "long path", "a zero"],
)
def test_a_path_that_no_file_system_takes_is_refused(key: str, path: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "strange.yaml"
    value: Any = path
    for part in reversed(key.split(".")):
        value = {part: value}
    file.write_text(json.dumps(value))
    with pytest.raises(ConfigError) as refused:
        load_config(None, file)
    assert says in sentence(refused, f"{file}: {key}: ")


NUMBERS = ["seeds=[2147483648]", "training.steps=100000001", "pretraining.steps=1000000000000",
           "training.threads=1025", "evaluation.threads=1025", "training.devices=1025", "training.batch_size=1e10",
           "evaluation.sequences=100001", "evaluation.simulators_per_batch=1025", "evaluation.max_steps=1e10",
           "data.demonstrations_per_task=1e10", "data.seed=1e10", "attention.frames=1e10", "attention.layer=1e10",
           "training.lora={rank: 1e10}", "training.early_stopping={frames: 1e10}"]  # fmt: skip


@pytest.mark.parametrize("override", NUMBERS)
def test_numbers_have_an_upper_bound(override: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("smoke", None, (override,))
    assert "less than or equal to" in sentence(refused, "--set ")


JOBS = {
    "seeds": (f"seeds: {list(range(40))}", 100),
    "data.demonstrations_per_task": ("data: {demonstrations_per_task: 50}", 100),
    "data.validation_demonstrations_per_task": ("data: {validation_demonstrations_per_task: 50}", 100),
    "data.pretraining_demonstrations_per_task": ("data: {pretraining_demonstrations_per_task: 50}", 100),
    "evaluation.sequences": ("evaluation: {sequences: 300, sequences_per_shard: 1}", 100),
}


@pytest.mark.parametrize("entry", JOBS)
def test_more_jobs_than_an_ablation_has_are_refused_by_their_entry(entry: str, tmp_path: Path) -> None:
    text, most = JOBS[entry]
    (file := tmp_path / "strange.yaml").write_text(text)
    config = load_config("smoke", file)
    with pytest.raises(ConfigError) as refused:
        check_jobs(config, most)
    assert "that makes " in sentence(refused, f"{entry}: ") and f"at most {most} " in f"{refused.value} "


@pytest.mark.parametrize("preset", preset_names())
def test_no_preset_comes_near_the_most_jobs(preset: str) -> None:
    assert sum(jobs_by_entry(load_config(preset)).values()) < MOST_JOBS / 10


def test_the_jobs_of_a_plan_are_as_many_as_was_counted() -> None:
    config = load_config("smoke")
    assert len(Planner(config).plan().jobs) == pytest.approx(sum(jobs_by_entry(config).values()), abs=4)


@pytest.mark.parametrize(
    "text",
    [
        "name: " + "x" * 5000,
        "data: {demonstrations_per_task: 1000000}",
        laughs(12),
        "a: " + "[" * 150 + "]" * 150,
    ],
    ids=["name", "jobs", "aliases", "levels"],
)
def test_a_command_refuses_it_before_anything_is_made(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "strange.yaml").write_text(text)
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), "submit-ablation", "--config", str(file), "--detach"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and len(said) < LONGEST_SENTENCE
    assert not home.exists()
