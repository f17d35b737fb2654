"""Tables with a long tail, made by PostgreSQL itself: as many photos as wanted, always the same for the same number.

Species follow Zipf's law with an offset, observers Zipf's law, photos per observation what iNaturalist shows (mostly
one, seldom more than six). Half of the observations are research grade, one photo in 5,000 is on a second observation.
20 million photos take about three minutes and 7 GB.

    fill(engine, photos=20_000_000)
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

from mushroom_tasks.db.models import Base

ROOT = 47170
SPECIES, GENERA, OBSERVERS = 12_000, 600, 300_000
PHOTOS_PER_OBSERVATION = 1.87
_TABLES = ("taxa", "observations", "photos", "observers")

# share(n, salt): a number from 0 to 1 that looks random and depends on n and salt alone.
_SHARE = "((hashint8extended({n}, {salt}) & 1152921504606846975) / 1152921504606846976.0::float8)"
_TAXA = """
INSERT INTO taxa (taxon_id, ancestry, rank_level, rank, name, active)
SELECT :root, '48460', 70, 'kingdom', 'Fungi', true
UNION ALL
SELECT 100000 + n, '48460/' || :root, 20, 'genus', 'Genus' || n, true FROM generate_series(1, :genera) AS n
UNION ALL
SELECT 200000 + n, '48460/' || :root || '/' || 100001 + n % :genera, 10, 'species',
       'Genus' || 1 + n % :genera || ' species' || n, true
FROM generate_series(1, :species) AS n
"""
_OBSERVATIONS = f"""
INSERT INTO observations
SELECT md5('observation' || n)::uuid, observer, latitude, longitude, 20,
       CASE WHEN kind < 0.15 THEN 100000 + ceil(:genera * rank ^ 2)::int
            ELSE 200001 + floor(20 * ((:species + 20) / 20.0::float8) ^ rank - 20)::int END,
       CASE WHEN kind < 0.15 THEN 'needs_id' WHEN kind < 0.65 THEN 'research' WHEN kind < 0.95 THEN 'needs_id'
            ELSE 'casual' END,
       date '2010-01-01' + floor(5800 * sqrt(day))::int,
       round((2 * score)::numeric, 4)::float8
FROM (
    SELECT n, ceil(CAST(:observers AS float8) ^ {_SHARE.format(n="n", salt=1)})::int AS observer,
           {_SHARE.format(n="n", salt=2)} AS kind, {_SHARE.format(n="n", salt=3)} AS rank,
           -60 + 130 * {_SHARE.format(n="n", salt=4)} AS latitude,
           -180 + 360 * {_SHARE.format(n="n", salt=5)} AS longitude,
           {_SHARE.format(n="n", salt=6)} AS day, {_SHARE.format(n="n", salt=7)} AS score
    FROM generate_series(1, :observations) AS n
) AS drawn
"""
_PHOTOS = f"""
INSERT INTO photos
SELECT md5('photo' || photo_id)::uuid, photo_id, observation_uuid, observer_id, 'jpg',
       CASE WHEN license < 0.75 THEN 'CC-BY-NC' WHEN license < 0.9 THEN 'CC-BY' ELSE 'CC0' END, 2048, 1536, position
FROM (
    SELECT row_number() OVER () AS photo_id, observation_uuid, observer_id, position,
           {_SHARE.format(n="observer_id", salt=8)} AS license
    FROM (
        SELECT observation_uuid, observer_id,
               {_SHARE.format(n="uuid_hash_extended(observation_uuid, 0)", salt=9)} AS many
        FROM observations
    ) AS drawn,
    generate_series(0, CASE WHEN many < 0.6 THEN 0 WHEN many < 0.8 THEN 1 WHEN many < 0.9 THEN 2
                            WHEN many < 0.99 THEN 4 ELSE 11 END) AS position
) AS numbered
"""
_SHARED = """
INSERT INTO photos
SELECT p.photo_uuid, p.photo_id, o.observation_uuid, p.observer_id, p.extension, p.license, p.width, p.height, 99
FROM photos AS p JOIN observations AS o ON o.observation_uuid = md5('observation' || p.photo_id / 5000)::uuid
WHERE p.photo_id % 5000 = 0
ON CONFLICT DO NOTHING
"""
_OBSERVERS = """
INSERT INTO observers SELECT n, 'user' || n, 'Name ' || n FROM generate_series(1, :observers) AS n
"""


def fill(engine: Engine, photos: int) -> None:
    """Fill a migrated, empty database; keys and indexes are those of the models, made at the end as a load does."""
    values = {
        "root": ROOT, "species": SPECIES, "genera": GENERA, "observers": OBSERVERS,
        "observations": round(photos / PHOTOS_PER_OBSERVATION),
    }  # fmt: skip
    with engine.begin() as connection:
        tables = [Base.metadata.tables[name] for name in _TABLES]
        for table in tables:
            connection.execute(DropConstraint(table.primary_key))
            for index in table.indexes:
                connection.execute(DropIndex(index))
            # Filled in the transaction that empties them, which spares the log of changes.
            connection.execute(text(f"TRUNCATE {table.name}"))
        for statement in (_TAXA, _OBSERVATIONS, _PHOTOS, _SHARED, _OBSERVERS):
            connection.execute(text(statement), values)
        _index(connection)


def _index(connection: Connection) -> None:
    for name in _TABLES:
        table = Base.metadata.tables[name]
        connection.execute(AddConstraint(table.primary_key))
        for index in table.indexes:
            connection.execute(CreateIndex(index))
        connection.execute(text(f"ANALYZE {name}"))
