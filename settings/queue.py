"""Timing of the queue itself. The same for every ablation of a home; none of it changes a result."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from errors import ConfigError
from settings.shown import shown


@dataclass(frozen=True)
class QueueSettings:
    """Seconds unless said otherwise. Each field can be set as `BATON_QUEUE_<FIELD>`."""

    #: A running job whose heartbeat is older than this is taken away from its worker.
    lease_seconds: float = 30.0
    #: How often a worker extends its lease; several beats must fit in a lease.
    heartbeat_seconds: float = 3.0
    #: How often the scheduler looks at the database.
    tick_seconds: float = 0.1
    #: A queued job that the broker no longer holds is rung again after this.
    ring_timeout_seconds: float = 5.0
    #: How long the next slice of a run waits for the worker that still holds its model.
    affinity_seconds: float = 10.0
    #: Devices that are set aside for a job of several wait so long for those that are busy; then these give way at
    #: their next step, once they have done one.
    gang_wait_seconds: float = 60.0
    #: Jobs of the processor rung ahead: small ones need a supply, and all are rung again after a broker loss.
    ring_window: int = 256
    #: Failed attempts after which a job fails for good.
    max_failures: int = 3
    #: First wait after a failed attempt; doubles with each further one.
    retry_seconds: float = 2.0
    #: Attempts that took their worker with them, without progress in between, before a job is poison.
    max_losses: int = 3
    #: Losses of whole sessions in which a job ran, without progress in between, before it is held.
    max_session_losses: int = 5
    #: Before anything was measured: time kept free before a session's end to put a checkpoint away.
    deadline_margin_seconds: float = 30.0
    #: The processes themselves end this long before the deadline.
    hand_over_seconds: float = 5.0
    #: After a signal or another notice that does not say when the machine goes: how long steps may take to be saved.
    notice_seconds: float = 25.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < float("inf"):
                raise ConfigError(f"{field.name} must be positive, not {getattr(self, field.name)}")
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ConfigError(
                f"lease_seconds ({self.lease_seconds:g}) must be at least twice "
                f"heartbeat_seconds ({self.heartbeat_seconds:g})"
            )


def queue_settings() -> QueueSettings:
    """Defaults with `BATON_QUEUE_*` applied. Raises ConfigError for a value that is no number."""
    values: dict[str, float | int] = {}
    for field in fields(QueueSettings):
        name = f"BATON_QUEUE_{field.name.upper()}"
        text = os.environ.get(name)
        if text is None:
            continue
        convert = int if field.type == "int" else float
        try:
            values[field.name] = convert(text)
        except ValueError:
            raise ConfigError(f"{name} must be a number, not {shown(text)}") from None
    return QueueSettings(**values)  # type: ignore[arg-type]
