"""imaging: hostile bytes in, upright RGB pixels or a PhotoError with a reason out."""

from __future__ import annotations

import io
import random
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError


def _encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _noise(width: int = 60, height: int = 40, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _quarters() -> Image.Image:
    """Red, green over blue, white: every one of the eight orientations looks different."""
    image = Image.new("RGB", (64, 32), "white")
    image.paste("red", (0, 0, 32, 16))
    image.paste("green", (32, 0, 64, 16))
    image.paste("blue", (0, 16, 32, 32))
    return image


def _huge_png(side: int) -> bytes:
    """A PNG of side x side black pixels whose data is never written out in full."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_probe__tells_format_and_size_by_content(kind: str) -> None:
    assert imaging.probe(_encode(_noise(), kind)) == (kind, 60, 40)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
def test_decode__allows_no_other_decoder(kind: str) -> None:
    with pytest.raises(PhotoError, match="JPEG/PNG/WEBP/GIF") as caught:
        imaging.decode(_encode(_noise(), kind))
    assert caught.value.reason == "not_an_image"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode__undoes_every_exif_orientation(orientation: int) -> None:
    # What a camera stores is the inverse of what a viewer has to do.
    store = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = _quarters().transpose(store[orientation]) if orientation in store else _quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(stored, "PNG", exif=exif)
    assert np.array_equal(np.asarray(imaging.decode(data)), np.asarray(_quarters()))
    assert imaging.probe(data) == ("PNG", 64, 32)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_decode__ignores_an_orientation_that_does_not_exist(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert imaging.decode(_encode(_quarters(), exif=exif)).size == (64, 32)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read", "ignore:Tag data larger")
def test_decode__keeps_a_photo_whose_exif_is_damaged() -> None:
    data = _encode(_quarters(), exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01\x12garbage")
    assert imaging.decode(data).size == (64, 32)


def test_decode__turns_cmyk_and_grey_into_rgb() -> None:
    colour = Image.new("RGB", (16, 16), (200, 60, 30))
    cmyk = imaging.decode(_encode(colour.convert("CMYK")))
    grey = imaging.decode(_encode(colour.convert("L")))
    assert cmyk.mode == grey.mode == "RGB"
    assert np.abs(np.asarray(cmyk, dtype=int) - (200, 60, 30)).max() < 12
    assert np.asarray(grey).std() == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_decode__turns_every_png_mode_into_rgb(mode: str) -> None:
    image = imaging.decode(_encode(Image.new(mode, (8, 8)), "PNG"))
    assert (image.mode, image.size) == ("RGB", (8, 8))


def test_decode__scales_16_bit_grey_instead_of_clipping_it() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    pixels = np.asarray(imaging.decode(_encode(Image.fromarray(ramp), "PNG")))
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert abs(float(pixels.mean()) - 127.5) < 1


@pytest.mark.parametrize(
    "data",
    [
        _encode(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG"),
        _encode(Image.new("LA", (8, 8), (0, 0)), "PNG"),
        _encode(Image.new("P", (8, 8)), "PNG", transparency=0),
        _encode(Image.new("RGB", (8, 8)), "PNG", transparency=(0, 0, 0)),
    ],
    ids=["rgba", "la", "palette", "colour key"],
)
def test_decode__puts_transparent_pixels_over_white(data: bytes) -> None:
    assert imaging.decode(data).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>busy</title>", "html"),
        (b"\n  <HTML><body>", "html"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "html"),
        (b"\x00" * 1000, "not_an_image"),
        (b"GIF89a", "not_an_image"),
        (_encode(_noise())[:1500], "truncated"),
        (_encode(_noise(), "PNG")[:2000], "truncated"),
        (_encode(_noise(), "PNG")[:20], "not_an_image"),
    ],
    ids=["empty", "doctype", "html", "s3 error", "zeros", "header alone", "jpeg", "png", "half a header"],
)
def test_decode__names_what_was_received(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        imaging.decode(data)
    assert caught.value.reason == reason
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("side", [9_500, 14_000], ids=["where Pillow warns", "where Pillow refuses"])
def test_decode__refuses_a_decompression_bomb_by_its_header(side: int) -> None:
    with pytest.raises(PhotoError) as caught:
        imaging.decode(_huge_png(side))
    assert caught.value.reason == "too_large"


def test_decode__obeys_max_pixels() -> None:
    assert imaging.decode(_encode(_noise()), max_pixels=60 * 40).size == (60, 40)
    with pytest.raises(PhotoError, match="60 x 40 pixels, more than 2399 allowed"):
        imaging.decode(_encode(_noise()), max_pixels=60 * 40 - 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_probe__survives_any_damage() -> None:
    chance = random.Random(1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    whole = [
        _encode(_noise(), "JPEG", exif=exif),
        _encode(_noise(), "JPEG", exif=exif, progressive=True),
        _encode(_noise(), "PNG", exif=exif),
        _encode(_noise(), "WEBP", exif=exif),
        _encode(_noise(), "GIF"),
    ]
    outcomes = set()
    for _ in range(1500):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 4, 20])):
            data[chance.randrange(chance.choice([300, len(data)]))] = chance.randrange(256)
        del data[chance.choice([len(data), chance.randrange(len(data))]) :]
        try:
            imaging.probe(bytes(data), max_pixels=10_000_000)
            outcomes.add("whole")
        except PhotoError as failure:
            outcomes.add(failure.reason)
    assert {"whole", "truncated", "not_an_image"} <= outcomes


def test_decode__is_the_same_in_threads() -> None:
    photos = [_encode(_noise(seed=seed)) for seed in range(8)]
    expected = [imaging.decode(data).tobytes() for data in photos]
    start = threading.Barrier(8)

    def decode(data: bytes) -> bytes:
        start.wait()
        for _ in range(20):
            pixels = imaging.decode(data).tobytes()
        return pixels

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(decode, photos)) == expected


@pytest.mark.parametrize("size", [(90, 40), (40, 90), (33, 33), (35, 200)])
def test_model_input__is_the_centre_square(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "black")
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    image.paste("white", (left, top, left + side, top + side))
    pixels = imaging.model_input(image, 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    # An odd margin leaves half a pixel of the border in the crop.
    assert pixels[1:-1, 1:-1].min() > 250


@pytest.mark.parametrize("orientation", range(1, 9))
def test_square__is_upright_and_what_the_model_sees(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(_quarters().resize((512, 256)), exif=exif, quality=95)
    seen = imaging.model_input(imaging.decode(data), 32).astype(int)

    assert np.abs(np.asarray(imaging.square(data, 32)).astype(int) - seen).mean() < 6


def test_model_input__keeps_pixels_where_nothing_is_to_do() -> None:
    image = _noise(48, 48)
    assert np.array_equal(imaging.model_input(image, 48), np.asarray(image))


def test_model_input__averages_when_it_shrinks() -> None:
    checkers = Image.fromarray((np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    pixels = imaging.model_input(checkers, 32).astype(int)
    assert np.abs(pixels - 127).max() <= 4, "a resize that only samples gives black or white"
