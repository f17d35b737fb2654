"""Photos that were withdrawn leave the store."""

from __future__ import annotations

from pathlib import Path

from mushroom_tasks.photos.store import photo_path
from mushroom_tasks.photos.withdrawal import delete
from mushroom_tasks.storage import Store


def test_delete__removes_every_size_of_a_photo_and_no_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    gone = [photo_path("medium", 7, "jpg"), photo_path("large", 7, "jpeg"), "photos/medium-256/007/7.jpg"]
    kept = [photo_path("medium", 1007, "jpg"), photo_path("medium", 77, "jpg"), photo_path("large", 8, "png")]
    for path in gone + kept:
        store.write_bytes(path, b"photo")

    assert delete(store, [7, 5555]) == 3
    assert [path for path in gone + kept if store.exists(path)] == kept


def test_delete__run_again_finds_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_bytes(photo_path("medium", 7, "jpg"), b"photo")

    assert [delete(store, [7]), delete(store, [7])] == [1, 0]


def test_delete__an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert delete(Store(tmp_path / "none"), [1, 2]) == 0


def test_delete__works_in_an_object_store() -> None:
    store = Store("memory://withdrawal")
    store.write_bytes(photo_path("medium", 7, "jpg"), b"photo")

    assert delete(store, [7]) == 1
    assert not store.exists(photo_path("medium", 7, "jpg"))
