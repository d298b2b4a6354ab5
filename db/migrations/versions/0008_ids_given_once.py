"""The highest ids of rows that were removed, so that no later row gets one of them (`db.ids`).

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = ("ablation", "run", "job", "attempt")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(
            "identity", sa.Column(f"last_{table}_id", sa.Integer(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_column("identity", f"last_{table}_id")
