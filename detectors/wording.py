"""What an English instruction about CALVIN's table means: the thing acted on and where it goes.

Five rules; they are tested on all of CALVIN's 389 training and 34 validation phrases.

1. More than half of the words must be known, or nothing is understood: other languages and other worlds give
   no guess from a stray noun.
2. A colour belongs to the noun right behind it, with at most describing words between them.
3. The block acted on is the first one named that does not follow *on, onto, upon, beside, under* or
   *next to*. "Object", "pile" and "tower" are blocks too, and "it" where nothing else is put somewhere.
4. A block has a destination where a drawer or cabinet is named together with a verb of putting (*place, put,
   store, ...*) or *into*; or another block, where things are stacked, or put *on* or *upon* it. A verb of
   taking (*lift, take, remove, ...*) leaves it without one: there the place is where it was.
5. Without a block, and with no verb of putting, the first fixture named is acted on. Lights stand for what
   switches them: green and LED for the button, others for the switch. In "cabinet drawer" the last noun counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COLOURS = ("red", "blue", "pink")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PUT = _words("place put store drop leave deposit insert balance pile stack")
_STACK = _words("stack pile balance")
_TAKE = _words("take grasp lift pick remove unstack collapse raise fetch grab")
_ACT = _words(
    "rotate turn spin twist push slide sweep move shove nudge pull open close toggle press use drag shift draw "
    "bring send make let switch go falls drops shine glow fade"
)
_BLOCK = _words("block blocks cube cubes object tower pile")
_FIXTURES = {
    "led": _words("led button knob"),
    "bulb": _words("bulb switch lever"),
    "drawer": _words("drawer"),
    "slider": _words("slider cabinet cupboard shelf door panel"),
}
_LIGHT = _words("light lamp signal")
_DESCRIBING = _words("small big large little wooden grasped stacked top upper lower")
_OTHERS = _words(
    "it the a an to of and then that is in into inside on onto upon from behind under beside off out up down by "
    "with at over until right left clockwise counterclockwise degrees quarter towards upwards downwards "
    "rightwards leftwards side end back way other another each one two second lying handle grip sliding green "
    "yellow table tabletop floor dark apart free stop coming shining come you"
)
_KNOWN = frozenset().union(
    _PUT, _TAKE, _ACT, _BLOCK, _LIGHT, _DESCRIBING, _OTHERS, COLOURS, *_FIXTURES.values()
)

_PLACE = r"\b(?:on|onto|upon|beside|under|next to|on top of|top of) (?:(?:the|a|an|another|each) )?"
_BLOCK_NAMED = re.compile(
    rf"(?P<where>{_PLACE})?(?:\b(?P<colour>{'|'.join(COLOURS)}) )?"
    rf"(?:(?:{'|'.join(sorted(_DESCRIBING))}) )*\b(?:{'|'.join(sorted(_BLOCK))})\b"
)
_ON_SOMETHING = re.compile(r"\b(?:on top of|onto|upon|on (?:the|a|another|each))\b")


@dataclass(frozen=True)
class Meaning:
    """`thing` and `destination` are block, drawer, slider, bulb or led; a colour is None where not named."""

    thing: str
    colour: str | None = None
    destination: str | None = None
    destination_colour: str | None = None


def understand(instruction: str) -> Meaning | None:
    """The meaning of an instruction in English; None when it is not understood."""
    words = re.findall(r"[^\W\d_]+", instruction.lower())
    if 2 * sum(word in _KNOWN for word in words) <= len(words):
        return None
    fixture = _fixture(words)
    container = fixture if fixture in ("drawer", "slider") else None
    is_put = _has(words, _PUT) or "into" in words
    blocks = list(_BLOCK_NAMED.finditer(" ".join(words)))
    things = [match for match in blocks if match["where"] is None]
    if not things:
        if is_put and container:
            return Meaning("block", destination=container)
        return Meaning(fixture) if fixture and not blocks else None
    colour = next((match["colour"] for match in things if match["colour"]), None)
    if _has(words, _TAKE) and not is_put:
        return Meaning("block", colour)
    if is_put and container:
        return Meaning("block", colour, container)
    if _is_stacked(words):
        below = next((match["colour"] for match in blocks if match["where"] and match["colour"]), None)
        return Meaning("block", colour, "block", below)
    return Meaning("block", colour)


def _fixture(words: list[str]) -> str | None:
    """The first fixture named: led, bulb, drawer or slider."""
    named = [_fixture_at(words, place) for place in range(len(words))]
    for fixture, following in zip(named, [*named[1:], None], strict=True):
        if fixture and not following:
            return fixture
    return None


def _fixture_at(words: list[str], place: int) -> str | None:
    word = words[place]
    if word in _LIGHT:
        return "bulb" if {"green", "led"}.isdisjoint(words[:place]) else "led"
    if word == "switch" and place == 0:
        return None  # "switch on the lamp" begins with a verb
    return next((fixture for fixture, names in _FIXTURES.items() if word in names), None)


def _is_stacked(words: list[str]) -> bool:
    if words[0] in _STACK:
        return True
    return _has(words, _PUT) and _ON_SOMETHING.search(" ".join(words)) is not None


def _has(words: list[str], wanted: frozenset[str]) -> bool:
    return not set(words).isdisjoint(wanted)
