"""Holding jobs back, fair turns, what attempts learned, and how long a checkpoint takes.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Defaults are plain strings: with an expression Alembic would copy the table, which foreign keys forbid.
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("fair", sa.Boolean(), nullable=False, server_default="1"))
        table.add_column(sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("intent", sa.String(), nullable=False, server_default="active"))
        table.add_column(sa.Column("held", sa.Boolean(), nullable=False, server_default="0"))
        table.add_column(sa.Column("reached", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("learned", sa.JSON(none_as_null=True), nullable=True))
        table.drop_index("ix_job_state_resource_priority_slices_id")
    op.execute("UPDATE job SET turn = slices, reached = step")
    op.create_index(
        "ix_job_state_held_resource_priority_turn_id",
        "job",
        ["state", "held", "resource", "priority", "turn", "id"],
    )
    op.drop_index("ix_ablation_job_job_id", "ablation_job")
    op.create_index(
        "ix_ablation_job_job_id_ablation_id_run_id", "ablation_job", ["job_id", "ablation_id", "run_id"]
    )
    with op.batch_alter_table("ablation") as table:
        table.add_column(sa.Column("job_count", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE ablation SET job_count ="
        " (SELECT count(DISTINCT job_id) FROM ablation_job WHERE ablation_id = ablation.id)"
    )
    with op.batch_alter_table("run") as table:
        table.add_column(sa.Column("intent", sa.String(), nullable=False, server_default="active"))
    with op.batch_alter_table("attempt") as table:
        table.add_column(sa.Column("save_seconds", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("attempt") as table:
        table.drop_column("save_seconds")
    with op.batch_alter_table("run") as table:
        table.drop_column("intent")
    with op.batch_alter_table("ablation") as table:
        table.drop_column("job_count")
    op.drop_index("ix_ablation_job_job_id_ablation_id_run_id", "ablation_job")
    op.create_index("ix_ablation_job_job_id", "ablation_job", ["job_id"])
    op.drop_index("ix_job_state_held_resource_priority_turn_id", "job")
    with op.batch_alter_table("job") as table:
        for name in ("fair", "turn", "intent", "held", "reached", "learned"):
            table.drop_column(name)
        table.create_index(
            "ix_job_state_resource_priority_slices_id", ["state", "resource", "priority", "slices", "id"]
        )
