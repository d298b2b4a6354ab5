"""What a report measures: what the result of a sequence is, and the columns that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from errors import InvalidInput


@dataclass(frozen=True)
class Metric:
    """The result of a sequence is a whole number from 0 to `ceiling`; more is better.

    A report gives the share of sequences with at least k, for each k up to the ceiling, and the mean. `name`: of the
    mean in JSON and CSV; `unit`: what is counted, in the plural; `title` and `short`: of the mean, in sentences and in
    headings; `digits`: after the point of a mean. Raises InvalidInput for a ceiling below 1.
    """

    name: str
    unit: str
    ceiling: int
    title: str
    short: str
    digits: int = 2

    def __post_init__(self) -> None:
        if self.ceiling < 1:
            raise InvalidInput(f"metric {self.name}: the ceiling is {self.ceiling}; it must be 1 or more")

    @property
    def levels(self) -> range:
        """Each k of at least k."""
        return range(1, self.ceiling + 1)

    @property
    def rates(self) -> tuple[str, ...]:
        """What people read for each share: `1/5` to `5/5`."""
        return tuple(f"{k}/{self.ceiling}" for k in self.levels)

    @property
    def columns(self) -> tuple[str, ...]:
        """In CSV: of each share, then of the mean."""
        return (*(f"success_{k}" for k in self.levels), self.name)

    @property
    def labels(self) -> tuple[str, ...]:
        """What people read, in the order of the columns: `1/5` to `5/5`, `avg. len.`"""
        return (*self.rates, self.short)

    def scale_of(self, place: int) -> tuple[float, int]:
        """Of a column by its place, as people read it: (factor, digits); shares are in points."""
        return (1.0, self.digits) if place == self.ceiling else (100.0, 1)

    def unit_of(self, place: int) -> str:
        """What differences in a column are counted in, as people read them."""
        return self.unit.split()[0] if place == self.ceiling else "points"

    def title_of(self, place: int) -> str:
        """Of a column in sentences."""
        return self.title if place == self.ceiling else self.labels[place]

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the table: the method, each share, the mean, and the number of sequences."""
        return ("Method", *self.rates, self.short[:1].upper() + self.short[1:], "n")
