"""What attempts found out about memory, and the job obeys from then on: it is decided once, so that sums stay equal."""

from __future__ import annotations

from dataclasses import dataclass

from settings.json_values import Json, JsonObject
from settings.typed_json import Items, Whole, from_json, to_json


@dataclass(frozen=True, kw_only=True)
class MemoryLimits:
    """micro_batch: [first step, samples of a forward and backward pass], in the order in which they were learned."""

    micro_batch: Items[Items[Whole]] = ()

    @classmethod
    def of_row(cls, values: JsonObject) -> MemoryLimits:
        return from_json(cls, values, "what a job learned of memory")

    def row(self) -> dict[str, Json]:
        plain = to_json(self)
        assert isinstance(plain, dict)
        return plain

    def halved(self, samples: int | None, step: int) -> MemoryLimits | None:
        """Half as many samples from `step` on; None where nothing is trained, or a single sample is too much already.

        samples: those that the job is told.
        """
        size = min([samples or 1, *(size for _, size in self.micro_batch)])
        if size <= 1:
            return None
        return MemoryLimits(micro_batch=(*self.micro_batch, (step, size // 2)))
