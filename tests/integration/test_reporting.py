"""The stage that makes the report: from manifest, embeddings and photos to the store and to MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from report_rows import FLY_AGARIC, PENNY_BUN, RARE, mixed

from mushroom_tasks import manifests
from mushroom_tasks.curation.report.pictures import jpeg
from mushroom_tasks.db import embedded
from mushroom_tasks.errors import StorageError
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.pruning import classes_path
from mushroom_tasks.stages.reporting import report
from mushroom_tasks.stages.results import ReportResult
from mushroom_tasks.storage import Store

PRUNED = "ab12ab12ab12ab12"
FEATURES = 16


def fill(settings: Settings) -> Store:
    """Put a pruned manifest with its classes, embeddings and photos into the store."""
    store = Store(settings.store)
    rows = mixed()
    doubts = rows["doubt"].to_pylist()
    doubts[20] = doubts[50] = "two_labels"  # a fly agaric and a penny bun
    rows = rows.set_column(rows.schema.get_field_index("doubt"), rows.schema.field("doubt"), pa.array(doubts))
    manifests.write_manifest(store, f"pruned/{PRUNED}.parquet", rows, manifests.PRUNED, PRUNED)
    curves = {
        FLY_AGARIC: {"eps": 0.5, "photos": 40, "k_distances": [0.9, 0.1, 0.3]},
        RARE: {"eps": None, "photos": 3, "k_distances": []},
    }
    store.write_json(classes_path(PRUNED), {str(taxon): curve for taxon, curve in curves.items()})
    random = np.random.default_rng(0)
    vectors = random.random((rows.num_rows, FEATURES), np.float32)
    vectors[50] = vectors[20]
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), FEATURES)
    columns = [rows["photo_id"], rows["sha256"], embedding]
    known = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    known.add(pa.table(columns, schema=manifests.embeddings_schema(FEATURES)))
    for number, path in enumerate(rows["path"].to_pylist()):
        color = (number * 4 % 256, number * 7 % 256, 90)
        store.write_bytes(path, jpeg(Image.new("RGB", (200, 150), color)))
    store.delete(rows["path"][5].as_py())  # a photo that iNaturalist has withdrawn
    return store


@pytest.fixture(scope="module")
def settings(postgres_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    store = tmp_path_factory.mktemp("reports") / "store"
    shown = {"photos_per_class": 12, "map_photos": 50}
    return load_settings({"home": postgres_home, "store_root": str(store), "report": shown})


@pytest.fixture(scope="module")
def made(settings: Settings) -> ReportResult:
    fill(settings)
    return report(settings, PRUNED)


def runs(settings: Settings) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=embedded.url(settings.home, "mlflow"))
    experiment = client.get_experiment_by_name("dataset_build").experiment_id
    return client.search_runs([experiment], f"tags.pruned = '{PRUNED}'")


def artifacts(settings: Settings, folder: str) -> set[str]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=embedded.url(settings.home, "mlflow"))
    return {entry.path for entry in client.list_artifacts(runs(settings)[0].info.run_id, folder)}


def test_report__leaves_a_page_sheets_figures_and_tables(settings: Settings, made: ReportResult) -> None:
    store, folder = Store(settings.store), f"reports/{made.fingerprint}"

    assert (made.species, made.photos, made.sheets, made.page) == (3, 63, 3, None)
    assert made.address == store.address(folder, "report.html")
    assert set(store.list(folder)) == {
        "report.html", "report.json", "sheets", "map.png", "map_photos.jpg", "k_distances.png", "classes.json",
        "classes.parquet",
    }  # fmt: skip
    assert store.list(f"{folder}/sheets")[:2] == [
        f"amanita-muscaria-{FLY_AGARIC}.png",
        f"boletus-edulis-{PENNY_BUN}.png",
    ]


def test_report__shows_the_same_picture_under_two_species_side_by_side(settings: Settings, made: ReportResult) -> None:
    html = Store(settings.store).read_bytes(f"reports/{made.fingerprint}/report.html").decode()
    twins = html.partition('id="twins"')[2].partition("</section>")[0]
    first = twins.partition('class="tiles group"')[2].partition('class="tiles group"')[0]

    assert "Photo 120, filed as Amanita muscaria" in first
    assert "Photo 210, filed as Boletus edulis" in first


def test_report__is_in_the_data_sets_run(settings: Settings, made: ReportResult) -> None:
    (run,) = runs(settings)

    assert run.data.tags["mushroom.key"] == PRUNED  # publish goes on in it
    assert run.data.params["pruning.min_samples"] == str(settings.pruning.min_samples)
    assert run.data.metrics["pruning/pruned"] == 7
    folder = f"report/{made.fingerprint}"
    assert {f"{folder}/{name}" for name in ("report.html", "map.png", "k_distances.png")} <= artifacts(settings, folder)
    assert len(artifacts(settings, f"{folder}/sheets")) == made.sheets
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": f"{folder}/classes.json", "type": "table"}]


def test_report__its_table_is_one_that_mlflow_reads(
    settings: Settings, made: ReportResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", embedded.url(settings.home, "mlflow"))
    client = MlflowClient()
    (run,) = runs(settings)
    table = client.load_table(run.info.experiment_id, f"report/{made.fingerprint}/classes.json", [run.info.run_id])

    assert sorted(table["photos"]) == [3, 20, 40]


def test_report__is_made_and_logged_once(settings: Settings, made: ReportResult) -> None:
    page = Path(made.address)
    before = page.stat().st_mtime_ns

    assert report(settings, PRUNED) == made
    assert page.stat().st_mtime_ns == before
    assert len(runs(settings)) == 1


def test_report__cut_off_before_its_end_is_the_same_when_made_again(settings: Settings, made: ReportResult) -> None:
    """Curves, sampling and layout hold no chance, so a second try leaves the same bytes."""
    store, page = Store(settings.store), Path(made.address)
    before = page.read_bytes()
    store.delete(f"reports/{made.fingerprint}/report.json")
    store.delete("tracked", recursive=True)

    assert report(settings, PRUNED) == made
    assert page.read_bytes() == before
    assert len(runs(settings)) == 1


def test_report__without_photos_has_no_picture_of_any(settings: Settings, made: ReportResult) -> None:
    bare = settings.model_copy(update={"report": settings.report.model_copy(update={"photos_per_class": 0})})
    result = report(bare, PRUNED)
    html = Path(result.address).read_text(encoding="utf-8")

    assert result.fingerprint != made.fingerprint
    assert result.sheets == 0
    assert "<img" not in html
    assert "map_photos.jpg" not in Store(settings.store).list(f"reports/{result.fingerprint}")
    # In MLflow both are whole, and neither has a sheet of the other.
    assert artifacts(settings, f"report/{result.fingerprint}/sheets") == set()
    assert len(artifacts(settings, f"report/{made.fingerprint}/sheets")) == made.sheets
    assert len(runs(settings)) == 1


def test_report__of_a_manifest_that_is_not_there_says_so(settings: Settings) -> None:
    with pytest.raises(StorageError, match="Run the stage that makes it first"):
        report(settings, "0" * 16)
