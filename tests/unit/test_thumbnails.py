"""thumbnails: small copies of photos, made once and made anew from the pixels."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pictures import scenery
from PIL import Image

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.photos.thumbnails import thumbnail, thumbnail_path
from mushroom_tasks.photos.withdrawal import delete
from mushroom_tasks.storage import Store

PATH, SHA256 = "photos/medium/036/128036.jpg", "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def _photo(store: Store, picture: Image.Image, **options: object) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    store.write_bytes(PATH, buffer.getvalue())


def _size(data: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image.size


@pytest.mark.parametrize(
    ("size", "expected"), [((500, 375), (160, 120)), ((375, 500), (120, 160)), ((90, 60), (90, 60))]
)
def test_thumbnail__its_shorter_side_is_as_long_as_asked_or_as_the_photo(
    store: Store, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    _photo(store, scenery(1, size))
    assert _size(thumbnail(store, 128036, PATH, SHA256, 120)) == expected


def test_thumbnail__is_made_once(store: Store) -> None:
    _photo(store, scenery(1))
    first = thumbnail(store, 128036, PATH, SHA256, 120)
    store.delete(PATH)

    assert thumbnail(store, 128036, PATH, SHA256, 120) == first
    assert store.list("thumbnails/120/036") == [f"128036.{SHA256[:16]}.jpg"]


def test_thumbnail__of_another_content_is_another_one(store: Store) -> None:
    _photo(store, scenery(1))
    first = thumbnail(store, 128036, PATH, SHA256, 120)
    _photo(store, scenery(2))

    assert thumbnail(store, 128036, PATH, "cd" * 32, 120) != first


def test_thumbnail__is_upright_and_carries_nothing_but_the_picture(store: Store) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "<script>where it was taken</script>"
    _photo(store, scenery(1), exif=exif)

    data = thumbnail(store, 128036, PATH, SHA256, 120)

    assert _size(data) == (120, 160)
    assert b"script" not in data
    assert not Image.open(io.BytesIO(data)).getexif()


def test_thumbnail__a_file_that_is_no_photo_is_refused_and_nothing_kept(store: Store) -> None:
    store.write_bytes(PATH, b"<html>not found</html>")
    with pytest.raises(PhotoError, match="web page"):
        thumbnail(store, 128036, PATH, SHA256, 120)
    assert store.list("thumbnails") == []


def test_thumbnail__a_photo_that_is_gone_is_missing(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        thumbnail(store, 128036, PATH, SHA256, 120)


class _Withdrawing(Store):
    """A store from which a photo is withdrawn right after it was read."""

    def read_bytes(self, path: str) -> bytes:
        data = super().read_bytes(path)
        delete(self, [128036])
        return data


def test_thumbnail__of_a_photo_withdrawn_while_it_was_made_is_not_kept(store: Store) -> None:
    _photo(store, scenery(1))
    with pytest.raises(FileNotFoundError):
        thumbnail(_Withdrawing(store.root), 128036, PATH, SHA256, 120)

    assert store.list("thumbnails/120/036") == []
    assert not store.exists(PATH)


def test_thumbnail__goes_when_its_photo_is_withdrawn(store: Store) -> None:
    _photo(store, scenery(1))
    for side in (120, 240):
        thumbnail(store, 128036, PATH, SHA256, side)
    other = thumbnail_path(120, 128037, SHA256)
    store.write_bytes(other, b"another photo")

    assert delete(store, [128036]) == 3
    assert store.exists(other)
    assert not store.exists(thumbnail_path(240, 128036, SHA256))
