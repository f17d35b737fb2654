"""Photos that are filed under a species and do not show it, as real data sets hold them.

image = draw_junk("hands", recipe, np.random.default_rng(3))      # RGB
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from mushroom_tasks.sample.drawing.camera import photograph
from mushroom_tasks.sample.drawing.floats import floats
from mushroom_tasks.sample.drawing.ground import Ground
from mushroom_tasks.sample.drawing.noise import at, field, smoothstep
from mushroom_tasks.sample.drawing.points import Points, tubes
from mushroom_tasks.sample.drawing.raster import View, plane_shadow, render
from mushroom_tasks.sample.drawing.recipe import Recipe
from mushroom_tasks.sample.drawing.scene import SIZE_SHARES, SIZES, darken, daylight, draw_fungus

_SKINS = ((226, 176, 146), (206, 150, 118), (172, 118, 86), (122, 82, 60), (236, 190, 166))
_GROUNDS = ("leaves", "needles", "grass", "moss")


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
    scale = min(size) * rng.uniform(0.16, 0.23)
    view = View(1.15, scale, (size[0] * rng.uniform(0.4, 0.6), size[1] * rng.uniform(0.6, 0.8)), size)
    light = daylight(rng)
    hand = _hand_points(view, rng)
    image = Ground(str(rng.choice(_GROUNDS)), size, -100.0, size[1] / 2, 0.9, rng).paint()
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    image = darken(image, plane_shadow([hand], view, light), 0.5)
    layer = render([hand], view, light)
    image.paste(layer, (0, 0), layer)
    return image


def _hand_points(view: View, rng: np.random.Generator) -> Points:
    turn = rng.uniform(-0.6, 0.6)
    side = rng.choice([-1.0, 1.0])
    starts, ends, radii = [], [], []
    for finger in range(4):
        spread = (finger - 1.5) * rng.uniform(0.12, 0.24) + turn
        place = np.array([(finger - 1.5) * 0.42 * np.cos(turn), 0.5, (finger - 1.5) * 0.42 * np.sin(turn) * 0.4])
        way = np.array([np.sin(spread), rng.uniform(-0.1, 0.15), -np.cos(spread)])
        length = rng.uniform(0.5, 0.65) * (1.0, 1.15, 1.1, 0.85)[finger]
        thick = 0.21
        for joint in range(3):
            end = place + way * length * (1.0, 0.8, 0.6)[joint]
            starts.append(place)
            ends.append(end)
            radii.append((thick, thick * 0.9))
            place, thick = end - way * thick * 0.5, thick * 0.92
            way = way + np.array([0, -rng.uniform(0.0, 0.35), 0])
    starts += [
        [side * 0.7, 0.5, 0.9],
        [side * 1.25, 0.6, 0.35],
        [-0.45, 0.4, 1.0],
        [0.0, 0.4, 1.0],
        [0.45, 0.4, 1.0],
        [0, 0.3, 1.0],
    ]
    ends += [
        [side * 1.3, 0.6, 0.3],
        [side * 1.45, 0.65, -0.35],
        [-0.6, 0.5, -0.1],
        [0.0, 0.5, -0.15],
        [0.6, 0.5, -0.1],
        [0, 0.3, 4.5],
    ]
    radii += [(0.42, 0.27), (0.26, 0.19), (0.5, 0.3), (0.55, 0.33), (0.5, 0.3), (0.62, 0.75)]
    which, along, position, normal = tubes(floats(starts), floats(ends), floats(radii), view.density)
    skin = floats(_SKINS[int(rng.integers(len(_SKINS)))])[:, None] / 255
    blush = smoothstep(along, 0.6, 1.0) * (which < 12)
    colour = skin * (1 + 0.04 * at(position[0] * 90, position[2] * 90, exponent=1.0))
    colour = colour * (1 - floats([[0.0], [0.1], [0.1]]) * blush)
    nail = (which < 12) & (which % 3 == 2) & (along > 0.45) & (normal[1] > 0.72)
    colour[:, nail] = np.clip(skin * floats([[1.08], [1.06], [1.1]]), 0, 1)
    light = np.full(len(along), 0.85, np.float32)
    return Points(position, normal, colour.astype(np.float32), light, gloss=0.12)


def _microscopy(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Spores, and sometimes threads, in a bright field; a scale bar now and then."""
    width, height = size[0] * 2, size[1] * 2
    tint = floats([(236, 232, 214), (206, 220, 236), (238, 206, 214), (222, 232, 206)][int(rng.integers(4))])
    fog = 1 + 0.03 * field(rng, (height // 4, width // 4), feature=40)[..., None]
    image = Image.fromarray(np.clip(tint * fog, 0, 255).astype(np.uint8), "RGB").resize((width, height))
    draw = ImageDraw.Draw(image)
    dark = tuple(int(c) for c in tint * rng.uniform(0.35, 0.6))
    fill = tuple(int(c) for c in tint * rng.uniform(0.72, 0.9))
    for _ in range(int(rng.integers(0, 9))):
        x = np.linspace(-20, width + 20, 14)
        y = rng.uniform(0, height) + np.cumsum(rng.normal(0, 22, 14))
        draw.line(np.stack([x, y], axis=1).ravel().tolist(), fill=dark, width=int(rng.integers(9, 15)), joint="curve")
        draw.line(np.stack([x, y], axis=1).ravel().tolist(), fill=fill, width=7, joint="curve")
    long = rng.uniform(16, 42)
    t = np.linspace(0, 2 * np.pi, 20)
    for _ in range(int(rng.integers(15, 90))):
        x, y, turn = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, np.pi)
        u, v = long * np.cos(t) * rng.uniform(0.85, 1.1), long * 0.62 * np.sin(t)
        outline = np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1)
        draw.polygon(outline.ravel().tolist(), fill=fill, outline=dark, width=4)
        r = long * 0.25
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(min(255, int(c * 1.12)) for c in fill), outline=dark)
    if rng.random() < 0.5:
        draw.rectangle((width - 190, height - 52, width - 60, height - 42), fill=(20, 20, 20))
        draw.text((width - 160, height - 96), "10 µm", fill=(20, 20, 20), font=ImageFont.load_default(34))
    return image.reduce(2).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))


def _forest(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Trunks on a slope, with light between them; no fungus anywhere."""
    width, height = size
    horizon = height * rng.uniform(0.35, 0.62)
    image = Ground(str(rng.choice(_GROUNDS)), size, horizon, height * 0.8, 0.3, rng).paint()
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
    image = Ground(str(rng.choice(_GROUNDS)), size, -100.0, height / 2, 0.9, rng).paint()
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
