"""Pictures and prompts against the official data builder, dataset class and server."""

import re

import numpy as np
import pytest
from PIL import Image

from calvin.actions import padded_chunk
from models.action_tokenizer import ActionTokenizer, StateStatistics
from models.batches import normalised
from models.images import compose, through_jpeg, to_model_size
from models.prompt import PromptBuilder
from tests.parity.model_fixtures import parity_path, read_json, read_tensors

FOLDER = parity_path("image_composition")
META = read_json("image_composition/meta.json")
FRAMES = range(len(META["frames"]))
ACTIONS = ActionTokenizer(151_643)


def picture(name: str) -> np.ndarray:
    return np.asarray(Image.open(FOLDER / name).convert("RGB"))


class RecordedTokenizer:
    """The small tokenizer that the recording used; its rules are stated in meta.json."""

    unk_token_id = None
    pattern = re.compile(r"<a(\d+)>| ASS|:|\n|<\|im_end\|>| ?[A-Za-z]+|.")
    fixed = {" ASS": 35560, ":": 25, "<|im_end|>": 151645}  # noqa: RUF012

    def __call__(self, text: str, add_special_tokens: bool) -> dict:
        ids = []  # none is added, as Qwen2's tokenizer adds none
        for match in self.pattern.finditer(text):
            known = {**META["toy_tokenizer_table"], **self.fixed}
            ids.append(int(match[1]) if match[1] else known[match[0]])
        return {"input_ids": ids}

    def decode(self, ids: list[int]) -> str:
        return "".join(f"<a{number}>" for number in ids)

    def convert_tokens_to_ids(self, token: str) -> int:
        return self.fixed[token]


def on_a_square(source: np.ndarray) -> np.ndarray:
    """What the official dataset class does to two of the recorded pictures; a composed canvas is a square already."""
    side = max(source.shape)
    square = Image.new("RGB", (side, side), (127, 127, 127))
    square.paste(Image.fromarray(source), ((side - source.shape[1]) // 2, (side - source.shape[0]) // 2))
    return np.asarray(square)


def builder(instruction_twice: bool = True, state_as_text: bool = False) -> PromptBuilder:
    recorded = read_json("action_tokenizer.json")["statistics"]["robot_obs"][0]
    statistics = StateStatistics(tuple(recorded["mean"]), tuple(recorded["std"]))
    return PromptBuilder(
        RecordedTokenizer(),
        ACTIONS,
        statistics,
        instruction_twice=instruction_twice,
        state_as_text=state_as_text,
    )


def parsed(item: dict) -> tuple[str, list[float], np.ndarray]:
    """Instruction, state and action chunk of an item of the official training file."""
    human, answer = (turn["value"] for turn in item["conversations"])
    lines = human.split("\n")
    numbers = [float(text) for text in answer.split(" ")]
    return lines[0], [float(text) for text in lines[-1].split(" ")], np.reshape(numbers, (5, 7))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("upper", "composed"), [("static", "composed_input"), ("crop", "composed_target")])
def test_training_pictures_are_composed_as_by_the_data_builder(frame: int, upper: str, composed: str) -> None:
    ours = compose(picture(f"frame{frame}_{upper}.png"), picture(f"frame{frame}_gripper.png"))
    np.testing.assert_array_equal(ours, picture(f"frame{frame}_{composed}.png"))
    np.testing.assert_array_equal(through_jpeg(ours), picture(f"frame{frame}_{composed}.official.jpg"))


def test_items_of_the_data_builder() -> None:
    """Instruction, state and actions of each frame; the last action is repeated at the end of the episode."""
    rel_actions = np.array([frame["rel_actions"] for frame in META["frames"]])
    for offset, (frame, item) in enumerate(zip(META["frames"], META["data_builder_items"], strict=True)):
        instruction, state, chunk = parsed(item)
        assert item["conversations"][0]["value"].startswith(f"{instruction}\n<image>\n{instruction}\n")
        assert state == frame["robot_obs"]
        np.testing.assert_array_equal(chunk, padded_chunk(rel_actions, offset, 5, repeat_motion=True))


@pytest.mark.parametrize("frame", FRAMES)
def test_the_server_splits_its_canvas_in_halves(frame: int) -> None:
    ours = compose(picture(f"frame{frame}_static.png"), picture(f"frame{frame}_gripper.png"), upper_rows=167)
    np.testing.assert_array_equal(ours, picture(f"frame{frame}_server_composed.png"))


def test_model_pictures_equal_the_dataset_class_and_the_server() -> None:
    size = META["siglip_preprocessor"]["size"]["height"]
    compared = 0
    for key, recorded in read_tensors("image_composition/tensors.safetensors").items():
        item = re.fullmatch(r"train_pad(\d+)\.(image|target_image)(_uint8)?", key)
        if item:
            field = "image" if item[2] == "image" else "image_target"
            source = picture(META["dataset_items_used"][int(item[1])][field])
        else:
            source = picture(f"frame{re.fullmatch(r'server(.+).pixel_uint8', key)[1]}_server_composed.png")
        ours = to_model_size(on_a_square(source), size)
        if recorded.dtype.is_floating_point:
            np.testing.assert_allclose(normalised([ours], size)[0], recorded, atol=1e-6, rtol=0)
        else:
            np.testing.assert_array_equal(ours.transpose(2, 0, 1), recorded.numpy())
        compared += 1
    assert compared > 0


@pytest.mark.parametrize("state_as_text", [False, True])
@pytest.mark.parametrize("case", META["train_tokens"], ids=lambda c: f"{c['item']}-{c['aspect']}")
def test_training_ids_and_labels(case: dict, state_as_text: bool) -> None:
    example = builder(state_as_text=state_as_text).example(*parsed(META["dataset_items_used"][case["item"]]))
    assert example.input_ids.tolist() == case["input_ids"]
    assert example.labels.tolist() == case["labels"]


@pytest.mark.parametrize("state_as_text", [False, True])
@pytest.mark.parametrize("case", META["server_prompts"], ids=lambda c: str(c["frame"]))
def test_serving_ids(case: dict, state_as_text: bool) -> None:
    instruction, _, _ = parsed(META["data_builder_items"][case["frame"]])
    state = META["frames"][case["frame"]]["robot_obs"]
    prompts = builder(case["double_instruction"], state_as_text)
    assert prompts.prompt(instruction, state).tolist() == case["toy_input_ids"][0]
