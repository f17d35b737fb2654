"""The stages of the DAG `inat_ingest`, from one snapshot to the next and back: one home, its steps in order."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bucket_server import Server
from small_bucket import ROOT, SPECIES, SmallBucket, ordinary
from sqlalchemy import text
from typer.testing import CliRunner

from mushroom_tasks import stages
from mushroom_tasks.cli.main import app
from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.errors import RollbackError
from mushroom_tasks.inat.refresh.history import latest_load, loads
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.results import IngestResult
from mushroom_tasks.storage import Store
from mushroom_tasks.tracking import KEY_TAG

FIRST, SECOND, _ = SPECIES
EVIL = "<script>alert(1)</script>"


class Home:
    """A home whose source is a folder that publishes one bucket after the other."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "bucket"
        self.settings = load_settings({"home": folder / "home", "source": str(self.source), "root_taxa": [ROOT]})
        self.store = Store(self.settings.store)

    def publish(self, bucket: SmallBucket) -> None:
        bucket.write(self.source)
        time.sleep(0.01)  # another time of change, where the file system counts in milliseconds

    def ingest(self, *, again: bool = False) -> IngestResult | None:
        """Run both stages; None where the first one finds nothing new."""
        fetched = stages.snapshot(self.settings, again=again)
        return stages.ingest(self.settings, fetched) if fetched.is_new else None

    def loaded(self) -> list[tuple[str, str]]:
        engine = open_engine(self.settings)
        try:
            return [(load.kind, load.fingerprint) for load in loads(engine)]
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[Home]:
    """Two snapshots are loaded, the second one with changes of every kind."""
    home = Home(folder)
    try:
        home.publish(ordinary())
        assert home.ingest() is not None
        home.publish(_later())
        assert home.ingest() is not None
        yield home
    finally:
        embedded.stop(home.settings.home)


@pytest.fixture
def server(home: Home) -> Iterator[Server]:
    """The folder that is published, over HTTP."""
    server = Server(home.source)
    yield server
    server.stop()


def _later() -> SmallBucket:
    """Photos 500 and 501 are new, 1 is gone, 2 has another licence, and a species with 8 photos another name."""
    bucket = ordinary()
    bucket.observe(500, FIRST, 9, [500, 501])
    bucket.photos = [(*row[:5], "CC0", *row[6:]) if row[1] == 2 else row for row in bucket.photos if row[1] != 1]
    bucket.taxa = [(*row[:4], EVIL, row[5]) if row[0] == FIRST else row for row in bucket.taxa]
    return bucket


def _settings(home: Home, **values: object) -> Settings:
    return load_settings({"home": home.settings.home, "source": home.settings.source, "root_taxa": [ROOT], **values})


def _runs(settings: Settings) -> list[dict[str, object]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=embedded.url(settings.home, "mlflow"))
    experiment = client.get_experiment_by_name("inat_ingest")
    return [
        {
            "key": run.data.tags[KEY_TAG],
            "metrics": run.data.metrics,
            "params": run.data.params,
            "artifacts": sorted(file.path for file in client.list_artifacts(run.info.run_id, "changes")),
        }
        for run in client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    ]


def _report(home: Home) -> Path:
    (page,) = Path(home.settings.store, "loads").glob("*/changes.html")
    return page


# --- the report of the second load


def test_ingest__reports_what_the_second_snapshot_changed(home: Home) -> None:
    result = IngestResult.model_validate(json.loads((_report(home).parent / "load.json").read_text())["result"])

    (_, second), (_, first) = home.loaded()
    assert (result.fingerprint, result.since, result.photos) == (second, first, 34)
    counts = {name: count for name, count in result.changes.items() if count}
    assert counts == {
        "photos_before": 33, "photos_after": 34, "added": 2, "removed": 1, "changed": 1, "relicensed": 1, "species": 1,
    }  # fmt: skip
    assert result.report == str(_report(home))


def test_ingest__writes_a_table_a_picture_and_a_page_with_escaped_names(home: Home) -> None:
    page = _report(home)
    rows = pq.read_table(page.parent / "changes.parquet").to_pylist()

    assert [(row["taxon_id"], row["scientific_name"], row["added"]) for row in rows] == [(FIRST, EVIL, 2)]
    assert (page.parent / "changes.png").read_bytes().startswith(b"\x89PNG")
    html = page.read_text()
    assert EVIL not in html
    assert "&lt;script&gt;" in html
    assert "2 added" in html
    assert 'src="data:image/png;base64,' in html


def test_ingest__has_one_run_per_load_with_the_counts_as_metrics(home: Home) -> None:
    first, second = _runs(home.settings)

    assert first["key"] != second["key"]
    assert first["artifacts"] == []
    assert second["artifacts"] == ["changes/changes.html", "changes/changes.parquet", "changes/changes.png"]
    metrics = second["metrics"]
    assert isinstance(metrics, dict)
    assert (metrics["changes/added"], metrics["changes/removed"], metrics["rows_kept/photos"]) == (2, 1, 34)
    assert metrics["findings/photo_ids_shared"] == 0


def test_ingest__of_what_is_loaded_writes_the_same_report_again(home: Home) -> None:
    fetched = stages.snapshot(home.settings)
    page, runs = _report(home).read_bytes(), _runs(home.settings)

    stages.ingest(home.settings, fetched)

    assert _report(home).read_bytes() == page
    assert _runs(home.settings) == runs
    assert len(home.loaded()) == 2


