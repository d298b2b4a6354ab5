"""Prompts as ids."""

import numpy as np
import pytest

from errors import InvalidInput
from models.action_tokenizer import ActionTokenizer, StateStatistics
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER, PromptBuilder
from tests.models.conftest import INSTRUCTIONS

STATE = np.linspace(-0.5, 0.5, 15)
ACTIONS = np.linspace(-1, 1, 35).reshape(5, 7)


def test_order_of_a_prompt(prompts: PromptBuilder, tokenizer) -> None:
    ids = prompts.prompt("open the drawer", STATE)
    (place,) = np.flatnonzero(ids == IMAGE_PLACEHOLDER)
    before, after = tokenizer.decode(ids[:place]), tokenizer.decode(ids[place + 1 : -16])
    assert before.endswith("USER:  open the drawer \n")
    assert after.strip() == "open the drawer"
    assert ids[-16:-1].tolist() == prompts.actions.encode(prompts.statistics.normalise(STATE)).tolist()
    assert tokenizer.decode(ids[-1:]) == " ASSISTANT:"


def test_only_the_answer_is_labelled(prompts: PromptBuilder, tokenizer) -> None:
    example = prompts.example("open the drawer", STATE, ACTIONS)
    labelled = example.labels != IGNORED_LABEL
    assert labelled.sum() == 36
    assert labelled[-36:].all()
    np.testing.assert_array_equal(example.labels[labelled], example.input_ids[labelled])
    np.testing.assert_allclose(
        prompts.actions.decode(example.labels[-36:-1]), ACTIONS.reshape(-1), atol=1 / 255
    )
    assert example.labels[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    np.testing.assert_array_equal(example.input_ids[:-36], prompts.prompt("open the drawer", STATE))


def test_instruction_after_the_image_only(prompts: PromptBuilder, tokenizer) -> None:
    once = PromptBuilder(tokenizer, prompts.actions, prompts.statistics, instruction_twice=False)
    ids = once.prompt("open the drawer", STATE)
    drawer = tokenizer.convert_tokens_to_ids("drawer")
    assert (ids == drawer).sum() == 1
    assert (prompts.prompt("open the drawer", STATE) == drawer).sum() == 2


def test_instructions_differ(prompts: PromptBuilder) -> None:
    assert len({tuple(prompts.prompt(text, STATE)) for text in INSTRUCTIONS}) == len(INSTRUCTIONS)


class Letters:
    """A tokenizer of letters whose ids above 1000 are two letters each, `xy`, that it reads back as two ids."""

    unk_token_id = None

    def __call__(self, text: str, add_special_tokens: bool) -> dict:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids: list[int]) -> str:
        return "".join("xy" if number > 1000 else chr(number) for number in ids)

    def convert_tokens_to_ids(self, token: str) -> int:
        return 0


def test_a_state_placed_as_text_leaves_what_its_text_has_too_many() -> None:
    statistics = StateStatistics((0.0,) * 3, (1.0,) * 3)
    made = {
        as_text: PromptBuilder(Letters(), ActionTokenizer(1002), statistics, state_as_text=as_text)
        for as_text in (False, True)
    }
    state = np.array([-3.1, 0.0, -3.1])  # ids 1001, 874, 1001: of the text "xy", one letter, "xy"
    plain, official = (made[as_text].prompt("up", state).tolist() for as_text in (False, True))
    ids, call = [1001, 874, 1001], [ord(letter) for letter in " ASSISTANT:"]
    assert plain[-14:] == ids + call
    assert official == [*plain[:-14], ord("x"), ord("y"), *ids, *call]


def test_a_state_placed_as_text_is_the_same_where_text_is_exact(prompts: PromptBuilder, tokenizer) -> None:
    official = PromptBuilder(tokenizer, prompts.actions, prompts.statistics, state_as_text=True)
    ids = prompts.prompt("open the drawer", STATE)
    np.testing.assert_array_equal(official.prompt("open the drawer", STATE), ids)


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_instruction(prompts: PromptBuilder, empty: str) -> None:
    with pytest.raises(InvalidInput, match="instruction is empty"):
        prompts.prompt(empty, STATE)


def test_bad_states_and_actions(prompts: PromptBuilder) -> None:
    with pytest.raises(InvalidInput, match="15 numbers"):
        prompts.prompt("open the drawer", STATE[:14])
    with pytest.raises(InvalidInput, match=r"\(5, 7\), got \(4, 7\)"):
        prompts.answer(ACTIONS[:4])
    with pytest.raises(InvalidInput, match="finite"):
        prompts.answer(np.where(ACTIONS > 0.9, np.nan, ACTIONS))


def test_tokenizer_without_the_end_token(prompts: PromptBuilder) -> None:
    class Other:
        unk_token_id = 0

        def convert_tokens_to_ids(self, token: str) -> int:
            return 0

    with pytest.raises(InvalidInput, match="im_end"):
        PromptBuilder(Other(), prompts.actions, prompts.statistics)
