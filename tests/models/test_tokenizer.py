"""The toy's tokenizer, and loading from a folder."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.prompt import BEFORE_ANSWER, BEFORE_INSTRUCTION, PromptBuilder
from models.tokenizer import build_word_tokenizer, load_tokenizer, pad_id
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
    tokenizer.save_pretrained(tmp_path / "a")
    loaded = load_tokenizer(tmp_path / "a")
    text = f"{BEFORE_INSTRUCTION}push the red block left\n"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.vocab_size == tokenizer.vocab_size
    assert pad_id(loaded) == pad_id(tokenizer) == 0


def test_nothing_to_build_or_load(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no vocabulary"):
        build_word_tokenizer(["", " "])
    with pytest.raises(WeightsMissing, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


@pytest.fixture
def adapted(tmp_path: Path) -> Path:
    """A byte-level tokenizer that its folder made lower-case, under the name of Qwen2's class."""
    made = Tokenizer(BPE())
    made.normalizer = Lowercase()
    made.pre_tokenizer = Sequence([Split("|", "removed"), ByteLevel(add_prefix_space=False)])
    made.train_from_iterator(
        ["open the drawer"] * 5, BpeTrainer(vocab_size=280, initial_alphabet=ByteLevel.alphabet())
    )
    made.add_special_tokens([AddedToken("<|endoftext|>"), AddedToken("<|im_end|>")])
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>"})
    )
    return tmp_path


@pytest.mark.parametrize("kind", ["Qwen2Tokenizer", "Qwen2TokenizerFast", "LlamaTokenizer", None])
def test_an_adapted_tokenizer_is_taken_as_it_stands(adapted: Path, kind: str | None) -> None:
    (adapted / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind} if kind else {}))
    (adapted / "config.json").write_text('{"model_type": "qwen2"}')
    loaded, itself = load_tokenizer(adapted), Tokenizer.from_file(str(adapted / "tokenizer.json"))
    for text in ("Open THE drawer", "open|the  drawer\n<|im_end|>"):
        assert loaded(text, add_special_tokens=False)["input_ids"] == itself.encode(text).ids
    assert loaded("Open THE drawer")["input_ids"] == loaded("open the drawer")["input_ids"]


def test_two_vocabularies_that_disagree(adapted: Path) -> None:
    words = json.loads((adapted / "tokenizer.json").read_text())["model"]["vocab"]
    (adapted / "vocab.json").write_text(json.dumps(words))
    load_tokenizer(adapted)
    (adapted / "vocab.json").write_text(json.dumps(words | {"a": words["b"], "b": words["a"]}))
    with pytest.raises(
        CheckpointError, match=r"vocab\.json gives '[ab]' the id \d+, .*tokenizer\.json gives it"
    ):
        load_tokenizer(adapted)


def test_added_tokens_that_disagree(adapted: Path) -> None:
    about = json.loads((adapted / "tokenizer.json").read_text())
    number = next(token["id"] for token in about["added_tokens"] if token["content"] == "<|im_end|>")
    (adapted / "added_tokens.json").write_text(json.dumps({"<|im_end|>": number}))
    load_tokenizer(adapted)
    (adapted / "added_tokens.json").write_text(json.dumps({"<|im_end|>": number + 5}))
    with pytest.raises(CheckpointError, match=r"added_tokens\.json gives '<\|im_end\|>' the id"):
        load_tokenizer(adapted)
    (adapted / "added_tokens.json").unlink()
    config = json.loads((adapted / "tokenizer_config.json").read_text())
    for key, fits in ((str(number), True), (str(number + 7), False)):
        added = {key: {"content": "<|im_end|>", "special": True}}
        (adapted / "tokenizer_config.json").write_text(json.dumps(config | {"added_tokens_decoder": added}))
        if fits:
            load_tokenizer(adapted)
            continue
        with pytest.raises(CheckpointError, match=r"tokenizer_config\.json gives '<\|im_end\|>' the id"):
            load_tokenizer(adapted)


def test_merges_that_disagree(adapted: Path) -> None:
    merges = json.loads((adapted / "tokenizer.json").read_text())["model"]["merges"]
    lines = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    (adapted / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")
    load_tokenizer(adapted)
    for other in (lines[::-1], lines[:-1], [*lines, "q z"]):
        (adapted / "merges.txt").write_text("\n".join(["#version: 0.2", *other]) + "\n")
        with pytest.raises(CheckpointError, match=r"merges\.txt has .* as merge \d+, .*tokenizer\.json has"):
            load_tokenizer(adapted)


def test_a_tokenizer_that_splits_texts_by_chance(adapted: Path) -> None:
    values = json.loads((adapted / "tokenizer.json").read_text())
    values["model"]["dropout"] = 0.1
    (adapted / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: model\.dropout is 0\.1"):
        load_tokenizer(adapted)


def test_a_tokenizer_that_adds_tokens_to_every_text(adapted: Path) -> None:
    values = json.loads((adapted / "tokenizer.json").read_text())
    values["post_processor"] = {
        "type": "TemplateProcessing", "pair": [], "special_tokens": {"<|endoftext|>": {
            "id": "<|endoftext|>", "ids": [1], "tokens": ["<|endoftext|>"]}},
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    }  # fmt: skip
    (adapted / "tokenizer.json").write_text(json.dumps(values))
    tokenizer = load_tokenizer(adapted)
    assert len(tokenizer("a")["input_ids"]) == 2
    with pytest.raises(InvalidInput, match="adds 1 token to every text"):
        PromptBuilder(tokenizer, ActionTokenizer(len(tokenizer)), OFFICIAL_STATE_STATISTICS)


def test_a_damaged_tokenizer(adapted: Path) -> None:
    (adapted / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"the tokenizer in .* cannot be loaded"):
        load_tokenizer(adapted)
