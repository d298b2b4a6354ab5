"""Tokenizers of strangers: one that its library cannot use is one sentence that names the folder, whenever it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from detectors.grounding_dino import model
from errors import CheckpointError
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.prompt import PromptBuilder
from models.token_ids import token_ids, token_text
from models.tokenizer import load_tokenizer
from tests.hostile.sentences import Panic, sentence
from tests.models.conftest import tokenizer as tokenizer


def panicking(*_: Any, **__: Any) -> Any:
    raise Panic("no entry\x1b[2J found\nfor key")


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    tokenizer.save_pretrained(tmp_path / "words")
    return tmp_path / "words"


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    values = json.loads((folder / "tokenizer.json").read_text())
    change(values)
    (folder / "tokenizer.json").write_text(json.dumps(values))
    return folder


def test_a_library_that_gives_up_while_it_loads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PreTrainedTokenizerFast, "from_pretrained", panicking)
    with pytest.raises(CheckpointError, match="cannot be loaded: no entry") as refused:
        load_tokenizer(folder)
    sentence(refused, folder)


def test_a_library_that_gives_up_over_a_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_tokenizer(folder)
    prompts = PromptBuilder(loaded, ActionTokenizer(len(loaded)), OFFICIAL_STATE_STATISTICS)
    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", panicking)
    monkeypatch.setattr(PreTrainedTokenizerFast, "decode", panicking)
    for use in (
        lambda: prompts.prompt("open the drawer", [0.0] * 15),
        lambda: token_ids(loaded, "x" * 5000),
        lambda: token_text(loaded, range(5000)),
    ):
        with pytest.raises(CheckpointError, match="no entry") as refused:
            use()
        sentence(refused, folder)
    with pytest.raises(CheckpointError, match="no entry") as refused:
        model._ids(loaded, "block", "vocab.txt")
    sentence(refused, "vocab.txt")


def test_what_ends_a_process_is_no_fault_of_a_tokenizer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(PreTrainedTokenizerFast, "from_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_tokenizer(folder)


def test_a_word_that_stands_for_all_others_and_is_none(folder: Path) -> None:
    loaded = load_tokenizer(changed(folder, lambda values: values["model"].update(unk_token="nothing")))
    with pytest.raises(CheckpointError, match="cannot split 'open the window'") as refused:
        token_ids(loaded, "open the window")
    sentence(refused, folder)


def test_a_length_that_is_no_number(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": "x"}))
    with pytest.raises(CheckpointError, match="cannot split 'open'") as refused:
        token_ids(load_tokenizer(folder), "open")
    sentence(refused, folder)


def test_a_text_of_which_nothing_is_left(folder: Path) -> None:
    nothing = {"type": "Replace", "pattern": {"Regex": "."}, "content": ""}
    loaded = load_tokenizer(changed(folder, lambda values: values.update(normalizer=nothing)))
    with pytest.raises(CheckpointError, match="makes no token of ':'") as refused:
        PromptBuilder(loaded, ActionTokenizer(len(loaded)), OFFICIAL_STATE_STATISTICS)
    sentence(refused, folder)
