"""The model card: what a model is, how good it was on photos it had not seen, and what it must not be used for.

Plain Markdown, after "Model Cards for Model Reporting" (Mitchell et al., 2019). Names come from strangers and are
escaped.

    text = card_text(manifest, species, {"mushroom-int8.tflite": 3_964_568})
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mushroom_tasks.escaping import escape_markdown
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.mobile.schema import Accuracy, Manifest, Species, Taxon


def card_text(manifest: Manifest, species: Sequence[Species], sizes: Mapping[str, int]) -> str:
    """Return the model card as Markdown. `sizes` has the bytes of every model file."""
    sections = (
        _summary(manifest, species),
        _INTENDED_USE,
        _accuracy(manifest.evaluation),
        _variants(manifest, sizes),
        _how_to_run(manifest),
        *_season_and_place(manifest),
        *_warnings(species),
        _data(manifest),
        _LIMITS,
        _classes(species),
    )
    return "\n\n".join(sections) + "\n"


_INTENDED_USE = """\
## Intended use

To suggest what a photo may show, to people who then look for themselves: in the field, and to sort photos.

- Show the **top five with their probabilities**, never one name alone.
- Say that it **may be none of them**: the model knows the species below and no others, and gives every photo, of
  anything, to one of these.
- **No advice on consumption.** Nothing here tells whether something can be eaten or touched. Never eat anything because
  this model named it; species that kill look like species that do not.

Not for identifications that count without an expert's look: poisonings, records, trade."""

_LIMITS = """\
## Limits

- A probability is the model's confidence among its own species, not the chance of being right in the place and season
  of the photo.
- Many species cannot be told apart in a photo at all; they need spores, chemistry or DNA, or a part that is not shown.
- The names it learned from are those that people gave the photos, and some of them are wrong.
- People photograph what is near, large and pretty. Young, old, dry and damaged specimens are rare among the photos,
  and so are places with few observers.
- Measured on photos of the same source: photos from another camera, or of another kind, may do worse."""


def _summary(manifest: Manifest, species: Sequence[Species]) -> str:
    shared = _shared_taxon(species)
    of_taxon = f" of {escape_markdown(shared.name)}" if shared else ""
    return (
        f"# Species classifier {escape_markdown(manifest.fingerprint)}\n\n"
        f"Names {len(species):,} species{of_taxon} in a photo, on the phone itself. Made by transfer learning from the "
        f"backbone {escape_markdown(manifest.backbone)}, with photos from {_origin(manifest)}."
    )


def _origin(manifest: Manifest) -> str:
    origin = manifest.dataset.origin
    if origin.startswith("iNaturalist"):
        return "[iNaturalist](https://www.inaturalist.org)"
    return f"another source ({escape_markdown(origin)})"


def _shared_taxon(species: Sequence[Species]) -> Taxon | None:
    """Return the lowest taxon that all species belong to, or None."""
    shared = None
    for steps in zip(*(item.taxonomy for item in species), strict=False):
        if len({step.taxon_id for step in steps}) > 1:
            break
        shared = steps[0]
    return shared


def _accuracy(evaluation: Mapping[str, Accuracy]) -> str:
    header = ("Photos", "Number", "Top-1", "Top-3", "Top-5", "Macro F1")
    lines = [
        (escape_markdown(name), f"{a.photos:,}", f"{a.top1:.1%}", f"{a.top3:.1%}", f"{a.top5:.1%}", f"{a.macro_f1:.3f}")
        for name, a in evaluation.items()
    ]
    return (
        "## Accuracy on held-out observers\n\n"
        "All photos of one observer are in one split where observers are known, so the model was never trained on "
        f"photos by these people. Measured with the Keras model, before it was exported:\n\n{_table(header, lines)}"
    )


def _variants(manifest: Manifest, sizes: Mapping[str, int]) -> str:
    header = ("Model", "Size", "Top-1", "Top-5", "Same first name as Keras", "Mean difference", *_MEASURES.values())
    lines = []
    for entry in manifest.models.values():
        parity = entry.parity
        lines.append(
            (
                f"`{entry.file}`",
                f"{sizes[entry.file] / 1e6:.2f} MB",
                f"{parity.accuracy_litert:.1%} (Keras {parity.accuracy_keras:.1%})",
                f"{parity.top5_litert:.1%} (Keras {parity.top5_keras:.1%})",
                f"{parity.agreement:.1%}",
                f"{parity.mean_abs_diff:.2g}",
                *(_beside(parity, name) for name in _MEASURES if name != _TIME),
                f"{parity.latency_ms:.1f} / {parity.latency_2_threads_ms:.1f} ms",
            )
        )
    parity = next(iter(manifest.models.values())).parity
    return (
        "## Before and after quantization\n\n"
        f"Each variant ran in LiteRT over {parity.photos:,} held-out photos. The difference is of the probabilities. "
        "The calibration error is that of the calibrated probabilities; the poison cost counts 100 for each photo of a "
        "species documented as poisonous that was taken for one without a warning, and 1 for the reverse, per photo. "
        f"The time is the median on one thread, and on two, of the machine that exported the model "
        f"({escape_markdown(parity.machine)}); measure on the phone you have in mind.\n\n{_table(header, lines)}"
    )


