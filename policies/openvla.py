"""OpenVLA as a policy: the static view and the instruction to one action at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmark.embodiment import CALVIN
from errors import InvalidInput
from models.openvla_checkpoint import load_openvla, read_config
from models.openvla_pictures import read_normalisation
from models.precision import DTYPES
from models.recipe import device
from models.token_ids import need_known, token_ids
from models.tokenizer import load_tokenizer
from policies.base import ANSWERED, OUTSIDE, Query
from policies.registry import AUTO

#: openvla/openvla, README.
_PROMPT = "In: What action should the robot take to {}?\nOut:"
#: The empty token of Llama's vocabulary; every prompt ended with it in training (predict_action).
_EMPTY_TOKEN = 29871
#: In the names that finetune.py gives to folders of models trained with random crops; all that tells of them.
_AUGMENTED = "image_aug"


class OpenVLAPolicy:
    """Greedy, one query after the other, as the released model answers.

    Actions are taken for CALVIN's relative ones, which the statistics of a model fine-tuned on CALVIN give. The
    gripper opens above the middle of its commands in those statistics, be they -1 and 1 or 0 and 1.
    """

    needs_images = True

    def __init__(
        self,
        folder: Path | str,
        statistics: str | None = None,
        precision: str = AUTO,
        center_crop: bool | None = None,
    ) -> None:
        """folder: in the released layout. statistics: the data set whose units the actions have; None: the only
        one. precision: fp32, bf16, fp16, or AUTO, the type that the folder stores the weights in. center_crop: show
        it the middle of pictures; None: where the folder's name says that it was trained with random crops. Raises
        CheckpointError and InvalidInput for what does not fit, WeightsMissing for missing files.
        """
        folder = Path(folder)
        augmented = any(_AUGMENTED in str(place) for place in (folder.absolute(), os.path.realpath(folder)))
        if augmented and center_crop is False:
            raise InvalidInput(
                f"--no-center-crop: {folder} says {_AUGMENTED}, and the released evaluation refuses such a model"
                " without the crop that it was trained for; rename the folder if it was not"
            )
        if precision not in (AUTO, *DTYPES):
            raise InvalidInput(
                f"--precision {precision} is for a ReconVLA; an OpenVLA takes {', '.join(DTYPES)}"
            )
        self._config = read_config(folder)
        #: The data set whose units the actions have.
        self.statistics = self._config.name_of(statistics)
        self._statistics = self._config.statistics[self.statistics]
        self._normalisation = read_normalisation(folder, self._config.image_size)
        #: Whether it sees the middle of pictures alone.
        self.center_crop = augmented if center_crop is None else center_crop
        self._tokenizer = load_tokenizer(folder)
        self._device = device()
        dtype = None if precision == AUTO else DTYPES[precision]
        self._model = load_openvla(folder, self._config, dtype).to(self._device)
        self._words = self._model.language_model.get_input_embeddings().num_embeddings
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        chunks = self.predict(queries)
        for chunk in chunks:
            chunk[:, -1] = np.where(chunk[:, -1] > self._statistics.gripper_middle, 1.0, -1.0)
        return chunks

    def predict(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """Actions (1, 7) in the data set's units, the gripper's number as decoded. Raises NotFinite."""
        return [self._predict(query) for query in queries]

    def _predict(self, query: Query) -> np.ndarray:
        dtype = self._model.projector.fc1.weight.dtype
        dino, siglip = (
            torch.from_numpy(view)[None].to(self._device, dtype)
            for view in self._normalisation.views(
                query.observation["rgb_static"], self._config.image_size, self.center_crop
            )
        )
        prompt = _PROMPT.format(query.instruction.lower())
        ids = token_ids(self._tokenizer, prompt, special_tokens=True)
        if ids[0] != self._tokenizer.bos_token_id:  # the picture stands behind it
            ids = [self._tokenizer.bos_token_id, *ids]
        if ids[-1] != _EMPTY_TOKEN:
            ids = [*ids, _EMPTY_TOKEN]
        need_known(self._tokenizer, ids, self._words)
        given = torch.tensor([ids], device=self._device)
        tokens = self._model.generate(dino, siglip, given, CALVIN.action_size)
        first = self._config.action_vocabulary - self._config.bins
        self.counts[OUTSIDE] += sum(not first <= t < self._config.action_vocabulary for t in tokens)
        self.counts[ANSWERED] += len(tokens)
        return self._statistics.actions(self._config.decode(tokens))[None]
