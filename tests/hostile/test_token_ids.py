"""Tokenizers and sizes of strangers' checkpoints: no id reaches a model that has no such word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errors import BatonError
from models.config import ReconVLAConfig
from models.reconvla import ReconVLA
from policies.openvla import OpenVLAPolicy
from policies.registry import ReconVLAFolder, open_policy
from tests.hostile.checkpoints import replaced
from tests.hostile.sentences import sentence
from tests.models.conftest import config as config
from tests.models.conftest import tokenizer as tokenizer
from tests.models.openvla_sample import make_openvla
from tests.policies.test_remote import query


@pytest.fixture(scope="module")
def saved(config: ReconVLAConfig, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    ReconVLA(config, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def act(folder: Path) -> Any:
    return open_policy(ReconVLAFolder(str(folder), batch=1)).act([query()])


def changed(folder: Path, to: Path, file: str, change: Callable[[Any], Any]) -> Path:
    shutil.copytree(folder, to)
    values = json.loads((to / file).read_text())
    (to / file).write_text(json.dumps(change(values)))
    return to


def numbered(change: Callable[[str, int], int]) -> Callable[[Any], Any]:
    def with_numbers(values: Any) -> Any:
        words = {word: change(word, number) for word, number in values["model"]["vocab"].items()}
        added = [entry | {"id": words[entry["content"]]} for entry in values["added_tokens"]]
        return values | {"model": values["model"] | {"vocab": words}, "added_tokens": added}

    return with_numbers


UNKNOWN = "<|unknown|>"
TOKENIZERS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "ids that no model has": ("tokenizer.json", numbered(lambda _, n: n + 1000), "gives the id 1"),
    "ids at the edge": ("tokenizer.json", numbered(lambda _, n: n + 2**31), "gives the id 2147"),
    "one id for what is unknown": (
        "tokenizer.json",
        numbered(lambda word, n: 10**6 if word == UNKNOWN else n),
        "gives the id 1000000, and the model has",
    ),
    "no word for what is unknown": (
        "tokenizer.json",
        lambda values: replaced(values, "model.unk_token", "nowhere"),
        "cannot split",
    ),
    "words of its own": (
        "tokenizer_config.json",
        lambda values: values | {"unk_token": "zzz", "extra_special_tokens": {"a_token": "the"}},
        "words, and the model",
    ),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_an_id_that_no_word_of_the_model_has_is_refused(case: str, saved: Path, tmp_path: Path) -> None:
    file, change, says = TOKENIZERS[case]
    folder = changed(saved, tmp_path / "strange", file, change)
    with pytest.raises(BatonError) as refused:
        act(folder)
    assert refused.value.exit_code == 2 and says in sentence(refused, folder)


def test_a_sound_checkpoint_acts(saved: Path) -> None:
    (chunk,) = act(saved)
    assert chunk.shape == (5, 7)


OPENVLAS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "ids that no model has": (
        "tokenizer.json",
        numbered(lambda word, n: n + 40_000 * (n > 2)),
        "gives the id 4",
    ),
    "nothing at the beginning": (
        "tokenizer_config.json",
        lambda values: values | {"bos_token": None, "add_bos_token": False},
        "gives the id None",
    ),
}


@pytest.mark.parametrize("case", OPENVLAS)
def test_an_id_that_no_word_of_an_openvla_has_is_refused(case: str, tmp_path: Path) -> None:
    make_openvla(tmp_path / "sound")
    file, change, says = OPENVLAS[case]
    folder = changed(tmp_path / "sound", tmp_path / "strange", file, change)
    with pytest.raises(BatonError) as refused:
        OpenVLAPolicy(folder).act([query()])
    assert says in sentence(refused, folder)


INF, NAN = float("inf"), float("nan")
NOT_FINITE = ["language.rope_theta", "language.initializer_range", "latents.scale", "latents.shift",
              "denoiser.loss_weight"]  # fmt: skip


@pytest.mark.parametrize("field", NOT_FINITE)
@pytest.mark.parametrize("value", [INF, NAN])
def test_a_number_that_is_not_finite_is_refused(
    field: str, value: float, saved: Path, tmp_path: Path
) -> None:
    folder = changed(saved, tmp_path / "strange", "config.json", lambda v: replaced(v, field, value))
    with pytest.raises(BatonError) as refused:
        act(folder)
    assert f" {field}: " in sentence(refused, folder / "config.json")


@pytest.mark.parametrize(("field", "value"), [("action_dims", 1), ("action_dims", 8), ("state_dims", 3)])
def test_an_action_or_state_of_another_robot_is_refused(
    field: str, value: int, saved: Path, tmp_path: Path
) -> None:
    folder = changed(saved, tmp_path / "strange", "config.json", lambda v: v | {field: value})
    with pytest.raises(BatonError) as refused:
        act(folder)
    assert f" {field}: must be " in sentence(refused, folder / "config.json")


def test_a_vocabulary_without_actions_is_refused_by_its_folder(saved: Path, tmp_path: Path) -> None:
    def without(values: Any) -> Any:
        words = {word: n for word, n in values["model"]["vocab"].items() if "action" not in word}
        return replaced(values, "model.vocab", words)

    folder = changed(saved, tmp_path / "strange", "tokenizer.json", without)
    with pytest.raises(BatonError) as refused:
        act(folder)
    assert "action_vocab_size" in sentence(refused, folder)
