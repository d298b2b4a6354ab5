"""No two rows of a table are called alike."""

from __future__ import annotations

from experiments.reconvla.report.titles import title_of, titles_of


def test_rows_of_one_title_have_their_names_too() -> None:
    rows = {"a": {"title": "+ more"}, "b": {"title": "+ more"}, "recon": None, "c": {"base": "recon"}}
    expected = {"a": "+ more (a)", "b": "+ more (b)", "recon": "+ reconstruction loss", "c": "c"}
    assert titles_of({"arms": rows}) == expected
    assert [title_of({"arms": rows}, name) for name in rows] == list(expected.values())


def test_names_alone_are_those_of_built_in_arms() -> None:
    assert titles_of({"arms": ["recon"]}) == {"recon": "+ reconstruction loss"}
    assert title_of({}, "recon") == "+ reconstruction loss" and title_of({}, "gone") == "gone"
