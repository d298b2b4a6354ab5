"""References to what is known of the official code lead somewhere."""

from __future__ import annotations

import re

from tests.support import REPOSITORY
from tests.test_layers import modules

PAGE = REPOSITORY / "docs" / "official-code.md"
KNOWN = set(re.findall(r"^\| ([A-Z]\d+) ", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_reference_is_an_entry_of_the_page() -> None:
    cited: dict[str, str] = {}
    for file in modules():
        for reference in re.findall(
            r"official code, ([A-Z]\d+(?: and [A-Z]\d+)?)", file.read_text(encoding="utf-8")
        ):
            cited |= dict.fromkeys(reference.split(" and "), str(file))
    assert {name: file for name, file in cited.items() if name not in KNOWN} == {}
    assert {"R1", "R2", "R3", "R4", "R5", "R6", "R7", "C7"} <= set(cited)


def test_nothing_refers_to_a_sheet_that_is_not_here() -> None:
    assert [
        file for file in modules() if re.search(r"\bfacts [A-Z]\d", file.read_text(encoding="utf-8"))
    ] == []
