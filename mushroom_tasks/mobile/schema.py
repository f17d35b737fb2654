"""What a bundle says about itself: the records in bundle.json and species.json.

Both files come back from other machines, so they are validated when they are read.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from mushroom_tasks.identifiers import is_own
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.settings import Precision

SCHEMA_VERSION: Final = 2
TAXON_PAGE = "https://www.inaturalist.org/taxa/{taxon_id}"

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # of the bundle's own folder, nowhere else


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Taxon(_Record):
    """A step of a taxonomy."""

    taxon_id: int
    rank: str
    name: str


class LookAlike(_Record):
    """Another class that is taken for this one.

    `photos` of held-out observers were confused by the model, in either direction; 0 where the two are only near
    relatives, which share the rank `shares` (such as "genus").
    """

    index: int
    scientific_name: str
    photos: int
    shares: str


class ToxicityWarning(_Record):
    """What the literature documents of a taxon; a species without one may be just as dangerous.

    `level` is deadly, poisonous, psychoactive or suspected; `of` is the taxon it is documented for, where that is a
    genus too; `sources` are citations.
    """

    level: Literal["deadly", "poisonous", "psychoactive", "suspected"]
    of: str
    toxin: str
    syndrome: str
    sources: tuple[str, ...]


class PhotoLink(_Record):
    """A typical photo: its page at iNaturalist, who took it, and the licence that goes with it."""

    page: str = Field(pattern=r"^https://")
    photographer: str
    license: str
    license_url: str


class Species(_Record):
    """A class of the model: `index` is its place in the output, `taxonomy` leads from kingdom to species.

    `common_names` are by language ("en"), `warning` is None where nothing is documented, which says nothing.
    """

    index: int
    taxon_id: int
    scientific_name: str
    rank: str
    taxonomy: tuple[Taxon, ...]
    common_names: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    look_alikes: tuple[LookAlike, ...] = ()
    warning: ToxicityWarning | None = None
    photos: tuple[PhotoLink, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def inaturalist(self) -> str:
        """The taxon's page at iNaturalist; empty for a name that it does not have."""
        return "" if is_own(self.taxon_id) else TAXON_PAGE.format(taxon_id=self.taxon_id)


class SpeciesFile(_Record):
    """The content of species.json, in the order of the model's output."""

    schema_version: Literal[2] = SCHEMA_VERSION
    note: Literal[
        "A warning names what is documented. Where there is none, nothing is known here: that is not to say that a "
        "species is harmless. No advice on consumption."
    ] = (
        "A warning names what is documented. Where there is none, nothing is known here: that is not to say that a "
        "species is harmless. No advice on consumption."
    )
    species: tuple[Species, ...]


class Unknown(_Record):
    """None of these: a photo whose `score`, of calibrated probabilities, is below the threshold shows none of them.

    The share `accepted` of held-out photos of the species passes. See `answering.sureness` for the scores.
    """

    score: Literal["max probability", "margin", "negative entropy", "centred energy"]
    threshold: float
    accepted: float = Field(ge=0, le=1)


class RankThreshold(_Record):
    """The least summed probability to answer with at a rank; None: never."""

    rank: str
    threshold: float | None


class Calibration(_Record):
    """What is done to the model's answer before it is shown.

    Probabilities p become p ** (1 / temperature), scaled to add up to 1. `unknown` tells when a photo shows none of the
    species, None: that was not measured. `ranks`, from species upwards: the answer is the best group of the first rank
    whose summed probability reaches its threshold, so that the share `right` of such answers is; empty: not measured.
    """

    temperature: float = Field(1.0, gt=0, le=100)
    unknown: Unknown | None = None
    ranks: tuple[RankThreshold, ...] = ()
    right: float | None = Field(None, ge=0, le=1)


class PriorFacts(_Record):
    """The prior of season and place (prior.bin), and what it does on photos of held-out observers that have both.

    `observations` were counted, of the snapshot of that fingerprint, none by those observers. `weight` was fitted on
    validation photos; top1 and log_loss are of `photos` of the test split, with the float32 model.
    """

    file: FileName
    snapshot: str
    observations: int
    weight: float
    photos: int
    top1_without: float | None
    top1_with: float | None
    log_loss_without: float | None
    log_loss_with: float | None
    formula: Literal["p(species | photo, place, date) ~ p(species | photo) * r(species, place, date) ** weight"] = (
        "p(species | photo, place, date) ~ p(species | photo) * r(species, place, date) ** weight"
    )


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

    schema_version: Literal[2] = SCHEMA_VERSION
    fingerprint: str
    backbone: str
    dataset: DatasetFacts
    input: InputSpec
    output: OutputSpec
    calibration: Calibration = Calibration()
    prior: PriorFacts | None = None
    models: dict[Precision, ModelEntry] = Field(min_length=1)
    evaluation: dict[str, Accuracy]
    files: dict[FileName, FileEntry]
