"""Texts to ids and back by a tokenizer of whatever folder: where its library fails, the folder is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from errors import CheckpointError
from settings.panics import panics_told
from settings.shown import cut, shown


def token_ids(tokenizer: Any, text: str, special_tokens: bool = False) -> list[int]:
    """The ids of `text`, one at least. special_tokens: with those that the tokenizer puts around every text.

    Raises CheckpointError naming the tokenizer's folder, and the text.
    """
    with _told(tokenizer, f"cannot split {shown(text)}"):
        ids: list[int] = tokenizer(text, add_special_tokens=special_tokens)["input_ids"]
    if not ids:
        raise CheckpointError(f"{_named(tokenizer)} makes no token of {shown(text)}")
    return ids


def token_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text that these ids stand for. Raises CheckpointError naming the tokenizer's folder."""
    with _told(tokenizer, f"cannot tell what the ids {shown(list(ids))} stand for"):
        text: str = tokenizer.decode(list(ids))
    return text


def check_ids(tokenizer: Any, rows: int) -> None:
    """Raises CheckpointError naming a word whose id has none of the `rows` of a model's embedding."""
    word, number = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if number >= rows:
        raise CheckpointError(
            f"{_named(tokenizer)} gives {shown(word)} the id {number}, its model knows {rows} ids: one of the two is"
            " another model's"
        )


@contextmanager
def _told(tokenizer: Any, fault: str) -> Iterator[None]:
    try:
        with panics_told():
            yield
    except Exception as error:  # tokenizers raises nothing more exact
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{_named(tokenizer)} {fault}: {cut(reason, 300)}") from None


def _named(tokenizer: Any) -> str:
    folder = getattr(tokenizer, "name_or_path", "")
    return f"the tokenizer in {folder}" if folder else "the tokenizer"
