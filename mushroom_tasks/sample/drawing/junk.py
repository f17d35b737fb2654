"""Photos that are filed under a species and do not show it, as real data sets hold them.

image = draw_junk("hands", recipe, np.random.default_rng(3))      # RGB
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from mushroom_tasks.sample.drawing.camera import photograph
from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.ground import Ground
from mushroom_tasks.sample.drawing.hand import hand_points
from mushroom_tasks.sample.drawing.noise import field, smoothstep
from mushroom_tasks.sample.drawing.raster import View, plane_shadow, render
from mushroom_tasks.sample.drawing.recipe import Colour, Habitat, Recipe
from mushroom_tasks.sample.drawing.scene import SIZE_SHARES, SIZES, darken, daylight, draw_fungus

_STAINS = ((236, 232, 214), (206, 220, 236), (238, 206, 214), (222, 232, 206))
_GROUNDS: tuple[Habitat, ...] = ("leaves", "needles", "grass", "moss")


def draw_junk(kind: str, recipe: Recipe, rng: np.random.Generator) -> Image.Image:
    """Return a photo of a kind of junk; `recipe` is the species it is filed under, for what shows it badly."""
    if kind == "too_far":
        return draw_fungus(recipe, rng, fill=float(rng.uniform(0.04, 0.09)))
    if kind == "blurry":
        return draw_fungus(recipe, rng, blur=float(rng.uniform(9, 16)))
    painters: dict[str, Callable[[tuple[int, int], np.random.Generator], Image.Image]] = {
        "hands": _hands,
        "microscopy": _microscopy,
        "forest_scenery": _forest,
        "text_labels": _label,
    }
    size = SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))]
    return photograph(painters[kind](size, rng), rng)


def _hands(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """An open hand before the ground: four fingers, a thumb, a palm."""
    scale = min(size) * rng.uniform(0.19, 0.3)
    view = View(1.15, scale, (size[0] * rng.uniform(0.4, 0.6), size[1] * rng.uniform(0.6, 0.8)), size)
    light = daylight(rng)
    hand = hand_points(view.density, rng)
    image = Ground(_habitat(rng), size, -100.0, size[1] / 2, 0.9, rng).paint()
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    image = darken(image, plane_shadow([hand], view, light), 0.5)
    layer = render([hand], view, light)
    image.paste(layer, (0, 0), layer)
    return image


def _microscopy(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Spores, and sometimes threads, in a bright field; a scale bar now and then."""
    width, height = size[0] * 2, size[1] * 2
    tint = floats(_STAINS[int(rng.integers(len(_STAINS)))])
    fog = 1 + 0.03 * field(rng, (height // 4, width // 4), feature=40)[..., None]
    image = Image.fromarray(np.clip(tint * fog, 0, 255).astype(np.uint8), "RGB").resize((width, height))
    draw = ImageDraw.Draw(image)
    dark, fill = _tone(tint, rng.uniform(0.35, 0.6)), _tone(tint, rng.uniform(0.72, 0.9))
    for _ in range(int(rng.integers(0, 9))):
        x = np.linspace(-20, width + 20, 14)
        y = rng.uniform(0, height) + np.cumsum(rng.normal(0, 22, 14))
        thread = np.stack([x, y], axis=1).ravel().tolist()
        draw.line(thread, fill=dark, width=int(rng.integers(9, 15)), joint="curve")
        draw.line(thread, fill=fill, width=7, joint="curve")
    _spores(draw, (width, height), dark, fill, rng)
    if rng.random() < 0.5:
        draw.rectangle((width - 190, height - 52, width - 60, height - 42), fill=(20, 20, 20))
        draw.text((width - 160, height - 96), "10 um", fill=(20, 20, 20), font=ImageFont.load_default(34))
    return image.reduce(2).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))


def _habitat(rng: np.random.Generator) -> Habitat:
    return _GROUNDS[int(rng.integers(len(_GROUNDS)))]


