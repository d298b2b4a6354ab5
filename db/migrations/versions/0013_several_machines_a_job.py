"""Jobs whose devices are of several machines.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("nodes", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("job", sa.Column("elastic", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("worker", sa.Column("address", sa.String(), nullable=True))
    op.add_column("seat", sa.Column("told", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("seat", "told")
    op.drop_column("worker", "address")
    op.drop_column("job", "elastic")
    op.drop_column("job", "nodes")
