"""What a job is told of its model, as JSON holds it. Imports no torch, so that planning stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from settings.bounds import PathText, Text
from settings.typed_json import Aside, Items

#: Pretrained parts that may have a folder.
Part = Literal["vision", "language", "autoencoder", "checkpoint"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of pretrained files. identity: of what lies there, which alone decides figures."""

    root: Aside[PathText]
    identity: Text


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The model of one arm.

    config: of `models.config`, whole, so that a size whose definition changes gives other jobs. backbones: folders of
    pretrained parts by name. tokenizer: a folder, or `instructions`, the words of a vocabulary that is built from them.
    """

    config: Mapping[str, object]
    reconstructs: Literal["none", "gaze", "image"]
    backbones: Mapping[Part, Folder]
    tokenizer: Folder | None = None
    instructions: Items[Text] | None = None
