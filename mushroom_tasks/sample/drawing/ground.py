"""What fungi stand on: moss, grass, leaf litter, conifer needles, wood; and the blurred forest behind.

ground = Ground("leaves", size=(500, 375), horizon=120, focus=250, tilt=0.4, rng=rng)
image = ground.paint()                       # RGB
ground.cover(image, places)                  # a few blades or leaves in front of the stems
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from mushroom_tasks.sample.drawing.bark import paint_bark
from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import field, smoothstep
from mushroom_tasks.sample.drawing.recipe import Habitat

_SUPERSAMPLE = 2
_SOILS: dict[str, tuple[int, int, int]] = {
    "leaves": (96, 72, 50),
    "needles": (112, 80, 54),
    "grass": (84, 92, 46),
    "moss": (84, 104, 40),
}
_PALETTES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "leaves": (
        (164, 116, 66),
        (134, 92, 56),
        (192, 150, 92),
        (116, 84, 58),
        (170, 100, 52),
        (152, 130, 92),
        (112, 112, 62),
    ),
    "needles": ((168, 116, 68), (140, 94, 58), (190, 140, 88), (112, 78, 52), (156, 124, 84), (108, 120, 66)),
    "grass": ((116, 150, 62), (140, 170, 76), (94, 126, 54), (164, 176, 98), (184, 172, 112), (104, 138, 76)),
    "moss": ((124, 150, 56), (148, 172, 68), (102, 130, 48), (170, 186, 92), (116, 140, 72), (84, 110, 44)),
}


@dataclass(frozen=True)
class Strokes:
    """Where a kind of litter lies: places in pixels, sizes as a factor, turned at random."""

    x: Floats
    y: Floats
    scale: Floats


class Ground:
    """The ground of one photo.

    Parameters
    ----------
    horizon
        Row (pixels) above which the forest behind is seen; negative where the camera looks down.
    focus
        Row that is sharp.
    tilt
        Sine of the camera's elevation: how round a leaf lying flat looks.
    """

    def __init__(
        self,
        habitat: Habitat,
        size: tuple[int, int],
        horizon: float,
        focus: float,
        tilt: float,
        rng: np.random.Generator,
    ) -> None:
        self._habitat, self._size, self._horizon, self._focus, self._rng = habitat, size, horizon, focus, rng
        self._tilt = float(np.clip(tilt, 0.3, 1.0))
        self._near = rng.uniform(0.8, 1.5)
        hue = rng.normal(0, 7, 3)
        self._palette = [np.clip(np.array(c) * rng.uniform(0.85, 1.15) + hue, 0, 255) for c in self._colours()]

    def _colours(self) -> tuple[tuple[int, int, int], ...]:
        return _PALETTES.get(self._habitat, _PALETTES["moss"])

    def paint(self) -> Image.Image:
        """Return the ground and what is behind it, without any fungus."""
        width, height = self._size
        image = self._soil()
        strewn = image.resize((width * _SUPERSAMPLE, height * _SUPERSAMPLE), Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(strewn)
        if self._habitat == "leaves":
            self._strew(draw, self._leaves, 150)
            self._strew(draw, self._needles, 70)
        elif self._habitat == "needles":
            self._strew(draw, self._needles, 1100)
            self._strew(draw, self._leaves, int(self._rng.integers(0, 9)))
        elif self._habitat == "grass":
            self._strew(draw, self._moss, 500)
            self._strew(draw, self._grass, 480)
        elif self._habitat == "moss":
            self._strew(draw, self._moss, 2600)
            self._strew(draw, self._needles, 60)
            self._strew(draw, self._leaves, int(self._rng.integers(0, 9)))
        else:
            self._strew(draw, self._moss, int(self._rng.integers(0, 260)))
            self._strew(draw, self._needles, 40)
        image = strewn.reduce(_SUPERSAMPLE)
        return self._with_depth(self._lit(image))

    def cover(self, image: Image.Image, places: list[tuple[float, float, float]], *, blur: float = 0.0) -> Image.Image:
        """Return the image with some litter over it at places (x, y, scale): what stands before the stems."""
        if not places:
            return image
        layer = Image.new("RGBA", (image.width * _SUPERSAMPLE, image.height * _SUPERSAMPLE))
        at = floats(places)
        self._kind()(ImageDraw.Draw(layer), Strokes(at[:, 0], at[:, 1], at[:, 2] * self._near))
        small = layer.reduce(_SUPERSAMPLE)
        if blur:
            small = small.filter(ImageFilter.GaussianBlur(blur))
        image.paste(small, (0, 0), small)
        return image

    def _kind(self) -> Callable[[ImageDraw.ImageDraw, Strokes], None]:
        kinds = {"leaves": self._leaves, "needles": self._needles, "grass": self._grass}
        return kinds.get(self._habitat, self._moss)

    def _soil(self) -> Image.Image:
        width, height = self._size
        rng = self._rng
        if self._habitat not in _SOILS:
            return paint_bark(self._size, 160 * self._near, rng, upright=False)
        base = floats(_SOILS[self._habitat])
        lumps = field(rng, (height, width), feature=55, exponent=1.7)
        grain = field(rng, (height, width), feature=8, exponent=0.9)
        value = np.clip(1 + 0.12 * lumps + 0.14 * grain + 1.6 * np.gradient(lumps, axis=0), 0.3, 1.8)
        return Image.fromarray(np.clip(base * value[..., None], 0, 255).astype(np.uint8), "RGB")

    def _strew(
        self, draw: ImageDraw.ImageDraw, kind: Callable[[ImageDraw.ImageDraw, Strokes], None], count: int
    ) -> None:
        if count == 0:
            return
        width, height = self._size
        top = max(self._horizon, -20.0)
        # Evenly over the ground is denser, and smaller, towards the horizon.
        share = np.sort(self._rng.random(count)) ** (1.0 if self._horizon < 0 else 1.25)
        y = top + share * (height * 1.12 - top)
        scale = (0.35 + 1.05 * share if self._horizon >= 0 else np.full(count, 1.0)) * self._near
        kind(draw, Strokes(floats(self._rng.uniform(-30, width + 30, count)), floats(y), floats(scale)))

    def _tones(self, count: int) -> list[tuple[int, int, int]]:
        index = self._rng.integers(len(self._palette), size=count)
        shade = self._rng.normal(1, 0.13, count)
        tones = np.clip(floats(self._palette)[index] * shade[:, None], 0, 255).astype(int)
        return [tuple(tone) for tone in tones.tolist()]

    def _leaves(self, draw: ImageDraw.ImageDraw, at: Strokes) -> None:
        rng, count = self._rng, len(at.x)
        t = np.linspace(0, np.pi, 8)
        half = np.sin(t) ** 0.8 * (1 + 0.25 * np.cos(t))
        along = -np.cos(t)
        length = rng.uniform(24, 46, count) * at.scale * _SUPERSAMPLE
        slender = rng.uniform(0.28, 0.5, count)
        curl = rng.normal(0, 0.25, count)
        turn = rng.uniform(0, 2 * np.pi, count)
        u = np.concatenate([along, along[::-1]])
        v = np.concatenate([half, -half[::-1]]) * slender[:, None] + curl[:, None] * (u**2)
        outline = self._placed(at, turn, length, u, v)
        vein = self._placed(at, turn, length, along[[0, 3, 4, 7]], curl[:, None] * (along[[0, 3, 4, 7]] ** 2))
        lower = outline[:, : len(along)]
        dark = np.clip(length / 9, 2, 9)
        shadow = (outline + np.stack([dark, dark], axis=1)[:, None, :]).reshape(count, -1).tolist()
        tones = self._tones(count)
        for i, (whole, part, line) in enumerate(
            zip(
                outline.reshape(count, -1).tolist(),
                lower.reshape(count, -1).tolist(),
                vein.reshape(count, -1).tolist(),
                strict=True,
            )
        ):
            red, green, blue = tones[i]
            draw.polygon(shadow[i], fill=(26, 19, 13))
            draw.polygon(whole, fill=tones[i])
            draw.polygon(part, fill=(int(red * 0.84), int(green * 0.83), int(blue * 0.82)))
            draw.line(line, fill=(min(255, red + 34), min(255, green + 28), min(255, blue + 18)), width=2)

    def _needles(self, draw: ImageDraw.ImageDraw, at: Strokes) -> None:
        rng, count = self._rng, len(at.x)
        length = rng.uniform(11, 26, count) * at.scale * _SUPERSAMPLE
        u = np.linspace(-1, 1, 4)
        v = rng.normal(0, 0.12, count)[:, None] * u**2
        lines = self._placed(at, rng.uniform(0, 2 * np.pi, count), length, u, v)
        dark = (lines + 3).reshape(count, -1).tolist()
        width = np.clip(at.scale * 2.6, 1, 4).astype(int).tolist()
        brown = _PALETTES["needles"]
        tones = self._tones(count) if self._habitat == "needles" else [brown[i % len(brown)] for i in range(count)]
        for line, shadow, tone, broad in zip(lines.reshape(count, -1).tolist(), dark, tones, width, strict=True):
            draw.line(shadow, fill=(30, 22, 15), width=broad)
            draw.line(line, fill=tone, width=broad)

    def _grass(self, draw: ImageDraw.ImageDraw, at: Strokes) -> None:
        rng, count = self._rng, len(at.x)
        upright = 1 - self._tilt * 0.75
        height = rng.uniform(35, 95, count) * at.scale * _SUPERSAMPLE
        lean = rng.normal(0, 0.3 + 0.9 * (1 - upright), count)
        t = np.linspace(0, 1, 6)
        x = at.x[:, None] * _SUPERSAMPLE + height[:, None] * lean[:, None] * t**1.7
        y = at.y[:, None] * _SUPERSAMPLE - height[:, None] * upright * t
        half = rng.uniform(1.6, 3.6, count)[:, None] * at.scale[:, None] * _SUPERSAMPLE * 0.7 * (1 - t**1.5)
        left, right = np.stack([x - half, y], axis=-1), np.stack([x + half, y], axis=-1)
        blades = np.concatenate([left, right[:, ::-1]], axis=1).reshape(count, -1).tolist()
        middles = np.stack([x, y], axis=-1).reshape(count, -1).tolist()
        for blade, middle, (red, green, blue) in zip(blades, middles, self._tones(count), strict=True):
            draw.polygon(blade, fill=(red, green, blue))
            draw.line(middle, fill=(int(red * 0.75), int(green * 0.78), int(blue * 0.7)), width=1)

    def _moss(self, draw: ImageDraw.ImageDraw, at: Strokes) -> None:
        rng, count = self._rng, len(at.x)
        length = rng.uniform(3.5, 9, count) * at.scale * _SUPERSAMPLE
        lean = rng.normal(0, 0.8, count)
        x, y = at.x * _SUPERSAMPLE, at.y * _SUPERSAMPLE
        ends = np.stack([x, y, x + length * np.sin(lean), y - length * np.cos(lean) * (1.1 - 0.5 * self._tilt)], axis=1)
        width = np.clip(at.scale * 2.8, 1, 5).astype(int).tolist()
        for line, tone, broad in zip(ends.tolist(), self._tones(count), width, strict=True):
            x0, y0, x1, y1 = line
            draw.line((x0 + 2, y0 + 3, x1 + 2, y1 + 3), fill=(30, 40, 14), width=broad)
            draw.line(line, fill=tone, width=broad)

    def _placed(self, at: Strokes, turn: Floats, length: Floats, u: Floats, v: Floats) -> Floats:
        """Return outlines (N, K, 2) in supersampled pixels: turned, flattened by the camera's tilt, moved."""
        cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
        x = (u * cosine - v * sine) * length[:, None] + at.x[:, None] * _SUPERSAMPLE
        y = (u * sine + v * cosine) * length[:, None] * self._tilt + at.y[:, None] * _SUPERSAMPLE
        return floats(np.stack([x, y], axis=-1))

    def _lit(self, image: Image.Image) -> Image.Image:
        """Light falls through leaves: some places are brighter. And nothing outdoors is of one even colour."""
        width, height = self._size
        rng = self._rng
        patches = field(rng, (height, width), feature=110, exponent=1.9)
        hollows = field(rng, (height, width), feature=26, exponent=1.4)
        grain = field(rng, (height, width), feature=4, exponent=0.6)
        tone = np.clip(150 + rng.uniform(6, 26) * patches + 9 * hollows + 11 * grain, 70, 255).astype(np.uint8)
        lit = ImageChops.multiply(image, Image.merge("RGB", (Image.fromarray(tone, "L"),) * 3))
        return lit.point(lambda value: min(255, int(value * 1.75)))

    def _with_depth(self, image: Image.Image) -> Image.Image:
        """Blur what is far from the row in focus, and put the forest behind the horizon."""
        width, height = self._size
        if self._horizon < 0:
            return image
        soft, softer = image.filter(ImageFilter.GaussianBlur(2.2)), image.filter(ImageFilter.GaussianBlur(6))
        rows = np.arange(height, dtype=np.float32)
        far = np.abs(rows - self._focus) / height
        far = np.where(rows < self._focus, far * 1.5, far)
        image = Image.composite(soft, image, _rows_mask(smoothstep(far, 0.08, 0.28), width))
        image = Image.composite(softer, image, _rows_mask(smoothstep(far, 0.28, 0.55), width))
        edge = smoothstep(self._horizon + 10 - rows, -14, 16)
        return Image.composite(self._forest(), image, _rows_mask(edge, width))

    def _forest(self) -> Image.Image:
        """Trunks, foliage and lights, far out of focus: drawn small and enlarged."""
        rng = self._rng
        width, height = self._size[0] // 8 + 1, self._size[1] // 8 + 1
        green = floats([rng.uniform(45, 105), rng.uniform(70, 120), rng.uniform(30, 70)])
        brightness = rng.uniform(0.55, 1.35) * np.linspace(1.25, 0.7, height)[:, None, None]
        clouds = 1 + 0.22 * field(rng, (height, width), feature=14)[..., None]
        image = Image.fromarray(np.clip(green * brightness * clouds, 0, 255).astype(np.uint8), "RGB")
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(0, 6))):
            x, broad = rng.uniform(0, width), rng.uniform(0.8, 4)
            tone = tuple(int(c) for c in floats([70, 58, 46]) * rng.uniform(0.5, 1.2))
            draw.polygon((x - broad, 0, x + broad, 0, x + broad * 1.2, height, x - broad * 1.2, height), fill=tone)
        for _ in range(int(rng.integers(0, 14))):
            x, y, r = rng.uniform(0, width), rng.uniform(0, height * 0.6), rng.uniform(0.6, 2.4)
            tone = tuple(int(c) for c in np.clip(green * 1.2 + rng.uniform(40, 110), 0, 255))
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 1.8)))
        return image.resize(self._size, Image.Resampling.BICUBIC)


def _rows_mask(rows: Floats, width: int) -> Image.Image:
    column = Image.fromarray((np.clip(rows, 0, 1) * 255).astype(np.uint8)[:, None], "L")
    return column.resize((width, len(rows)), Image.Resampling.NEAREST)
