"""A checkpoint of ours as a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from detectors.base import NoTarget
from models.action_tokenizer import IdArray
from models.attention import action_attention
from models.batch_rows import rows_are_independent
from models.batches import Question
from models.generation import generate_actions, prompt_batch
from models.images import CANVAS, STATIC_ROWS, Picture, narrowed, stacked
from models.prompt import CROP_PLACEHOLDER
from models.recipe import Recipe
from models.reconvla import ReconVLA
from policies.base import ANSWERED, OUTSIDE, WITHOUT_REGION, Query, with_binary_gripper
from policies.regions import RegionFinder

#: Rows of every forward pass of a checkpoint, whatever number of simulators waits for an answer.
POLICY_BATCH = 8
#: Prompts are padded to a multiple of so many positions.
LENGTH_STEP = 64
#: Canvas rows of the static view in the official server, which trains with STATIC_ROWS (official code, R3).
OFFICIAL_SERVER_STATIC_ROWS = 167


class ReconVLAPolicy:
    """A checkpoint of ours, greedy, all five actions executed open loop (official code, R2).

    Prompts are padded to a multiple of LENGTH_STEP and batches filled up to one size where the order of sums can
    decide a token, so that it depends on the query alone. Where a row's bits depend on its place in a batch all
    the same (the model is tried once per shape), queries of that shape are answered one by one.
    """

    needs_images = True

    def __init__(
        self,
        model: ReconVLA,
        recipe: Recipe,
        *,
        batch: int = POLICY_BATCH,
        constrained: bool = False,
        regions: RegionFinder | None = None,
    ) -> None:
        """regions: finds the gaze region for a model that is shown it. `static_rows` of the composed picture show
        the static view.
        """
        self._model = model.eval()
        self._recipe = recipe
        self._batch = batch
        self._constrained = constrained
        self.config = recipe.config
        self.static_rows = OFFICIAL_SERVER_STATIC_ROWS if recipe.config.official_compat else STATIC_ROWS
        self._regions = regions
        self._batch_at: dict[int, int] = {}
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [with_binary_gripper(chunk) for chunk in self.predict(queries)]

    def predict(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """Chunks (5, 7) as decoded: the gripper's number is not yet -1 or 1."""
        regions = [self._region(query) for query in queries]
        missing = [region.reason.value for region in regions if isinstance(region, NoTarget)]
        self.counts.update(f"{WITHOUT_REGION}.{reason}" for reason in missing)
        questions = [self._question(query, region) for query, region in zip(queries, regions, strict=True)]
        lengths = [self._padded_length(question.prompt) for question in questions]
        chunks: dict[int, np.ndarray] = {}
        for length in sorted(set(lengths)):
            rows = [row for row, own in enumerate(lengths) if own == length]
            batch = self._batch_of(length, questions[rows[0]].prompt)
            for first in range(0, len(rows), batch):
                part = rows[first : first + batch]
                chunks.update(zip(part, self._generate([questions[row] for row in part], length, batch)))
        return [chunks[row] for row in range(len(queries))]

    def attention(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """Where the model looks while it answers: maps (grid, grid) over the composed picture, averaged over the
        answer's tokens. One query at a time.
        """
        maps = []
        for query in queries:
            question = self._question(query, self._region(query))
            asked = [question.image], [question.prompt]
            crops = [question.crop]
            answer = generate_actions(self._model, *asked, constrained=self._constrained, crops=crops)
            maps.append(action_attention(self._model, *asked, answer.token_ids, crops)[0].mean(axis=0))
        return maps

    def _generate(self, questions: list[Question], length: int, batch: int) -> list[np.ndarray]:
        """Of up to `batch` rows."""
        chunks = generate_actions(
            self._model,
            [question.image for question in questions],
            [question.prompt for question in questions],
            constrained=self._constrained,
            length=length,
            crops=[question.crop for question in questions],
            rows=batch,
        )
        self.counts[OUTSIDE] += int(chunks.outside.sum())
        self.counts[ANSWERED] += chunks.token_ids.size
        return list(chunks.actions)

    def _region(self, query: Query) -> Picture | NoTarget | None:
        """What the model is shown besides the views; None for one that is shown no region."""
        if self._regions is None:
            return None
        return self._regions.crop(query.observation, query.instruction, query.simulator)

    def _question(self, query: Query, region: Picture | NoTarget | None) -> Question:
        vision = self._recipe.config.vision
        size, how = vision.image_size, vision.resample
        lower = narrowed(query.observation["rgb_gripper"], CANVAS - self.static_rows, size, how)

        def over_it(upper: Picture) -> Picture:
            return stacked(narrowed(upper, self.static_rows, size, how), lower, how)

        crop = None if region is None or isinstance(region, NoTarget) else over_it(region)
        prompt = self._recipe.prompts.prompt(
            query.instruction, query.observation["robot_obs"], crop is not None
        )
        return Question(over_it(query.observation["rgb_static"]), prompt, crop)

    def _padded_length(self, prompt: IdArray) -> int:
        """Positions of its batch, the image's included: more than it has, so that there is always padding."""
        pictures = int((prompt < 0).sum())
        positions = len(prompt) + pictures * (self._recipe.config.vision.patches - 1)
        return (positions // LENGTH_STEP + 1) * LENGTH_STEP

    def _batch_of(self, length: int, prompt: IdArray) -> int:
        if length not in self._batch_at:
            self._batch_at[length] = self._batch if self._is_independent(length, prompt) else 1
            self.counts["one_by_one_shapes"] += self._batch_at[length] != self._batch
        return self._batch_at[length]

    def _is_independent(self, length: int, prompt: IdArray) -> bool:
        noise, size = np.random.default_rng(0), self._recipe.config.vision.image_size
        images = [noise.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(self._batch)]
        crops = images if CROP_PLACEHOLDER in prompt else None
        batch = prompt_batch(self._model, images, [prompt] * self._batch, length, crops)
        return self._batch == 1 or rows_are_independent(self._model, batch)
