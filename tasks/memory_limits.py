"""What attempts found out about memory, and the job obeys from then on: it is decided once, so that sums stay equal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from settings.json_values import Json, JsonObject
from settings.typed_json import Items, Whole, from_json, to_json
from tasks.kind import Spec


@dataclass(frozen=True, kw_only=True)
class MemoryLimits:
    """micro_batch: [first step, samples of a forward and backward pass], in the order in which they were learned.
    devices: that `retry` gave it in place of those it was planned for; None where it did not."""

    micro_batch: Items[Items[Whole]] = ()
    devices: Whole | None = None

    @classmethod
    def of_row(cls, values: JsonObject) -> MemoryLimits:
        return from_json(cls, values, "what a job learned of memory")

    def row(self) -> dict[str, Json]:
        plain = to_json(self)
        assert isinstance(plain, dict)
        return {name: value for name, value in plain.items() if value is not None}

    def told(self, spec: Spec) -> Spec:
        """`spec` as attempts are told it."""
        return spec if self.devices is None else spec.divided_over(self.devices)

    def halved(self, samples: int | None, step: int) -> MemoryLimits | None:
        """Half as many samples from `step` on; None where nothing is trained, or a single sample is too much already.

        samples: those that the job is told.
        """
        size = min([samples or 1, *(size for _, size in self.micro_batch)])
        if size <= 1:
            return None
        return replace(self, micro_batch=(*self.micro_batch, (step, size // 2)))
