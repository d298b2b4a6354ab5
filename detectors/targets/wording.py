"""What an English instruction about CALVIN's table means: the thing acted on and where it goes.

Five rules; they are tested on all of CALVIN's 389 training and 34 validation phrases.

1. More than half of the words must be known, or nothing is understood: other languages and other worlds give
   no guess from a stray noun. Nor do blocks of a colour that none has.
2. A colour belongs to the noun right behind it, with at most describing words between them. "The blue one" is a
   block too, as are "object", "pile" and "tower".
3. The block acted on is the first one named that follows no word of place (*on, from, off, behind, left of, ...*;
   "take off" is one verb) and is not what others make up ("the tower of blocks"); its colour is what is said of it
   and of no other. It is "it" where nothing else is put somewhere.
4. A block has a destination where there is a verb of putting (*place, put, store, ...*) or *into*: the first drawer
   or cabinet behind the last such word, or else the last before it ("move to the drawer and place the object") unless
   the block goes to the table. One that the block is only put beside, or comes from, is no destination. Or another
   block that it is put *on, upon* or *over*, or where things are stacked. A verb of taking (*lift, take, remove,
   ...*) leaves it without one: there the place is where it was.
5. Without a block, and with no verb of putting, the first fixture named is acted on. Lights stand for what
   switches them: green and LED for the button, others for the switch. In "cabinet drawer" the last noun counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.tasks import BLOCK_COLOURS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PUT = _words("place put store drop leave deposit insert balance pile stack")
_STACK = _words("stack pile balance")
_TAKE = _words("take grasp lift pick remove unstack collapse raise fetch grab")
_ACT = _words(
    "rotate turn spin twist push slide sweep move shove nudge pull open close toggle press use drag shift draw "
    "bring send make let switch go falls drops shine glow fade"
)
_MADE_OF_BLOCKS = _words("tower pile")
_BLOCK = _words("block blocks cube cubes object") | _MADE_OF_BLOCKS
_FIXTURES = {
    "led": _words("led button knob"),
    "bulb": _words("bulb switch lever"),
    "drawer": _words("drawer"),
    "slider": _words("slider cabinet cupboard shelf door panel"),
}
_CONTAINERS = ("drawer", "slider")
_LIGHT = _words("light lamp signal")
_TABLE = _words("table tabletop floor")
_ARTICLES = _words("the a an another other each second")
_DESCRIBING = _words("small big large little wooden grasped stacked top upper lower")
_DESCRIBING_FIXTURES = _words("open closed sliding wooden upper lower").union(*_FIXTURES.values())
_OTHER_COLOURS = _words(
    "green yellow purple orange black white brown grey gray violet cyan magenta turquoise teal beige gold golden "
    "silver lilac crimson scarlet maroon indigo"
)
#: Words of place by what a block has to do with the thing named behind them.
_ON = frozenset({"on", "onto", "upon", "over", "above", "on top of", "top of"})
_ASIDE = frozenset(
    {"beside", "under", "below", "near", "behind", "against", "from", "off", "next to", "out of", "left of"}
    | {"right of", "side of", "front of"}
)
_PLACES = _ON | _ASIDE
#: They belong to a verb right before them: "take off the block".
_PARTICLES = _words("off over")
_OTHERS = _words(
    "it the a an to of and then that is in into inside on onto upon from behind under beside off out up down by "
    "with at over until right left clockwise counterclockwise degrees quarter towards upwards downwards "
    "rightwards leftwards side end back way other another each one two second lying handle grip sliding green "
    "yellow table tabletop floor dark apart free stop coming shining come you near next above below against front"
)
_VERBS = _PUT | _TAKE | _ACT
_KNOWN = _VERBS.union(_BLOCK, _LIGHT, _DESCRIBING, _OTHERS, BLOCK_COLOURS, *_FIXTURES.values())


@dataclass(frozen=True)
class Meaning:
    """`thing` and `destination` are block, drawer, slider, bulb or led; a colour is None where not named."""

    thing: str
    colour: str | None = None
    destination: str | None = None
    destination_colour: str | None = None


@dataclass(frozen=True)
class _Block:
    """A block that is named: what is said of its colour, and the word of place before it."""

    colour: str | None
    where: str | None
    is_whole: bool = False  # a tower, or the blocks that it is made of


def understand(instruction: str) -> Meaning | None:
    """The meaning of an instruction in English; None when it is not understood."""
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", instruction).lower())
    if 2 * sum(word in _KNOWN for word in words) <= len(words):
        return None
    blocks = _blocks(words)
    if any(block.colour in _OTHER_COLOURS for block in blocks):
        return None
    put = _last_put(words)
    container = None if put is None else _container(words, put)
    things = [block for block in blocks if block.where is None]
    below = [block for block in blocks if block.where in _ON]
    if not things:
        if container:
            return Meaning("block", destination=container)
        if put is not None and below:
            return Meaning("block", destination="block", destination_colour=_first_colour(below))
        fixture = _fixture(words)
        return Meaning(fixture) if fixture and not blocks else None
    colour = next((block for block in things if not block.is_whole), things[0]).colour
    if container:
        return Meaning("block", colour, container)
    if put is not None and (below or words[0] in _STACK):
        return Meaning("block", colour, "block", _first_colour(below))
    return Meaning("block", colour)


def _blocks(words: Sequence[str]) -> list[_Block]:
    """The blocks named, in order."""
    found = []
    for place, word in enumerate(words):
        if word not in _BLOCK and word not in ("one", "other"):
            continue
        said = _before(words, place, _DESCRIBING | _OTHER_COLOURS | frozenset(BLOCK_COLOURS))
        start = _before(words, said, _ARTICLES)
        colour = next((one for one in words[said:place] if one not in _DESCRIBING), None)
        is_one = word == "one" and (colour or not {"other", "another"}.isdisjoint(words[start:said]))
        is_other = word == "other" and words[start:place] == ["each"]
        if word in _BLOCK or is_one or is_other:
            where = _word_of_place(words, start)
            is_whole = word in _MADE_OF_BLOCKS or (where is None and words[start - 1 : start] == ["of"])
            found.append(_Block(colour, where, is_whole))
    return found


def _last_put(words: Sequence[str]) -> int | None:
    """Where the last verb of putting or "into" stands; "the stack" is no verb."""
    put = [
        place
        for place, word in enumerate(words)
        if word == "into" or (word in _PUT and words[place - 1 : place] not in (["the"], ["a"]))
    ]
    return put[-1] if put else None


def _container(words: Sequence[str], put: int) -> str | None:
    """The drawer or cabinet that something goes into by the verb at `put`."""
    behind: list[str] = []
    before: list[str] = []
    for place, fixture in _fixtures(words):
        if fixture in _CONTAINERS:
            start = _before(words, _before(words, place, _DESCRIBING_FIXTURES), _ARTICLES)
            where = _word_of_place(words, start)
            if where not in _ASIDE or (fixture, where) == ("slider", "behind"):  # "behind the panel"
                (behind if place > put else before).append(fixture)
    if behind:
        return behind[0]
    return before[-1] if before and _TABLE.isdisjoint(words[put:]) else None


def _before(words: Sequence[str], place: int, skipped: frozenset[str]) -> int:
    """The start of the words of a kind that stand right before a place."""
    while place and words[place - 1] in skipped:
        place -= 1
    return place


def _word_of_place(words: Sequence[str], end: int) -> str | None:
    """The longest word of place that ends right before `end`."""
    for count in (3, 2, 1):
        if end >= count and " ".join(words[end - count : end]) in _PLACES:
            is_particle = words[end - 1] in _PARTICLES and end > 1 and words[end - 2] in _VERBS
            return None if is_particle else " ".join(words[end - count : end])
    return None


def _first_colour(blocks: Sequence[_Block]) -> str | None:
    return next((block.colour for block in blocks if block.colour), None)


def _fixture(words: Sequence[str]) -> str | None:
    """The first fixture named: led, bulb, drawer or slider."""
    return next((fixture for _, fixture in _fixtures(words)), None)


def _fixtures(words: Sequence[str]) -> list[tuple[int, str]]:
    """The fixtures named and where; of nouns in a row the last."""
    green = next((place for place, word in enumerate(words) if word in ("green", "led")), len(words))
    named: list[tuple[int, str]] = []
    for place, word in enumerate(words):
        fixture = next((name for name, names in _FIXTURES.items() if word in names), None)
        if word in _LIGHT:
            fixture = "led" if green < place else "bulb"
        if word == "switch" and place == 0:
            continue  # "switch on the lamp" begins with a verb
        if fixture:
            if named and named[-1][0] == place - 1:
                named.pop()
            named.append((place, fixture))
    return named
