"""Durations by clocks that nobody sets: of attempts, sessions, heartbeats and waits.

Until here an attempt took the time of day of its end less that of its beginning. Its worker split its time by a
monotonic clock, and that sum stands where the worker lived to book it. Of an attempt that was taken back only the
difference is left: it stands unless it is absurd (negative, or running into the job's next attempt).

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BOOKED = "(useful_seconds + replayed_seconds + checkpoint_seconds + load_seconds + idle_seconds)"
_SOUND = " AND ".join(
    f"{name}_seconds >= 0" for name in ("useful", "replayed", "checkpoint", "load", "idle")
)
_TAKEN_BACK = "(outcome = 'lost' OR (outcome = 'preempted' AND reason = 'handed over in a bundle'))"
_INTO_THE_NEXT = (
    "EXISTS (SELECT 1 FROM attempt AS later WHERE later.job_id = attempt.job_id"
    " AND later.lease_token > attempt.lease_token AND later.started_at < attempt.ended_at)"
)


def upgrade() -> None:
    for table, columns in (
        ("session", ("pid_started_at", "steady_at", "limit_seconds", "age_seconds")),
        ("worker", ("steady_at",)),
        ("attempt", ("took_seconds",)),
    ):
        if table != "attempt":
            op.add_column(table, sa.Column("boot", sa.String(), nullable=True))
        for name in columns:
            op.add_column(table, sa.Column(name, sa.Double(), nullable=True))
    op.execute("ALTER TABLE job RENAME COLUMN not_before TO wait_seconds")
    # These were times of day; what still waits is tried at once.
    op.execute("UPDATE job SET wait_seconds = 0")
    waits = sa.text("wait_seconds > 0")
    op.create_index("ix_job_wait", "job", ["wait_seconds"], sqlite_where=waits, postgresql_where=waits)
    op.execute(
        f"UPDATE attempt SET took_seconds = {_BOOKED} WHERE ended_at IS NOT NULL AND {_SOUND} AND {_BOOKED} > 0"
        f" AND NOT ({_TAKEN_BACK} AND (ended_at < started_at OR {_INTO_THE_NEXT}))"
    )


def downgrade() -> None:
    op.drop_column("attempt", "took_seconds")
    op.drop_index("ix_job_wait", "job")
    op.execute("UPDATE job SET wait_seconds = 0")
    op.execute("ALTER TABLE job RENAME COLUMN wait_seconds TO not_before")
    for table, columns in (
        ("worker", ("steady_at", "boot")),
        ("session", ("age_seconds", "limit_seconds", "steady_at", "pid_started_at", "boot")),
    ):
        for name in columns:
            op.drop_column(table, name)
