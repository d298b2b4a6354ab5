"""Boxes as numbers in [-1, 1]."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InvalidInput
from models.action_tokenizer import ActionTokenizer
from models.grounding import NO_BOX, box_values

SIZE = (200, 160)


@given(st.integers(0, 150), st.integers(0, 120), st.integers(5, 49), st.integers(5, 39))
def test_a_box_survives_the_tokens_within_a_pixel(x: int, y: int, width: int, height: int) -> None:
    tokenizer = ActionTokenizer(1000)
    box = (x, y, x + width, y + height)
    said = tokenizer.decode(tokenizer.encode(box_values(box, SIZE)))
    np.testing.assert_allclose((said + 1) / 2 * np.tile(SIZE, 2), box, atol=1.0)


def test_absence_is_a_box_that_encloses_nothing() -> None:
    x0, y0, x1, y1 = box_values(None, SIZE)
    assert (x0, y0, x1, y1) == NO_BOX
    assert x0 > x1 and y0 > y1


@pytest.mark.parametrize("box", [(10, 10, 10, 20), (-1, 0, 5, 5), (0, 0, 201, 5)])
def test_boxes_that_are_none(box: tuple) -> None:
    with pytest.raises(InvalidInput, match="empty or leaves the picture of 200 x 160 px"):
        box_values(box, SIZE)
