"""The full history of loads: what each found, what it changed, and the photos it withdrew.

Loads from before this migration keep their rows; they have no findings and no comparison, and cannot be rolled back,
for nothing kept the tables that they replaced.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTS = (
    "photos_before", "photos_after", "added", "removed", "moved_in", "moved_out", "changed", "relicensed", "regraded",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("kind", sa.String(), server_default="load", nullable=False))
    op.add_column(
        "snapshots",
        sa.Column("findings", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("snapshots", sa.Column("changes", postgresql.JSONB(), nullable=True))
    op.create_table(
        "species_changes",
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("taxon_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("scientific_name", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("snapshot_id", "taxon_id", name="pk_species_changes"),
    )
    op.create_table(
        "withdrawn_photos",
        sa.Column("photo_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("photo_id", "extension", name="pk_withdrawn_photos"),
    )


def downgrade() -> None:
    op.drop_table("withdrawn_photos")
    op.drop_table("species_changes")
    for column in ("changes", "findings", "kind"):
        op.drop_column("snapshots", column)
