"""Features for pruning: which backbone looks at the photos."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mushroom_tasks.settings.section import Section


class EmbeddingSettings(Section):
    """One pass of a pretrained backbone over every photo, for pruning."""

    backbone: str = Field("efficientnet_lite0", description="Backbone whose features are used.")
    weights: str = Field("imagenet", description="`imagenet`, or a weights file.")
    weights_folder: Path | None = Field(
        None,
        description="Folder where the files behind `imagenet` are looked for before they are fetched; docs/models.md.",
    )
    batch_size: int = Field(32, ge=1, le=1024, description="Photos per batch.")
    shards: int = Field(2, ge=1, le=64, description="Mapped tasks the embedding is cut into.")
