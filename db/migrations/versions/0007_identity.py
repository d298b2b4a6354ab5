"""Who a process is, beside the name of its machine, and losses of whole sessions apart from those of one worker.

Rows of the time before do not say in which PID namespace their numbers count: they are only listened to.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("session", "worker"):
        op.add_column(table, sa.Column("process_space", sa.String(), nullable=True))
    op.add_column("job", sa.Column("session_losses", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("job", "session_losses")
    for table in ("worker", "session"):
        op.drop_column(table, "process_space")
