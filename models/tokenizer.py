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

from errors import InvalidInput, WeightsMissing
from models.config import ACTION_BINS
from models.prompt import BEFORE_ANSWER, BEFORE_INSTRUCTION, END_OF_ANSWER

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
    """The tokenizer saved in `folder`; never asks the network. Raises WeightsMissing when there is none."""
    if not (folder / "tokenizer_config.json").is_file():
        raise WeightsMissing(
            f"{folder} holds no tokenizer (tokenizer_config.json); copy the model's folder there"
        )
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def pad_id(tokenizer: Any) -> int:
    """Id that fills up shorter sequences; any id does, as padding is masked."""
    padding = tokenizer.pad_token_id
    return int(tokenizer.convert_tokens_to_ids(END_OF_ANSWER) if padding is None else padding)
