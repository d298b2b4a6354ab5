from __future__ import annotations

import pytest

from errors import InvalidInput
from hub.names import HubName, fault_of_path, parse_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hub:lab/calvin", HubName("lab", "calvin")),
        ("hub:lab/calvin@v1.0", HubName("lab", "calvin", "v1.0")),
        ("hub:lab/calvin@refs%2Fpr%2F3", HubName("lab", "calvin", "refs/pr/3")),
        ("hub:lab/calvin/task_D_D/lerobot", HubName("lab", "calvin", None, "task_D_D/lerobot")),
        (f"hub:Lab-1/cal.vin_2@{COMMIT}/x", HubName("Lab-1", "cal.vin_2", COMMIT, "x")),
    ],
)
def test_names_are_read_and_written_alike(text: str, name: HubName) -> None:
    assert parse_name(text) == name
    assert str(name) == text
    assert parse_name(f"{text}/") == name


def test_only_a_commit_never_changes() -> None:
    assert parse_name("hub:a/b@main").commit is None
    assert parse_name("hub:a/b").at(COMMIT).commit == COMMIT


@pytest.mark.parametrize(
    "text",
    ["hub:", "hub:a", "hub:a/", "hub:/b", "hub:../b", "hub:a/..", "hub:a/b@", "hub:a/b@..", "hub:a/b@x\n",
     "hub:a/b/../c", "hub:a/b//c", "hub:a/b/.", "hub:a/b\x1b[2J", "hub:a b/c", "hub:a/b@-x",
     "hub:a/b/c\\d", "hub:a--b/c"],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_a_sentence_that_names_the_setting(text: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"^data.root: .* is not hub:owner/name\[@revision\]\[/path\]: "
    ) as refused:
        parse_name(text, "data.root")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "",
        "a\0b",
        "a\nb",
        "a\\b",
        "x" * 256,
        "a/" * 600 + "b",
    ],
)
def test_paths_that_lead_elsewhere_are_none(path: str) -> None:
    assert fault_of_path(path) is not None


@pytest.mark.parametrize(
    "path", ["Screenshot 3.12.01\u202fPM.png", "a\xa0b", "数据\u3000一.csv", "a b/ c", "x" * 255]
)
def test_paths_as_people_name_their_files_are_some(path: str) -> None:
    assert fault_of_path(path) is None
