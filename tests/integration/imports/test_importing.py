"""Photos of other sources through the stages: the manifests, the taxonomy, a data set, a model."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from photo_folder import SPECIES, herbarium, photo, write
from small_bucket import ROOTS, SmallBucket, uuid_of
from small_bucket import SPECIES as BUCKET_SPECIES
from sqlalchemy import Engine, text

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset import publish as publishing
from mushroom_tasks.errors import ImportFailed
from mushroom_tasks.identifiers import is_own
from mushroom_tasks.imports.folder import folder_items
from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource
from mushroom_tasks.imports.intake import Terms
from mushroom_tasks.imports.sampling import choose
from mushroom_tasks.imports.splitting import SplitShares, split_of
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.names import lineages_of_names
from mushroom_tasks.inat.selecting.selection import select
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.manifests import DOWNLOADS, SELECTION, SPLITS, read_manifest
from mushroom_tasks.settings import IngestSettings, SelectionSettings, Settings, SourceSettings, load_settings
from mushroom_tasks.stages.results import ImportResult, Result
from mushroom_tasks.storage import Store

TERMS = Terms("CC-BY", "Ann Other")
LIMIT = 1_000_000
HEAD = {"name": "head", "depth": 0, "epochs": 1, "learning_rate": 1e-3}
TAXA = [
    (1, "", 100, "stateofmatter", "Life", True),
    (10, "1", 70, "kingdom", "Fungi", True),
    (20, "1/10", 20, "genus", "Amanita", True),
    (21, "1/10/20", 10, "species", "Amanita muscaria", True),
    (22, "1/10/20/21", 5, "variety", "Amanita muscaria guessowii", True),
    (31, "1/10", 10, "species", "Boletus edulis", True),
    (32, "1/10", 10, "species", "Boletus edulis", False),
    (41, "1/10", 10, "species", "Clitocybe nuda", True),
    (51, "1/99", 10, "species", "Clitocybe nuda", True),
    (61, "1/10/20", 10, "species", "Amanita vetusta", False),
    (62, "1/10/20/61", 5, "variety", "Amanita vetusta alba", True),
    (63, "1/10/20", 10, "hybrid", "Amanita mixta", True),
    (64, "1/10", 20, "genushybrid", "Amanitoboletus", True),
    (65, "1/10/20", 11, "complex", "Amanita rubescens", True),
    (66, "1/10/20/65", 10, "species", "Amanita orsonii", True),
    (67, "1/10/20/21", 10, "hybrid", "Boletus edulis", True),
]


@pytest.fixture
def settings(postgres_home: Path, database: str, tmp_path: Path) -> Settings:
    return load_settings({"home": postgres_home, "store_root": str(tmp_path / "store"), "database_url": database})


@pytest.fixture
def loaded(engine: Engine) -> Engine:
    """A database that holds a snapshot's taxa."""
    with engine.begin() as connection:
        for row in TAXA:
            values = dict(zip(("id", "ancestry", "level", "rank", "name", "active"), row, strict=True))
            connection.execute(text("INSERT INTO taxa VALUES (:id, :ancestry, :level, :rank, :name, :active)"), values)
        connection.execute(
            text(
                "INSERT INTO snapshots (fingerprint, source, validators, root_taxa, counts) "
                "VALUES ('f', 's', '{}', '{10}', '{}')"
            )
        )
    return engine


def from_folder(settings: Settings, folder: Path) -> ImportResult:
    return stages.import_photos(settings, folder_items(folder, LIMIT), TERMS)


def tables(settings: Settings, imported: ImportResult) -> tuple[list[dict], list[dict], list[dict]]:
    store = Store(settings.store)
    return (
        read_manifest(store, f"selections/{imported.selection}.parquet", SELECTION).to_pylist(),
        read_manifest(store, f"downloads/{imported.downloads}.parquet", DOWNLOADS).to_pylist(),
        store.read_json(f"selections/{imported.selection}.species.json"),
    )


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


# --- a folder


