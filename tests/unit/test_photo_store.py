"""photos.store: one place per photo, and no way out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.photos.store import photo_path


@pytest.mark.parametrize(
    ("photo_id", "extension", "path"),
    [
        (128036, "jpg", "photos/medium/036/128036.jpg"),
        (7, "jpeg", "photos/medium/007/7.jpeg"),
        (1000, "PNG", "photos/medium/000/1000.PNG"),
        (2**53 + 1, "gif", "photos/medium/993/9007199254740993.gif"),
    ],
)
def test_photo_path__spreads_over_a_thousand_folders(photo_id: int, extension: str, path: str) -> None:
    assert photo_path("medium", photo_id, extension) == path


@pytest.mark.parametrize("extension", ["", ".jpg", "jpg/..", "../../x", "j pg", "jpg\n", "jpg?x=1", "é", "a" * 9])
def test_photo_path__refuses_an_extension_that_is_none(extension: str) -> None:
    with pytest.raises(PhotoError, match="Received: ") as caught:
        photo_path("medium", 1, extension)
    assert caught.value.reason == "not_an_image"


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_photo_path__never_gives_two_photos_one_place(one: int, other: int) -> None:
    assert (photo_path("small", one, "jpg") == photo_path("small", other, "jpg")) == (one == other)
