"""Jobs of several devices, and workers that are set aside for them.

Revision ID: 0011
Revises: 0010
"""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OF_SEVERAL = sa.text("devices > 1")


def upgrade() -> None:
    op.add_column("job", sa.Column("devices", sa.Integer(), nullable=False, server_default="1"))
    _count()
    op.create_index(
        "ix_job_several", "job", ["devices"], sqlite_where=_OF_SEVERAL, postgresql_where=_OF_SEVERAL
    )
    op.create_table(
        "seat",
        sa.Column("worker_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("visible", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_seat_worker_id")),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_seat")),
    )


def _count() -> None:
    """Of the jobs that are there."""
    state = op.get_bind()
    trained = sa.text("select id, spec, learned from job where kind in ('train', 'pretrain')")
    for job_id, spec, learned in state.execute(trained).all():
        training = _read(spec).get("training")
        planned = training.get("devices") if isinstance(training, Mapping) else None
        devices = _read(learned).get("devices") or planned
        if isinstance(devices, int) and devices > 1:
            state.execute(
                sa.text("update job set devices = :devices where id = :id"),
                {"devices": devices, "id": job_id},
            )


def _read(value: Any) -> Mapping[str, Any]:
    """SQLite gives JSON as text, PostgreSQL as what it means."""
    found = json.loads(value) if isinstance(value, str) else value
    return found if isinstance(found, Mapping) else {}


def downgrade() -> None:
    op.drop_table("seat")
    op.drop_index("ix_job_several", "job")
    op.drop_column("job", "devices")
