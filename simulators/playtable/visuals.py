"""Colours of a world's links, and which of them the renderer skips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set

from simulators.playtable.client import Client

#: (body uid, link), the base being link -1.
Part = tuple[int, int]
Colour = tuple[float, ...]


class Visuals:
    """PyBullet's renderers skip what has alpha 0; a part comes back by getting its colours again.

    client: whose shapes these are; None where something else draws.
    """

    def __init__(self, client: Client | None) -> None:
        self._client = client
        self._colours: dict[Part, tuple[Colour, ...]] = {}
        self._hidden: frozenset[Part] = frozenset()

    def begin(self, colours: Mapping[Part, tuple[Colour, ...]]) -> None:
        """The world was just loaded: everything is shown in these colours, one a visual shape."""
        self._colours = dict(colours)
        self._hidden = frozenset()

    @property
    def parts(self) -> frozenset[Part]:
        """Everything that can be drawn."""
        return frozenset(self._colours)

    @property
    def colours(self) -> Mapping[Part, tuple[Colour, ...]]:
        """What each part is painted with, hidden or not."""
        return self._colours

    def paint(self, part: Part, rgba: Colour) -> None:
        """Give all shapes of `part` a colour; a hidden part stays hidden."""
        self._colours[part] = (rgba,) * len(self._colours[part])
        if self._client is not None and part not in self._hidden:
            self._client.changeVisualShape(*part, rgbaColor=rgba)

    def hide(self, parts: Set[Part]) -> None:
        """Skip `parts` from now on, and nothing else."""
        if self._client is not None:
            self._change(self._client, parts)
        self._hidden = frozenset(parts)

    def _change(self, client: Client, parts: Set[Part]) -> None:
        for part in self._hidden - parts:
            colours = self._colours[part]
            if len(set(colours)) == 1:
                client.changeVisualShape(*part, rgbaColor=colours[0])
                continue
            for shape, rgba in enumerate(colours):
                client.changeVisualShape(*part, shapeIndex=shape, rgbaColor=rgba)
        for part in parts - self._hidden:
            client.changeVisualShape(*part, rgbaColor=(1.0, 1.0, 1.0, 0.0))


def read_colours(client: Client) -> dict[Part, tuple[Colour, ...]]:
    """Colours of all visual shapes of all bodies, as loaded."""
    colours: defaultdict[Part, list[Colour]] = defaultdict(list)
    for uid in range(client.getNumBodies()):
        for shape in client.getVisualShapeData(uid):
            colours[uid, shape[1]].append(tuple(shape[7]))
    return {part: tuple(shades) for part, shades in colours.items()}
