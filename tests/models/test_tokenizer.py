"""The toy's tokenizer, and loading from a folder."""

from pathlib import Path

import pytest

from errors import InvalidInput, WeightsMissing
from models.prompt import BEFORE_ANSWER, BEFORE_INSTRUCTION
from models.tokenizer import build_word_tokenizer, load_tokenizer, pad_id, save_tokenizer
from tests.models.conftest import INSTRUCTIONS


def test_same_words_same_ids_whatever_the_order() -> None:
    again = build_word_tokenizer([*reversed(INSTRUCTIONS), "Open THE Drawer"])
    assert again.get_vocab() == build_word_tokenizer(INSTRUCTIONS).get_vocab()


def test_fixed_segments_are_one_token_each(tokenizer) -> None:
    ids = tokenizer(f"{BEFORE_INSTRUCTION}open the drawer\n", add_special_tokens=False)["input_ids"]
    assert len(ids) == 5
    assert len(tokenizer(BEFORE_ANSWER, add_special_tokens=False)["input_ids"]) == 1


def test_action_tokens_are_the_last_ids(tokenizer) -> None:
    assert tokenizer.vocab_size == len(tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer) - 257, len(tokenizer)))
    assert not tokens[0].startswith("<|action")
    assert all(token.startswith("<|action") for token in tokens[1:])


def test_action_tokens_survive_a_round_trip_through_text(tokenizer) -> None:
    ids = list(range(len(tokenizer) - 256, len(tokenizer)))
    assert tokenizer(tokenizer.decode(ids), add_special_tokens=False)["input_ids"] == ids


def test_unseen_words_are_unknown(tokenizer) -> None:
    ids = tokenizer("open the window", add_special_tokens=False)["input_ids"]
    assert [token == tokenizer.unk_token_id for token in ids] == [False, False, True]


def test_saved_and_loaded(tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path / "a")
    loaded = load_tokenizer(tmp_path / "a")
    text = f"{BEFORE_INSTRUCTION}push the red block left\n"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.vocab_size == tokenizer.vocab_size
    assert pad_id(loaded) == pad_id(tokenizer) == 0


def test_saving_is_repeatable(tokenizer, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_tokenizer(build_word_tokenizer(INSTRUCTIONS), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "tokenizer.json" in files
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_to_build_or_load(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no vocabulary"):
        build_word_tokenizer(["", " "])
    with pytest.raises(WeightsMissing, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
