"""Tokenizers: for the toy a word-level one grown from instructions, for the rest a pretrained one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.config import ACTION_BINS
from models.json_files import read_json
from models.prompt import BEFORE_ANSWER, BEFORE_INSTRUCTION, END_OF_ANSWER

_CONFIG, _WHOLE = "tokenizer_config.json", "tokenizer.json"
PAD, UNKNOWN, NEWLINE = "<|pad|>", "<|unknown|>", "\n"
#: Segments that every prompt shares cost the toy one token each, where Qwen2 spends about thirty.
_FIXED = (PAD, UNKNOWN, END_OF_ANSWER, NEWLINE, BEFORE_INSTRUCTION, BEFORE_ANSWER)


def build_word_tokenizer(instructions: Iterable[str]) -> PreTrainedTokenizerFast:
    """One id per word of `instructions` (sorted, lower case); the last 256 ids are the action tokens.

    Words never seen become UNKNOWN. Raises InvalidInput when there are no words.
    """
    words = sorted({word for text in instructions for word in text.lower().split()})
    if not words:
        raise InvalidInput("no instruction holds a word, so there is no vocabulary to build")
    actions = [f"<|action_{index}|>" for index in range(ACTION_BINS)]
    vocabulary = {token: index for index, token in enumerate([*_FIXED, *words, *actions])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in _FIXED])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END_OF_ANSWER
    )


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's JSON files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(str(folder))


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer saved in `folder`; never asks the network.

    A `tokenizer.json` is taken as it stands, whatever class `tokenizer_config.json` names: transformers 5 builds some
    classes (Qwen2's, Llama's, BERT's) anew from the vocabulary in it and leaves its normaliser and its way to split
    texts, which the folder may have adapted. Raises WeightsMissing when there is none, CheckpointError for files that
    cannot be read, contradict each other, or put tokens around every text.
    """
    if not (folder / _CONFIG).is_file():
        raise WeightsMissing(f"{folder} holds no tokenizer ({_CONFIG}); copy the model's folder there")
    as_it_stands = (folder / _WHOLE).is_file()
    try:
        kind: Any = PreTrainedTokenizerFast if as_it_stands else AutoTokenizer
        tokenizer = kind.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # tokenizers raises nothing more exact
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"the tokenizer in {folder} cannot be loaded: {reason}") from None
    if as_it_stands:
        _check_same_words(folder, tokenizer)
    return tokenizer


def _check_same_words(folder: Path, tokenizer: Any) -> None:
    """`vocab.json`, which the official servers' slow tokenizer reads, must number words as `tokenizer.json` does."""
    file = folder / "vocab.json"
    if not file.is_file():
        return
    numbers = tokenizer.get_vocab()
    for word, number in read_json(file).items():
        if numbers.get(word) != number:
            raise CheckpointError(
                f"{file} gives {word!r} the id {number!r}, {folder / _WHOLE} gives it {numbers.get(word)!r}: one of the"
                " two is another model's"
            )


def pad_id(tokenizer: Any) -> int:
    """Id that fills up shorter sequences; any id does, as padding is masked."""
    padding = tokenizer.pad_token_id
    return int(tokenizer.convert_tokens_to_ids(END_OF_ANSWER) if padding is None else padding)