def test_snapshot__that_is_loaded_is_nothing_new(home: Home) -> None:
    found = stages.snapshot(home.settings)

    assert (found.is_new, found.is_rolled_back, found.bytes) == (False, False, 0)


def test_snapshot__that_is_loaded_costs_a_head_request_per_file(home: Home, server: Server) -> None:
    over_http = _settings(home, source=server.address)
    assert not stages.snapshot(over_http).is_new  # known by its content: from now on by its validators
    server.requests.clear()

    found = stages.snapshot(over_http)

    assert (found.is_new, found.bytes) == (False, 0)
    assert sorted(server.requests) == sorted(("HEAD", name) for name in FILES)
    stages.snapshot(home.settings)  # remembers the folder again


def test_snapshot__recognises_a_mirror_by_its_content(home: Home, folder: Path) -> None:
    mirror = shutil.copytree(home.source, folder / "mirror", copy_function=shutil.copyfile)

    found = stages.snapshot(_settings(home, source=str(mirror)))

    assert (found.is_new, found.fingerprint) == (False, home.loaded()[0][1])
    assert stages.snapshot(_settings(home, source=str(mirror))).bytes == 0  # remembered
    stages.snapshot(home.settings)


def test_snapshot__of_a_load_that_did_not_come_to_its_end_is_new(home: Home) -> None:
    marker = _report(home).parent / "load.json"
    ended = json.loads(marker.read_text())
    try:
        marker.write_text(json.dumps({**ended, "loaded_at": "2020-01-01T00:00:00+00:00"}))
        assert stages.snapshot(home.settings).is_new
    finally:
        marker.write_text(json.dumps(ended))
    assert not stages.snapshot(home.settings).is_new


# --- back, and forward again; each test goes on where the one before it ended


def test_rollback__of_the_command_line_says_what_it_did(home: Home) -> None:
    (_, second), (_, first) = home.loaded()

    done = CliRunner().invoke(app, ["rollback", "--workdir", str(home.settings.home)])

    assert done.exit_code == 0, done.output
    assert f"load of snapshot {second} is undone" in done.output
    assert f"holds snapshot {first} again: 33 photos" in done.output
    assert home.loaded()[0] == ("rollback", first)
    with pytest.raises(RollbackError, match="rolled back already"):
        stages.rollback(home.settings)


def test_snapshot__that_was_rolled_back_is_not_loaded_by_itself(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (_, first), (_, second), _ = home.loaded()

    found = stages.snapshot(home.settings)

    assert (found.is_new, found.is_rolled_back, found.fingerprint) == (False, True, second)
    assert "was rolled back and stays out" in caplog.text
    (home.source / "taxa.csv.gz").touch()  # looks new and is the same
    assert stages.snapshot(home.settings).is_rolled_back
    assert home.loaded()[0] == ("rollback", first)


def test_snapshot__that_was_rolled_back_counts_for_other_root_taxa(home: Home) -> None:
    assert stages.snapshot(_settings(home, root_taxa=[100])).is_new


def test_ingest__again_loads_what_was_rolled_back(home: Home) -> None:
    result = home.ingest(again=True)

    assert result is not None
    assert result.changes["added"] == 2
    assert [kind for kind, _ in home.loaded()] == ["load", "rollback", "load", "load"]
    assert len(_runs(home.settings)) == 2  # the same load beside the same snapshot
    assert home.ingest() is None


def test_ingest__of_another_publication_after_a_rollback(home: Home) -> None:
    stages.rollback(home.settings)
    assert home.ingest() is None
    bucket = _later()
    bucket.observe(501, SECOND, 9, [600])
    home.publish(bucket)

    result = home.ingest()

    assert result is not None
    assert (result.since, result.changes["added"], result.changes["removed"]) == (home.loaded()[1][1], 3, 1)


def test_ingest__deletes_old_snapshots_but_not_the_one_for_a_rollback(home: Home) -> None:
    before = [name for kind, name in home.loaded() if kind == "load"]
    bucket = ordinary()
    bucket.observe(502, SECOND, 9, [700])
    home.publish(bucket)
    kept = _settings(home, source_access={"keep_snapshots": 1})

    result = stages.ingest(kept, stages.snapshot(kept))

    assert set(home.store.list("snapshots")) == {result.fingerprint, before[0]}
    assert stages.rollback(home.settings).fingerprint == before[0]


def test_loads__of_the_command_line_lists_the_history(home: Home) -> None:
    done = CliRunner().invoke(app, ["loads", "--workdir", str(home.settings.home)])
    detailed = CliRunner().invoke(app, ["loads", "--json", "--workdir", str(home.settings.home)])

    lines = done.output.splitlines()
    assert len(lines) == len(home.loaded())
    assert "rollback" in lines[0]
    assert "33 photos" in lines[-1]
    assert "2 added, 1 removed, 0 moved, 1 changed" in lines[-2]
    assert json.loads(detailed.output)[-1]["counts"]["photos"]["kept"] == 33


def test_select__after_a_rollback_uses_the_rows_that_are_back(home: Home) -> None:
    engine = open_engine(home.settings)
    with engine.connect() as connection:
        held = set(connection.execute(text("SELECT photo_id FROM photos")).scalars())
    latest = latest_load(engine)
    engine.dispose()
    assert latest is not None
    assert latest.kind == "rollback"

    selected = stages.select(_settings(home, selection={"min_photos_per_species": 1}))

    assert 700 not in held
    assert selected.photos == len(held) - 3  # those of a hybrid, a genus and an inactive taxon
