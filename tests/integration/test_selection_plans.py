"""What PostgreSQL does for a selection: which plans it makes, and for how many rows it hashes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from small_bucket import ROOT, ROOTS
from sqlalchemy import Connection, Engine, event

from mushroom_tasks.inat.selecting.selection import choose
from mushroom_tasks.settings import SelectionSettings

# Observations of one species lie as far from each other as they can, as those of iNaturalist do.
_FILL = """
INSERT INTO taxa VALUES ({root}, '', 70, 'kingdom', 'Fungi', true);
INSERT INTO taxa
SELECT n, '{root}', 10, 'species', 'Amanita ' || n, true FROM generate_series(1000, 999 + {species}) AS n;
INSERT INTO observations
SELECT md5('observation' || n)::uuid, n %% 997, 55.7, 12.5, 10, 1000 + n %% {species}, 'research', '2024-09-01', 1.5
FROM generate_series(1, {species} * {per_species}) AS n;
INSERT INTO photos
SELECT md5('photo' || n)::uuid, n, md5('observation' || n)::uuid, n %% 997, 'jpg', 'CC-BY', 800, 600, 0
FROM generate_series(1, {species} * {per_species}) AS n;
INSERT INTO snapshots (fingerprint, source, validators, root_taxa, counts)
VALUES ('f', 's', '{{}}', '{{{root}}}', '{{}}');
ANALYZE;
"""
# Found before PostgreSQL's own where its schema comes first; a sequence is counted whatever happens to the transaction.
_COUNTED_MD5 = """
CREATE SCHEMA counting;
CREATE SEQUENCE counting.calls;
CREATE FUNCTION counting.md5(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE COST 1 AS $$
BEGIN
    PERFORM nextval('counting.calls');
    RETURN pg_catalog.md5(value);
END $$;
"""


def _fill(engine: Engine, species: int, per_species: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(_FILL.format(root=ROOT, species=species, per_species=per_species))


@contextmanager
def _at_each_begin(engine: Engine, statement: str) -> Iterator[None]:
    def run(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "begin", run)
    yield
    event.remove(engine, "begin", run)


def _plans(engine: Engine, settings: SelectionSettings, caplog: pytest.LogCaptureFixture) -> str:
    """Return the plans of all statements of a selection, as the server itself reports them."""
    explain = "LOAD 'auto_explain'; SET LOCAL client_min_messages = log; SET LOCAL auto_explain.log_min_duration = 0"
    reports = "sqlalchemy.dialects.postgresql"  # where SQLAlchemy takes what the server reports
    with caplog.at_level(logging.INFO, reports), _at_each_begin(engine, explain):
        choose(engine, ROOTS, settings)
    return "\n".join(record.getMessage() for record in caplog.records if record.name == reports)


def test_choose__of_a_handful_of_species_reads_through_the_indexes(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    _fill(engine, species=1000, per_species=100)

    plans = _plans(engine, SelectionSettings(species=("1007", "1300", "1900")), caplog)

    assert re.search("(using|on) ix_observations_taxon_id", plans)
    assert re.search("(using|on) ix_photos_observation_uuid", plans)
    assert "Seq Scan on observations" not in plans
    assert "Seq Scan on photos" not in plans


def test_choose__of_all_species_passes_once_over_either_table(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    _fill(engine, species=1000, per_species=30)

    plans = _plans(engine, SelectionSettings(species_count=1000), caplog)

    assert plans.count("Seq Scan on observations") == 1
    assert plans.count("Seq Scan on photos") == 1


def test_choose__hashes_no_photo_of_a_species_that_is_not_chosen(engine: Engine) -> None:
    _fill(engine, species=200, per_species=40)
    with engine.begin() as connection:
        connection.exec_driver_sql(_COUNTED_MD5)

    with _at_each_begin(engine, "SET LOCAL search_path = counting, pg_catalog, public"):
        found = choose(engine, ROOTS, SelectionSettings(species_count=3))

    with engine.connect() as connection:
        hashed = connection.exec_driver_sql("SELECT last_value FROM counting.calls").scalar_one()
    assert found.photos.num_rows == 3 * 40
    # A few times each, for the limit, the order and the observer's split; the other species have 7,880 photos.
    assert 3 * 40 <= hashed <= 5 * 3 * 40
