import cv2
import pytest

from detectors.fixtures import find_fixture
from tests.detectors.scenes import paint, table

GREY = (66, 66, 66)
ARM = (190, 190, 190)


def find(image, name):
    return find_fixture(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), name)


@pytest.mark.parametrize(
    ("name", "box", "colour"),
    [
        ("drawer_handle", (80, 140, 140, 158), GREY),
        ("slider_handle", (90, 32, 106, 76), GREY),
        ("switch", (140, 50, 176, 63), GREY),
        ("button", (50, 92, 66, 106), (0, 0, 0)),
    ],
)
def test_finds_the_part_where_it_belongs(name, box, colour):
    image = table()
    paint(image, box, colour)
    found, score = find(image, name)
    assert found == box
    assert score == 1.0


def test_shape_tells_door_handle_from_switch():
    image = table()
    paint(image, (90, 32, 106, 76), GREY)
    assert find(image, "switch") is None


def test_a_dark_part_of_the_arm_is_not_a_handle():
    image = table()
    paint(image, (70, 20, 130, 90), ARM)
    paint(image, (90, 32, 106, 76), GREY)
    assert find(image, "slider_handle") is None


def test_pieces_cut_apart_by_the_arm_join():
    image = table()
    paint(image, (90, 32, 106, 76), GREY)
    paint(image, (80, 58, 120, 62), ARM)
    found, _ = find(image, "slider_handle")
    assert found == (90, 32, 106, 76)


def test_nothing_there():
    assert find(table(), "button") is None
