"""The prompt as token ids.

Text around the image follows the official template (official code, R1: LLaVA's two-party form with a robot's system
sentence); the instruction stands before and after the image, or only after it. State and action tokens are spliced in
as ids and never pass through text: 11 of the 256 do not survive a round trip through Qwen2's tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from errors import InvalidInput
from models.action_tokenizer import ActionTokenizer, IdArray, StateStatistics
from models.token_ids import token_ids, token_text
from settings.shown import shown

#: Stands for the image in a prompt; replaced by one position per patch when samples are collated.
IMAGE_PLACEHOLDER = -200
#: Stands for the picture of the gaze region, where a prompt has one; replaced likewise.
CROP_PLACEHOLDER = -201
#: Label of positions that carry no loss (torch's `cross_entropy` default).
IGNORED_LABEL = -100

SYSTEM = (
    "A chat between a curious human and an artificial intelligence robot. "
    "The robot provides actions to follow out the user's instructions."
)
BEFORE_INSTRUCTION = f"{SYSTEM} USER: "
BEFORE_ANSWER = " ASSISTANT:"
END_OF_ANSWER = "<|im_end|>"

#: Texts whose ids are remembered: CALVIN has some 400 instructions, two texts each.
_KNOWN_TEXTS = 4096


@dataclass(frozen=True)
class Example:
    """A prompt with its answer; `labels` repeat the answer's ids and are -100 before it. Both (tokens,)."""

    input_ids: IdArray
    labels: IdArray


class PromptBuilder:
    """Builds prompts for one Hugging Face tokenizer, action coding and set of state statistics."""

    def __init__(
        self,
        tokenizer: Any,
        actions: ActionTokenizer,
        statistics: StateStatistics,
        chunk_steps: int = 5,
        action_dims: int = 7,
        instruction_twice: bool = True,
        box_first: bool = False,
        state_as_text: bool = False,
        words: int | None = None,
    ) -> None:
        """words: how many the model has; no other ids are given. box_first: answers say the gaze box before the
        actions. state_as_text: the official way to place the state's ids, which leaves stray ones beside them
        (`_after_text`).
        """
        self.tokenizer = tokenizer
        self._words = words
        self.actions = actions
        self.statistics = statistics
        self.chunk_shape = (chunk_steps, action_dims)
        self.instruction_twice = instruction_twice
        self.box_first = box_first
        self.state_as_text = state_as_text
        end_id = tokenizer.convert_tokens_to_ids(END_OF_ANSWER)
        if end_id is None or end_id == tokenizer.unk_token_id:
            raise InvalidInput(f"the tokenizer has no {shown(END_OF_ANSWER)}; use that of a Qwen2 chat model")
        self.end_id = int(end_id)
        added = len(token_ids(tokenizer, ":", special_tokens=True)) - len(self._tokenised(":"))
        if added:  # the official server keeps them, once or with every part of a prompt
            raise InvalidInput(
                f"the tokenizer adds {added} token{'s' if added != 1 else ''} to every text (its post_processor), where"
                " a prompt has none"
            )
        self._ids = lru_cache(_KNOWN_TEXTS)(self._tokenised)

    def prompt(self, instruction: str, robot_state: ArrayLike, crop: bool = False) -> IdArray:
        """Ids up to and including `ASSISTANT:`, one IMAGE_PLACEHOLDER among them.

        With `crop` a CROP_PLACEHOLDER follows the image's. `robot_state` is CALVIN's `robot_obs`, (15,).
        Raises InvalidInput for an empty instruction or a state that `StateStatistics.normalise` rejects.
        """
        text = instruction.strip()
        if not text:
            raise InvalidInput("instruction is empty; give the robot something to do")
        state = self.actions.encode(self.statistics.normalise(robot_state))
        place = self._after_text if self.state_as_text else self._after_image
        return np.concatenate(
            [
                self._ids(f"{BEFORE_INSTRUCTION}{text}\n" if self.instruction_twice else BEFORE_INSTRUCTION),
                [IMAGE_PLACEHOLDER, CROP_PLACEHOLDER] if crop else [IMAGE_PLACEHOLDER],
                place(f"\n{text}\n", state),
            ]
        ).astype(np.int64)

    def answer(self, actions: ArrayLike, box: ArrayLike | None = None) -> IdArray:
        """Ids of an action chunk (steps, 7), step after step, and the end of the answer.

        `box` (4,), values of `grounding.box_values`, stands before the actions where answers begin with it.
        """
        chunk = np.asarray(actions, dtype=np.float64)
        if chunk.shape != self.chunk_shape:
            raise InvalidInput(f"action chunk must have shape {self.chunk_shape}, got {chunk.shape}")
        if self.box_first != (box is not None):
            raise InvalidInput(f"answers of this model begin {'with' if self.box_first else 'without'} a box")
        values = chunk.reshape(-1) if box is None else np.concatenate([np.asarray(box), chunk.reshape(-1)])
        return np.append(self.actions.encode(values), self.end_id)

    def example(
        self,
        instruction: str,
        robot_state: ArrayLike,
        actions: ArrayLike,
        *,
        crop: bool = False,
        box: ArrayLike | None = None,
    ) -> Example:
        """Prompt and answer with labels. Raises InvalidInput as `prompt` and `answer` do."""
        prompt, answer = self.prompt(instruction, robot_state, crop), self.answer(actions, box)
        labels = np.concatenate([np.full(len(prompt), IGNORED_LABEL, dtype=np.int64), answer])
        return Example(np.concatenate([prompt, answer]), labels)

    def _after_image(self, text: str, state: IdArray) -> IdArray:
        """`text`, the state's ids and the call for an answer."""
        return np.concatenate([self._ids(text), state, self._ids(BEFORE_ANSWER)])

    def _after_text(self, text: str, state: IdArray) -> IdArray:
        """`_after_image` of the official code (train_vla.py and flask_server.py; official code, R4).

        The state's ids become text, all is tokenised again, and the last ids before the call for an answer, as
        many as the state has, are replaced by the state's. Text that takes more ids leaves the first of them.
        """
        call = self._ids(BEFORE_ANSWER)
        ids = self._tokenised(f"{text}{token_text(self.tokenizer, state.tolist())}{BEFORE_ANSWER}")
        end = int(np.flatnonzero(ids == call[0])[0])
        return np.concatenate([ids[: max(end - len(state), 0)], state, ids[end:]])

    def _tokenised(self, text: str) -> IdArray:
        ids = np.asarray(token_ids(self.tokenizer, text, self._words), dtype=np.int64)
        ids.flags.writeable = False
        return ids
