"""The one writer of job state. Every move is a single guarded statement inside one transaction.

A claim raises the job's `lease_token`; whatever an attempt wants to become fact commits in a
transaction whose first statement checks that token, so an attempt that lost its job can only raise
LeaseLost. See `db/states.py` for the table of legal moves.

`attempts`, `successes`: the life of one attempt. `bells`: ready to queued and back. `recovery`: what died or was
damaged. `control`: what people ask for.
"""

from __future__ import annotations

from db.jobs.attempts import claim, end, extend_lease, fall_back, give_back, publish
from db.jobs.bells import end_wait, outlook, queued, ring, unring
from db.jobs.control import Target, cancel, pause, retry, unpause
from db.jobs.recovery import put_back, redo_inputs, take_back
from db.jobs.successes import Also, succeed, succeed_and_claim
from db.statements import artifact, attempt, job, metric
from db.values import Bid, Claim, Ending, Lease, Lost, MetricPoint, Note, Seconds, StoredArtifact

__all__ = [
    "Also", "Bid", "Claim", "Ending", "Lease", "Lost", "MetricPoint", "Note", "Seconds", "StoredArtifact", "Target",
    "artifact", "attempt", "cancel", "claim", "end", "end_wait", "extend_lease", "fall_back", "give_back", "job",
    "metric", "outlook", "pause", "publish", "put_back", "queued", "redo_inputs", "retry", "ring", "succeed",
    "succeed_and_claim", "take_back", "unpause", "unring",
]  # fmt: skip