def _spores(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], dark: Colour, fill: Colour, rng: np.random.Generator
) -> None:
    """Ellipses of one size, turned at random, each with a drop of oil."""
    long = rng.uniform(16, 42)
    drop, around = long * 0.25, np.linspace(0, 2 * np.pi, 20)
    for _ in range(int(rng.integers(15, 90))):
        x, y, turn = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(0, np.pi)
        across, down = long * np.cos(around) * rng.uniform(0.85, 1.1), long * 0.62 * np.sin(around)
        outline = [
            x + across * np.cos(turn) - down * np.sin(turn),
            y + across * np.sin(turn) + down * np.cos(turn),
        ]
        draw.polygon(np.stack(outline, axis=1).ravel().tolist(), fill=fill, outline=dark, width=4)
        draw.ellipse((x - drop, y - drop, x + drop, y + drop), fill=_tone(floats(fill), 1.12), outline=dark)


def _tone(colour: Floats, brightness: float) -> Colour:
    red, green, blue = np.clip(colour * brightness, 0, 255).astype(int).tolist()
    return red, green, blue


def _forest(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Trunks on a slope, with light between them; no fungus anywhere."""
    width, height = size
    horizon = height * rng.uniform(0.35, 0.62)
    image = Ground(_habitat(rng), size, horizon, height * 0.8, 0.3, rng).paint()
    draw = ImageDraw.Draw(image)
    count = int(rng.integers(6, 22))
    for near in np.sort(rng.random(count)):
        x, broad = rng.uniform(0, width), (2 + 20 * near**2) * rng.uniform(0.6, 1.2)
        foot = horizon + near**1.6 * (height - horizon) * 0.9
        tone = tuple(int(c) for c in floats([92, 84, 68]) * (1.15 - 0.75 * near) * rng.uniform(0.8, 1.1))
        lean = rng.normal(0, 8)
        draw.polygon(
            (x - broad + lean, -5, x + broad + lean, -5, x + broad * 1.2, foot, x - broad * 1.2, foot), fill=tone
        )
        light = tuple(min(255, int(c * 1.3)) for c in tone)
        draw.polygon(
            (x - broad + lean, -5, x - broad * 0.4 + lean, -5, x - broad * 0.5, foot, x - broad * 1.2, foot), fill=light
        )
    leaves = smoothstep(field(rng, (height, width), feature=22, exponent=1.1), 0.5, 1.3)
    leaves *= smoothstep(np.linspace(1, -0.6, height, dtype=np.float32), 0.0, 0.8)[:, None]
    green = Image.new("RGB", size, tuple(int(c) for c in rng.uniform((50, 90, 25), (120, 150, 60))))
    return Image.composite(green, image, Image.fromarray((leaves * 220).astype(np.uint8), "L"))


def _label(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A slip of paper from a collection, or a page on a screen."""
    width, height = size
    image = Ground(_habitat(rng), size, -100.0, height / 2, 0.9, rng).paint()
    screen = rng.random() < 0.4
    paper = Image.new("RGBA", (width, height), (28, 32, 40, 255) if screen else (244, 240, 228, 255))
    ink = (226, 230, 236) if screen else (40, 38, 46)
    draw = ImageDraw.Draw(paper)
    draw.text((24, 22), f"Herbarium No. {int(rng.integers(100, 9999))}", fill=ink, font=ImageFont.load_default(30))
    words = (
        "leg.",
        "det.",
        "ad ramos",
        "in silva",
        "alt. 340 m",
        "sub Fago",
        "spec. sicc.",
        "cf.",
        "12.X.",
        "No.",
        "sporae",
    )
    for row in range(int(rng.integers(5, 10))):
        line = " ".join(rng.choice(words, size=4).tolist())
        draw.text((24, 76 + row * 30), line, fill=ink, font=ImageFont.load_default(int(rng.integers(17, 23))))
    share = rng.uniform(0.7, 1.1)
    paper = paper.resize((int(width * share), int(height * share)), Image.Resampling.BICUBIC)
    paper = paper.rotate(float(rng.normal(0, 7)), Image.Resampling.BICUBIC, expand=True)
    image.paste(paper, ((width - paper.width) // 2, (height - paper.height) // 2), paper)
    return image
