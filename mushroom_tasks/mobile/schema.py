"""What a bundle says about itself: the records in bundle.json and species.json.

Both files come back from other machines, so they are validated when they are read.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from mushroom_tasks.identifiers import is_own
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.settings import Precision

SCHEMA_VERSION: Final = 1
TAXON_PAGE = "https://www.inaturalist.org/taxa/{taxon_id}"

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # of the bundle's own folder, nowhere else


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Taxon(_Record):
    """A step of a taxonomy."""

    taxon_id: int
    rank: str
    name: str


class Species(_Record):
    """A class of the model: `index` is its place in the output, `taxonomy` leads from kingdom to species."""

    index: int
    taxon_id: int
    scientific_name: str
    rank: str
    taxonomy: tuple[Taxon, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def inaturalist(self) -> str:
        """The taxon's page at iNaturalist; empty for a name that it does not have."""
        return "" if is_own(self.taxon_id) else TAXON_PAGE.format(taxon_id=self.taxon_id)


class Accuracy(_Record):
    """Accuracy of the Keras model on one set of held-out photos; shares 0..1."""

    photos: int
    top1: float
    top3: float
    top5: float
    macro_f1: float


class DatasetFacts(_Record):
    """The data set a model was made from.

    `splits` and `licenses` count its photos by split and by iNaturalist's licence code; `pruned` of them were left
    out of training. `origin` says where they come from.
    """

    fingerprint: str
    origin: str = "iNaturalist open data"
    photos: int
    pruned: int
    splits: dict[str, int]
    licenses: dict[str, int]


class InputSpec(_Record):
    """What an app hands to every model of the bundle."""

    size: int
    shape: tuple[int, int, int, int]
    layout: Literal["NHWC"] = "NHWC"
    channels: Literal["RGB"] = "RGB"
    minimum: Literal[0] = 0
    maximum: Literal[255] = 255
    normalization: Literal["inside the model"] = "inside the model"
    orientation: Literal["upright, EXIF applied"] = "upright, EXIF applied"
    crop: Literal["centre square"] = "centre square"
    resize: Literal["bilinear, antialiased"] = "bilinear, antialiased"


class OutputSpec(_Record):
    """What every model of the bundle answers."""

    shape: tuple[int, int]
    type: Literal["float32"] = "float32"
    meaning: Literal["softmax probabilities, in the order of labels.txt"] = (
        "softmax probabilities, in the order of labels.txt"
    )


class ModelEntry(_Record):
    """One model file. `input_type` is the type its pixels have, 0..255 in both cases."""

    file: FileName
    input_type: Literal["float32", "uint8"]
    parity: Parity


class FileEntry(_Record):
    """One file of the bundle. `bytes` is its size."""

    bytes: int
    sha256: str


class Manifest(_Record):
    """The content of bundle.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    fingerprint: str
    backbone: str
    dataset: DatasetFacts
    input: InputSpec
    output: OutputSpec
    models: dict[Precision, ModelEntry] = Field(min_length=1)
    evaluation: dict[str, Accuracy]
    files: dict[FileName, FileEntry]
