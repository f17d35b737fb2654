"""Quality: what is measured, that size does not matter, and that cautious limits spare what can be named."""

from __future__ import annotations

import io
import math
import time

import numpy as np
import pytest
from inputs.retouching import blurred, cropped, dimmed, recompressed, resized
from pictures import in_focus, plain, scenery
from PIL import Image, ImageDraw

from mushroom_tasks import imaging
from mushroom_tasks.manifests import QUALITY_ISSUES
from mushroom_tasks.photos.quality import SIDE, Quality, grey, issue, measure
from mushroom_tasks.settings import QualitySettings

LIMITS = QualitySettings()


def measured(picture: Image.Image) -> Quality:
    return measure(grey(picture))


def issue_of(picture: Image.Image) -> str | None:
    return issue(measured(picture), *picture.size, LIMITS)


def page(lines: int, size: tuple[int, int] = (500, 375), ink: int = 20, paper: int = 235) -> Image.Image:
    """A page of print: so many lines of short strokes with gaps."""
    picture = plain(paper, size)
    draw = ImageDraw.Draw(picture)
    rng = np.random.default_rng(0)
    for line in range(lines):
        x = 12
        while x < size[0] - 20:
            width = int(rng.integers(2, 7))
            top = 10 + 14 * line
            draw.rectangle((x, top, x + width, top + int(rng.integers(2, 9))), fill=(ink, ink, ink))
            x += width + int(rng.integers(3, 12))
    return picture


# --- what each measure says


@pytest.mark.parametrize("sigma", [1.5, 2.5, 4.0])
def test_sharpness__tells_the_width_of_edges(sigma: float) -> None:
    picture = in_focus(plain(220, (SIDE, SIDE)), plain(40, (SIDE, SIDE)), 0.3)

    # The Laplacian of a Gaussian edge over its gradient: 1 / (sigma * sqrt(2)).
    assert measured(blurred(picture, sigma)).sharpness == pytest.approx(1 / (sigma * math.sqrt(2)), rel=0.15)


def test_sharpness__does_not_depend_on_contrast() -> None:
    picture = scenery(1)
    faint = picture.point(lambda value: 100 + value // 5)

    assert measured(faint).sharpness == pytest.approx(measured(picture).sharpness, rel=0.15)


def test_brightness__is_that_of_the_brightest_hundredth() -> None:
    lit = in_focus(plain(204), plain(0), 0.02)
    assert measured(lit).brightness == pytest.approx(0.8)
    assert measured(in_focus(plain(204), plain(0), 0.005)).brightness == 0


def test_contrast__is_the_standard_deviation_of_luma() -> None:
    picture = scenery(3)
    assert measured(picture).contrast == pytest.approx(np.asarray(grey(picture)).std() / 255)
    assert measured(plain(77)).contrast == pytest.approx(0)


@pytest.mark.parametrize(("ink", "paper"), [(20, 235), (235, 20)])
def test_text_share__is_that_of_the_page_that_is_printed(ink: int, paper: int) -> None:
    full, half = (measured(page(lines, ink=ink, paper=paper)).text_share for lines in (26, 13))

    assert full > 0.8
    assert half == pytest.approx(full / 2, abs=0.1)


def test_text_share__finds_none_without_print() -> None:
    subject = in_focus(scenery(1), plain(250), 0.2)
    assert measured(subject).text_share < 0.1
    assert measured(scenery(2)).text_share < 0.05
    assert measured(plain(128)).text_share == 0


# --- the same whatever the size


@pytest.mark.parametrize("seed", range(4))
def test_measure__gives_the_same_of_every_size(seed: int) -> None:
    """An original, iNaturalist's medium, a recompressed one and the copy that training reads."""
    original = scenery(seed, (2048, 1536))
    medium = recompressed(original.resize((500, 375), Image.Resampling.LANCZOS), 90)
    buffer = io.BytesIO()
    original.save(buffer, "JPEG", quality=95)
    copy = imaging.smaller(buffer.getvalue(), 256)
    assert copy is not None

    expected = measured(original)
    for other in (medium, imaging.decode(copy), recompressed(medium, 60)):
        found = measured(other)
        assert found.sharpness == pytest.approx(expected.sharpness, rel=0.2)
        assert found.brightness == pytest.approx(expected.brightness, abs=0.03)
        assert found.contrast == pytest.approx(expected.contrast, abs=0.01)
        assert found.text_share == pytest.approx(expected.text_share, abs=0.03)


def test_measure__costs_a_few_milliseconds_at_the_most() -> None:
    pictures = [scenery(seed) for seed in range(4)]
    best = math.inf
    for _ in range(5):
        start = time.process_time()
        for picture in pictures:
            measured(picture)
        best = min(best, (time.process_time() - start) / len(pictures))

    assert best < 0.004  # seconds; 1.1 ms on an idle core


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 900), (3000, 2), (17, 15)])
def test_measure__takes_any_size(size: tuple[int, int]) -> None:
    for picture in (scenery(1, size), plain(255, size)):
        assert all(math.isfinite(value) and value >= 0 for value in measured(picture))


# --- limits that flag what nobody could name


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (scenery(1, (300, 20)), "tiny"),
        (scenery(1, (600, 60)), "narrow"),
        (dimmed(scenery(1), 0.05), "dark"),
        (plain(0), "dark"),
        (plain(255), "blank"),
        (blurred(plain(128), 1).point(lambda value: value + 1), "blank"),
        (page(26), "text"),
        (blurred(scenery(1), 6), "blurred"),
        (scenery(1, sharp=False), "blurred"),
    ],
)
def test_issue__names_what_is_wrong(picture: Image.Image, expected: str) -> None:
    assert issue_of(picture) == expected
    assert expected in QUALITY_ISSUES


SUBJECT = scenery(7)
SPARED = {
    "sharp all over": SUBJECT,
    "macro before a soft background": in_focus(SUBJECT, blurred(scenery(8), 12), 0.05),
    "flash at night": in_focus(SUBJECT, dimmed(scenery(8), 0.03), 0.03),
    "dusk": dimmed(SUBJECT, 0.25),
    "small on white": in_focus(SUBJECT, plain(252), 0.02),
    "small on black": in_focus(SUBJECT, plain(3), 0.02),
    "fog": SUBJECT.point(lambda value: 170 + value // 6),
    "low quality": recompressed(SUBJECT, 15),
    "thumbnail": resized(SUBJECT, 0.2),
    "panorama": cropped(SUBJECT, 0, 0.35, 0, 0.35),
    "held before print": in_focus(SUBJECT, page(26), 0.45),
}


@pytest.mark.parametrize("name", SPARED)
def test_issue__spares(name: str) -> None:
    assert issue_of(SPARED[name]) is None


@pytest.mark.parametrize("picture", [scenery(1, (300, 20)), plain(0), plain(255), page(26), blurred(scenery(1), 6)])
def test_issue__limits_can_be_lifted(picture: Image.Image) -> None:
    none = QualitySettings(
        min_side=0, max_aspect=1000, min_brightness=0, min_contrast=0, max_text_share=1, min_sharpness=0
    )
    assert issue(measured(picture), *picture.size, none) is None


def test_measure__does_not_change_the_picture() -> None:
    picture = scenery(1)
    before = picture.tobytes()
    measured(picture)
    assert picture.tobytes() == before