_TIME = "time"
_MEASURES = {"ece": "Calibration error", "poison_cost": "Poison cost", _TIME: "One photo"}


def _beside(parity: Parity, name: str) -> str:
    """Return a measure of the variant and of Keras; nothing where it was not taken."""
    if name not in parity.measures_litert:
        return ""
    return f"{parity.measures_litert[name]:.3f} (Keras {parity.measures_keras[name]:.3f})"


def _season_and_place(manifest: Manifest) -> Iterator[str]:
    """Give the section about the prior, where there is one."""
    prior = manifest.prior
    if prior is None:
        return
    judged = ""
    if prior.top1_with is not None and prior.top1_without is not None:
        judged = (
            f" On {prior.photos:,} held-out photos with a place, top-1 is {prior.top1_with:.1%} with it and "
            f"{prior.top1_without:.1%} without."
        )
    yield (
        "## Season and place\n\n"
        f"`{prior.file}` tells where and in which months a species is observed: {prior.observations:,} observations of "
        "the loaded snapshot, none by the observers of the validation and test photos. Probabilities are multiplied by "
        f"the ratio it gives to the power of weight {prior.weight:.2f}; unknown places change nothing.{judged} It "
        "knows where people look for mushrooms, not where they can be: a rare find is no error."
    )


def _warnings(species: Sequence[Species]) -> Iterator[str]:
    """Give the section about documented toxicity, where anything is documented."""
    lines = [
        (_linked(item), item.warning.level, escape_markdown(item.warning.toxin), escape_markdown(item.warning.syndrome))
        for item in species
        if item.warning
    ]
    if lines:
        yield (
            "## Documented as poisonous or suspected\n\n"
            "From the literature that `species.json` cites. A species that is not in this table is **not documented "
            "here**, which says nothing about it.\n\n"
            f"{_table(('Species', 'Warning', 'Toxin', 'What happens'), lines)}"
        )


def _answering(manifest: Manifest) -> str:
    """Say what is done to the model's answer before it is shown."""
    calibration = manifest.calibration
    text = f"- Calibrate: raise each probability to the power of 1 / {calibration.temperature:.4g}, then scale to 1."
    if calibration.unknown:
        unknown = calibration.unknown
        text += (
            f"\n- None of these: where the {unknown.score} of calibrated probabilities is below "
            f"{unknown.threshold:.4g}; {unknown.accepted:.1%} of held-out photos of the species pass."
        )
    return text


def _how_to_run(manifest: Manifest) -> str:
    size = manifest.input.size
    inputs = "; ".join(f"`{entry.file}` takes {entry.input_type}" for entry in manifest.models.values())
    return (
        "## How to run it\n\n"
        f"- Input: the photo upright (EXIF applied), its centre square, resized to {size} x {size} (bilinear, "
        f"antialiased), RGB, shape (1, {size}, {size}, 3), values 0 to 255. {inputs}. The preprocessing is inside the "
        "model: do not divide by 255.\n"
        f"- Output: float32 probabilities, shape (1, {manifest.output.shape[1]}), in the order of `labels.txt`. "
        f"Nothing is to be scaled back.\n{_answering(manifest)}\n"
        "- The labels and what goes in and out are packed into each `.tflite` too, as the LiteRT metadata schema has "
        "it.\n"
        "- `species.json` has names, taxonomy, look-alikes and the iNaturalist page of each, `bundle.json` the same "
        "facts for programs and the sha256 of every file."
    )


def _data(manifest: Manifest) -> str:
    dataset = manifest.dataset
    total = sum(dataset.licenses.values())
    closed = sum(count for code, count in dataset.licenses.items() if "NC" in code.split("-"))
    splits = ", ".join(f"{count:,} {escape_markdown(name)}" for name, count in dataset.splits.items())
    lines = [(escape_markdown(code), f"{count:,}") for code, count in sorted(dataset.licenses.items())]
    return (
        "## Data\n\n"
        f"Data set {escape_markdown(dataset.fingerprint)}: {dataset.photos:,} photos ({splits}). {dataset.pruned:,} of "
        "them were flagged as unlike the other photos of their species, and were left out of training.\n\n"
        "`attribution.csv` credits the photographer of every photo, under the licence of that photo; pass it on with "
        f"the model. {closed:,} of {total:,} photos exclude commercial use, and iNaturalist asks that its data earn no "
        f"money.\n\n{_table(('Licence', 'Photos'), lines)}"
    )


def _classes(species: Sequence[Species]) -> str:
    lines = [
        (
            f"{item.index}",
            _linked(item),
            " / ".join(escape_markdown(taxon.name) for taxon in item.taxonomy[:-1]),
        )
        for item in species
    ]
    return f"## Species\n\n{_table(('Index', 'Species', 'Taxonomy'), lines)}"


def _linked(item: Species) -> str:
    name = escape_markdown(item.scientific_name)
    return f"[{name}]({item.inaturalist})" if item.inaturalist else name


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *lines))
