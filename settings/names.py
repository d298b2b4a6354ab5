"""Names that people give to things and type again: two that look alike are one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

#: Printable to Python, and nothing to see: fillers of Hangul, Khmer and Mongolian, and marks that choose how the letter
#: before them is drawn.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def tidy(text: str) -> str:
    """A name as it is kept: in Unicode's NFC, without blanks at its ends, and with no two in a row.

    The letters themselves stay; what is no name stays none.
    """
    return re.sub(" {2,}", " ", unicodedata.normalize("NFC", text).strip(" "))


def look(text: str) -> str:
    """Equal for names that nobody can tell apart by eye (NFKC, and without what is not seen)."""
    return tidy(unicodedata.normalize("NFKC", _UNSEEN.sub("", text)))


def found(name: str, known: Iterable[str]) -> str:
    """The one of `known` that is meant: this very name, or the only one that looks like it; else `name` itself."""
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    alike = [one for one in names if look(one) == look(name)]
    return alike[0] if len(alike) == 1 else name


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two that differ and look alike."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(look(name), name)) != name:
            return other, name
    return None
