"""The table of backbones, for a terminal and for docs/models.md.

print(markdown_table())
"""

from __future__ import annotations

from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.registry import rows

_TITLES = ("name", "parameters", "MB", "input", "features", "blocks", "top-1", "licence", "weights from", "file")


def text_table() -> str:
    """Return the backbones as aligned columns, smallest first; MB is their size in float32."""
    lines = [_TITLES, *(_cells(backbone) for backbone in _by_size())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines)


def markdown_table() -> str:
    """Return the same as a Markdown table, with a line on each backbone."""
    lines = [(*_TITLES, "what it is"), ("---",) * (len(_TITLES) + 1)]
    for backbone in _by_size():
        name, *middle, file = _cells(backbone)
        lines.append((f"`{name}`", *middle, f"`{file}`", backbone.description))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _by_size() -> list[Backbone]:
    return sorted(rows(), key=lambda backbone: backbone.parameters)


def _cells(backbone: Backbone) -> tuple[str, ...]:
    return (
        backbone.name,
        f"{backbone.parameters / 1e6:.1f} M",
        f"{backbone.parameters * 4 / 1e6:.0f}",
        f"{backbone.input_size} px",
        str(backbone.features),
        str(backbone.blocks),
        "" if backbone.imagenet_top1 is None else f"{backbone.imagenet_top1} %",
        backbone.license if backbone.is_commercial else f"{backbone.license} (no commercial use)",
        backbone.weights_source,
        backbone.published.name,
    )
