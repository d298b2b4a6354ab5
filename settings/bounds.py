"""Types of numbers and texts in jobs' parameters, with what they may be at most: parameters may be a stranger's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.typed_json import Real, Whole

#: As both databases hold it.
Number = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
AtLeastOne = Annotated[Whole, Field(ge=1, le=2**31 - 1)]
#: Of threads, processes or devices of one job.
Few = Annotated[Whole, Field(ge=1, le=1024)]
#: Of a training.
Steps = Annotated[Whole, Field(ge=1, le=100_000_000)]
Seconds = Annotated[Real, Field(ge=0, le=1e9)]
Share = Annotated[Real, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=10_000)]
PathText = Annotated[str, Field(max_length=4096)]
