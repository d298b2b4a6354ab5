"""A key of the state's own; artifacts of more than 2 GiB in PostgreSQL, which SQLite's integers hold already.

Revision ID: 0004
Revises: 0003
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
    )
    op.bulk_insert(identity, [{"key": secrets.token_hex(16), "shared": False}])
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("artifact", "bytes", type_=sa.BigInteger())


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("artifact", "bytes", type_=sa.Integer())
    op.drop_table("identity")
