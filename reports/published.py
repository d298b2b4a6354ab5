"""Rows of others' tables, for reference: never compared with what was measured here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """`success`: in %, at least k, for each k of the report's metric; `mean` of the results of `sequences`."""

    method: str
    success: tuple[float, ...]
    mean: float
    sequences: int


@dataclass(frozen=True)
class Published:
    """`source` and `setting` of all `rows`; `other`: what differs from here, so that they are not comparable."""

    source: str
    setting: str
    other: str
    rows: tuple[PublishedRow, ...]
