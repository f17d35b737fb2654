"""Taxa, observations, photos, observers, and the history of loads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taxa",
        sa.Column("taxon_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("ancestry", sa.String(), nullable=False),
        sa.Column("rank_level", sa.Float(), nullable=True),
        sa.Column("rank", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("taxon_id", name="pk_taxa"),
    )
    op.create_table(
        "observations",
        sa.Column("observation_uuid", sa.Uuid(), nullable=False),
        sa.Column("observer_id", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("positional_accuracy", sa.BigInteger(), nullable=True),
        sa.Column("taxon_id", sa.BigInteger(), nullable=False),
        sa.Column("quality_grade", sa.String(), nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=True),
        sa.Column("anomaly_score", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("observation_uuid", name="pk_observations"),
    )
    op.create_index("ix_observations_taxon_id", "observations", ["taxon_id"])
    op.create_table(
        "photos",
        sa.Column("photo_uuid", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("observation_uuid", sa.Uuid(), nullable=False),
        sa.Column("observer_id", sa.BigInteger(), nullable=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("license", sa.String(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("photo_id", "observation_uuid", name="pk_photos"),
    )
    op.create_index("ix_photos_observation_uuid", "photos", ["observation_uuid"])
    op.create_table(
        "observers",
        sa.Column("observer_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("login", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("observer_id", name="pk_observers"),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("validators", postgresql.JSONB(), nullable=False),
        sa.Column("root_taxa", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshots"),
    )


def downgrade() -> None:
    for table in ("snapshots", "observers", "photos", "observations", "taxa"):
        op.drop_table(table)
