"""What somebody who mistyped a name may have meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from settings.shown import cut, shown


def meant(name: str, known: Collection[str]) -> str:
    """` (did you mean 'recon'?)`, or nothing where no known name is near. It follows the name that is unknown."""
    near = nearest(name, known)
    return "" if near is None else f" (did you mean {shown(near)}?)"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean recon?`, or nothing. It ends a sentence."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean {cut(near)}?"


def listed(known: Collection[str], most: int = 20) -> str:
    """The first of the names, in their order."""
    names = [cut(name) for name in known]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Capitals and blanks at the ends make no other word. Never the word itself, which was looked for already."""
    names = {name.casefold(): name for name in known if name != word}
    near = get_close_matches(word.strip().casefold(), names, n=1)
    return names[near[0]] if near else None
