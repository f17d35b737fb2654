"""A contact sheet per class: what was pruned and why, what is nearest to the border, what is typical.

Needs matplotlib for its fonts, which know more letters than Pillow's own.

    store.write_bytes("sheet.png", sheet_png(facts, each, squares))
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mushroom_tasks.curation.report.choosing import GROUPS
from mushroom_tasks.curation.report.content import ClassContent
from mushroom_tasks.curation.report.facts import Facts
from mushroom_tasks.curation.report.outcomes import DOUBT, KEPT, PRUNED, credit_of, outcome_of
from mushroom_tasks.curation.report.pictures import SIDE

_COLUMNS = (4, 8)  # at least, so that the name fits, and at most
_MARGIN, _GAP = 28, 12
_TITLE, _HEADING, _CAPTION = 76, 40, 40  # heights in pixels; the caption is two lines
_PAPER, _INK, _SOFT, _EMPTY = "#faf9f6", "#24262b", "#5c6068", "#e4e0d8"
_COLORS = {KEPT: "#2f7d4a", PRUNED: "#b4540a", DOUBT: "#6b4fb3"}
_EDGE = 4

Squares = dict[int, Image.Image | None]


def sheet_png(facts: Facts, shown: ClassContent, squares: Squares) -> bytes:
    """Return the contact sheet of a class as a PNG; the bytes depend on the content alone.

    `squares` has the photo of each row that is shown, None for one that is gone.
    """
    groups = {name: rows.tolist() for name, rows in shown.shown.items() if len(rows)}
    columns = min(max(_COLUMNS[0], *map(len, groups.values())), _COLUMNS[1])
    width = columns * (SIDE + _GAP) - _GAP
    lines = {name: -(-len(rows) // columns) for name, rows in groups.items()}
    height = _MARGIN + _TITLE + sum(_HEADING + count * (SIDE + _CAPTION) for count in lines.values())
    sheet = Image.new("RGB", (width + 2 * _MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_MARGIN, _MARGIN - 6), shown.name, _font(26, "Oblique"), _INK, width)
    _write(draw, (_MARGIN, _MARGIN + 32), _summary(shown), _font(13), _SOFT, width)
    top = _MARGIN + _TITLE
    for name, rows in groups.items():
        _write(draw, (_MARGIN, top + 10), GROUPS[name], _font(14, "Bold"), _INK, width)
        top += _HEADING
        for place, row in enumerate(rows):
            down, across = divmod(place, columns)
            corner = (_MARGIN + across * (SIDE + _GAP), top + down * (SIDE + _CAPTION))
            _tile(sheet, draw, corner, facts, row, squares[row])
        top += lines[name] * (SIDE + _CAPTION)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _summary(shown: ClassContent) -> str:
    return (
        f"{shown.photos:,} photos by {shown.observers:,} people: {shown.kept:,} kept, {shown.pruned:,} pruned "
        f"({shown.pruned_share:.0%}), {shown.doubtful:,} in doubt"
    )


def _tile(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    facts: Facts,
    row: int,
    square: Image.Image | None,
) -> None:
    left, top = corner
    if square is None:
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), _EMPTY)
        _write(draw, (left + 8, top + SIDE // 2 - 8), "the photo is gone", _font(11), _SOFT, SIDE - 16)
    else:
        sheet.paste(square, corner)
    outcome, credit = outcome_of(facts, row), credit_of(facts, row)
    color = _COLORS[outcome.kind]
    draw.rectangle((left, top + SIDE - _EDGE, left + SIDE - 1, top + SIDE - 1), color)
    score = f"{facts.score[row]:.2f}"
    width = _font(11, "Bold").getlength(score)
    _write(draw, (left, top + SIDE + 3), outcome.words, _font(11, "Bold"), color, SIDE - width - 6)
    _write(draw, (left + SIDE - width, top + SIDE + 3), score, _font(11, "Bold"), color, width)
    _write(draw, (left, top + SIDE + 18), f"{credit.photographer} · {credit.license}", _font(10), _SOFT, SIDE)


def _write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    font: ImageFont.FreeTypeFont,
    color: str,
    width: float,
) -> None:
    """Write one line, cut where it would be wider than it may be."""
    cut = text
    while cut and font.getlength(cut if cut == text else f"{cut}…") > width:
        cut = cut[:-1]
    draw.text(corner, cut if cut == text else f"{cut}…", fill=color, font=font)


@cache
def _font(size: int, style: str = "") -> ImageFont.FreeTypeFont:
    import matplotlib

    name = f"DejaVuSans-{style}.ttf" if style else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