def test_import_photos__ends_in_the_manifests_of_selection_and_download(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    write(folder, "Amanita_muscaria/broken.jpg", b"<html>")
    imported = from_folder(settings, folder)
    selection, downloads, species = tables(settings, imported)
    assert (imported.photos, imported.species, imported.failures) == (36, 3, {"html": 1})
    assert {row["scientific_name"] for row in selection} == set(SPECIES)
    assert [row["photo_id"] for row in downloads if row["status"] == "ok"] == [row["photo_id"] for row in selection]
    assert {entry["scientific_name"]: len(entry["taxonomy"]) for entry in species} == dict.fromkeys(sorted(SPECIES), 1)
    store = Store(settings.store)
    assert all(
        hashlib.sha256(store.read_bytes(row["path"])).hexdigest() == row["sha256"]
        for row in downloads
        if row["status"] == "ok"
    )


def test_import_photos__again_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    first = from_folder(settings, folder)
    before = contents(Path(settings.store))
    assert from_folder(settings, folder) == first
    assert contents(Path(settings.store)) == before


def test_import_photos__another_folder_of_the_same_photos_is_the_same_data(settings: Settings, tmp_path: Path) -> None:
    first = from_folder(settings, herbarium(tmp_path / "photos"))
    assert from_folder(settings, herbarium(tmp_path / "elsewhere")) == first


def test_import_photos__a_new_photo_moves_no_other(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    before, _, _ = tables(settings, from_folder(settings, folder))
    write(folder, "Boletus_edulis/new.jpg", photo(99))
    after, _, _ = tables(settings, from_folder(settings, folder))
    assert len(after) == len(before) + 1
    assert [row for row in after if row in before] == before


def test_import_photos__refuses_a_source_that_is_mostly_rubbish(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    for number in range(9):
        write(folder, f"Boletus_edulis/{number}.pdf", b"%PDF")
    with pytest.raises(ImportFailed, match=r"9 of 45 files.*imports\.max_failed_ratio.*not_an_image 9.*0\.pdf"):
        from_folder(settings, folder)


def test_import_photos__refuses_an_empty_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportFailed, match="no photos"):
        from_folder(settings, tmp_path / "empty")


def test_import_photos__refuses_a_licence_that_is_none(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="'proprietary'"):
        stages.import_photos(settings, [], Terms("proprietary", "Ann"))


# --- the taxonomy


@pytest.mark.usefixtures("loaded")
def test_import_photos__names_of_the_snapshot_have_its_ids_and_taxonomy(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    for number in range(8):
        write(folder, f"Amanita muscaria guessowii/{number}.jpg", photo(500 + number))
    selection, _, species = tables(settings, from_folder(settings, folder))
    ids = {row["scientific_name"]: row["taxon_id"] for row in selection}
    assert (ids["Amanita muscaria"], ids["Boletus edulis"]) == (21, 31)
    # Two taxa have that name, so neither is taken.
    assert is_own(ids["Clitocybe nuda"])
    assert [row["taxon_id"] for row in selection].count(21) == 20
    assert [step["name"] for step in species[0]["taxonomy"]] == ["Fungi", "Amanita", "Amanita muscaria"]


def test_lineages_of_names__reads_names_as_people_write_them(loaded: Engine) -> None:
    found = lineages_of_names(loaded, ["AMANITA MUSCARIA", "Nobody known", "Clitocybe nuda"])
    assert {name: entry["taxon_id"] for name, entry in found.items()} == {"AMANITA MUSCARIA": 21}


def test_lineages_of_names__knows_each_spelling_of_a_name(loaded: Engine) -> None:
    spellings = ["Amanita Muscaria", "Amanita muscaria", "AMANITA MUSCARIA"]
    found = lineages_of_names(loaded, spellings)
    assert {name: entry["taxon_id"] for name, entry in found.items()} == dict.fromkeys(spellings, 21)


@pytest.mark.usefixtures("loaded")
def test_import_photos__spellings_of_a_name_are_one_class(settings: Settings, tmp_path: Path) -> None:
    folder = herbarium(tmp_path / "photos")
    for number in range(6):
        write(folder, f"Amanita_Muscaria/{number}.jpg", photo(500 + number))
        write(folder, f"Clitocybe_Nuda/{number}.jpg", photo(600 + number))  # unknown: two taxa are called so
    imported = from_folder(settings, folder)
    selection, _, species = tables(settings, imported)
    assert Counter(row["scientific_name"] for row in selection) == {
        "Amanita muscaria": 18, "Boletus edulis": 12, "Clitocybe nuda": 18,
    }  # fmt: skip
    assert imported.species == len(species) == len({row["taxon_id"] for row in selection}) == 3


@pytest.mark.parametrize(
    ("name", "taxon_id"),
    [
        ("Amanita", 20),
        ("Amanita rubescens", 65),
        ("Amanita orsonii", 66),
        ("Amanita muscaria guessowii", 21),
        ("Boletus edulis", 31),  # neither the inactive species nor the hybrid of that name
        ("Amanita vetusta", None),
        ("Amanita vetusta alba", None),
        ("Amanita mixta", None),
        ("Amanitoboletus", None),
    ],
    ids=[
        "genus", "complex", "species of a complex", "variety", "several, one counts", "inactive",
        "below an inactive species", "hybrid", "hybrid of genera",
    ],
)  # fmt: skip
def test_lineages_of_names__counts_for_the_species_that_a_selection_would(
    loaded: Engine, name: str, taxon_id: int | None
) -> None:
    found = lineages_of_names(loaded, [name])
    assert {name: entry["taxon_id"] for name, entry in found.items()} == ({name: taxon_id} if taxon_id else {})


# --- the same rules as in SQL


def test_choose__is_the_rule_of_the_database(engine: Engine, tmp_path: Path) -> None:
    """The same photos of two species through SQL and through `choose`."""
    random, bucket, photos = np.random.default_rng(0), SmallBucket(), []
    for number in range(1, 161):
        observer, numbers = int(random.integers(1, 12)), range(10 * number, 10 * number + int(random.integers(1, 6)))
        bucket.observe(number, BUCKET_SPECIES[number % 2], observer, list(numbers))
        observation = {
            "observation_uuid": uuid_of("observation", number),
            "observer_id": observer,
            "species": number % 2,
        }
        photos += [{"photo_id": photo_id, **observation} for photo_id in numbers]
    chosen = SelectionSettings(
        seed=3, photos_per_species=60, min_photos_per_species=1, max_photos_per_observation=3, max_photos_per_observer=9
    )
    store = Store(tmp_path / "snapshots")
    snapshot = fetch(str(bucket.write(tmp_path / "bucket")), store, SourceSettings(), None)
    load(engine, store, snapshot, source="h", root_taxa=ROOTS, settings=IngestSettings(), progress_folder=None)
    expected = select(engine, ROOTS, chosen)
    splits = dict(zip(expected["photo_id"].to_pylist(), expected["split"].to_pylist(), strict=True))

    found = [row for species in (0, 1) for row in choose((p for p in photos if p["species"] == species), chosen)]
    shares = SplitShares.of(chosen)
    assert {row["photo_id"]: split_of(row["observer_id"], shares) for row in found} == splits


# --- a Hugging Face data set


def test_import_photos__of_a_hugging_face_data_set_keeps_its_splits(settings: Settings, tmp_path: Path) -> None:
    import datasets

    names = sorted(SPECIES)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    for split, count, seed in (("train", 30, 0), ("test", 9, 1000)):
        rows = [{"image": {"bytes": photo(seed + n), "path": None}, "label": n % 3} for n in range(count)]
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / f"{split}.parquet")
    source = HuggingFaceSource(str(folder), Columns())
    selection, _, _ = tables(settings, stages.import_photos(settings, source.items(LIMIT), TERMS))
    counts = {split: sum(row["split"] == split for row in selection) for split in SPLITS}
    assert counts["test"] == 9
    assert counts["train"] + counts["validation"] == 30
    assert 0 < counts["validation"] < 12


# --- all the way


def test_folder__becomes_a_data_set_that_a_model_is_trained_on(settings: Settings, tmp_path: Path) -> None:
    untrained = {"embedding": {"weights": "none"}, "training": {"weights": "none", "phases": [HEAD]}}
    settings = load_settings({**settings.model_dump(include={"home", "store_root", "database_url"}), **untrained})
    said = []

    def report(stage: str, result: Result) -> None:
        said.append((stage, result))

    imported = from_folder(settings, herbarium(tmp_path / "photos", photos=14, observers=9))
    dataset = stages.finish(settings, imported.downloads, imported.shards, "folder photos", report)
    plan = stages.plan_training(settings, dataset.fingerprint)
    trained = stages.train(settings, plan)

    assert [stage for stage, _ in said] == ["embed", "prune", "report", "review", "publish"]
    assert (dataset.photos, dataset.species, trained.classes) == (42, 3, 3)
    assert plan.is_new
    store = Store(settings.store)
    published = publishing.find_dataset(store, dataset.fingerprint)
    assert published.inputs["origin"] == "folder photos"
    lines = list(csv.DictReader(io.StringIO(store.read_bytes(published.file("attribution.csv")).decode(), newline="")))
    assert {row["attribution"].partition(",")[2] for row in lines} == {" some rights reserved (CC BY)"}
    assert {row["observer_name"] for row in lines} == {f"Observer {n}" for n in range(9)}
    assert {row["photo_url"] + row["observation_url"] for row in lines} == {""}
    card = store.read_bytes(published.file("README.md")).decode()
    assert "another source (folder photos)" in card
    assert "inaturalist.org" not in card
    rows = read_manifest(store, published.file("pruned.parquet"), SELECTION)
    assert pc.count_distinct(rows["observer_id"]).as_py() == 9
