"""What species.json says of each class: names, look-alikes, warnings, and photos with their credit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pruned_photos import pruned_photo, pruned_table

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.identifiers import own_id
from mushroom_tasks.mobile.schema import Species
from mushroom_tasks.stages.species_facts import describe_species, names_fingerprint, read_common_names

NAMES = ["Agaricus campestris", "Amanita phalloides", "Amanita rubescens", "Boletus edulis"]


def _species(name: str, number: int) -> dict:
    genus = name.split()[0]
    family = {"Agaricus": "Agaricaceae", "Amanita": "Amanitaceae", "Boletus": "Boletaceae"}[genus]
    line = [("kingdom", "Fungi"), ("family", family), ("genus", genus), ("species", name)]
    taxonomy = [{"taxon_id": sum(map(ord, step)), "rank": rank, "name": step} for rank, step in line]
    return {"taxon_id": number, "scientific_name": name, "rank": "species", "taxonomy": taxonomy}


SPECIES = [_species(name, number) for number, name in enumerate(NAMES, start=1)]
NOTHING = np.zeros((4, 4), np.int64)


def _described(*photos: dict, confusion: np.ndarray = NOTHING, names: dict | None = None) -> list[Species]:
    rows = pruned_table(*(photos or (pruned_photo(1),)))
    found = describe_species(SPECIES, rows, confusion, names or {})
    return [Species.model_validate({**entry, "index": index}) for index, entry in enumerate(found)]


def test_describe_species__look_alikes_are_confused_in_either_direction_then_related():
    confusion = NOTHING.copy()
    confusion[0, 1], confusion[3, 1], confusion[1, 0] = 2, 9, 4
    campestris, phalloides, rubescens, edulis = _described(confusion=confusion)
    assert [(a.scientific_name, a.photos, a.shares) for a in phalloides.look_alikes] == [
        ("Boletus edulis", 9, "kingdom"),
        ("Agaricus campestris", 6, "kingdom"),
        ("Amanita rubescens", 0, "genus"),
    ]
    assert [(a.index, a.photos) for a in campestris.look_alikes] == [(1, 6)]
    assert [(a.index, a.photos, a.shares) for a in rubescens.look_alikes] == [(1, 0, "genus")]
    assert [a.index for a in edulis.look_alikes] == [1]


def test_describe_species__warns_of_what_is_documented_and_says_nothing_else():
    campestris, phalloides, _, edulis = _described()
    assert phalloides.warning is not None
    assert (phalloides.warning.level, phalloides.warning.of) == ("deadly", "Amanita phalloides")
    assert phalloides.warning.sources
    assert (campestris.warning, edulis.warning) == (None, None)


def test_describe_species__links_typical_kept_photos_of_several_observers():
    def photo(photo_id: int, observer: int, score: float, **more: object) -> dict:
        return pruned_photo(
            photo_id,
            **{
                "scientific_name": NAMES[0],
                "observer_id": observer,
                "outlier_score": score,
                "license": "CC-BY",
                **more,
            },
        )

    photos = [
        photo(1, 1, 0.9),
        photo(2, 2, 0.1, observer_name="Ann\n<b>", login="ann"),
        photo(3, 2, 0.2),
        photo(4, 3, 0.3, observer_name=None, login="cee"),
        photo(5, 4, 0.0, is_outlier=True),
        photo(own_id("photo", "x"), 5, 0.0),
        photo(6, 6, 0.4),
        photo(7, 7, 0.5),
    ]
    links = _described(*photos)[0].photos
    assert [link.page for link in links] == [f"https://www.inaturalist.org/photos/{number}" for number in (2, 4, 6)]
    assert (links[0].photographer, links[1].photographer) == ("Ann <b>", "cee")
    assert (links[0].license, links[0].license_url) == ("CC BY", "https://creativecommons.org/licenses/by/4.0/")


def test_read_common_names__by_species_and_language(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text(
        "language,scientific_name,common_name\n"
        "en,Amanita phalloides,Death cap\nen,Amanita phalloides,Deathcap\nda,Amanita phalloides,Grøn fluesvamp\n"
        "en,Amanita phalloides,Death cap\nen,Boletus edulis,\n,Boletus edulis,Cep\n",
        encoding="utf-8-sig",
    )
    names = read_common_names(path)
    assert names["Amanita phalloides"] == {"en": ["Death cap", "Deathcap"], "da": ["Grøn fluesvamp"]}
    described = _described(names=names)
    assert described[1].common_names == {"en": ("Death cap", "Deathcap"), "da": ("Grøn fluesvamp",)}
    assert described[3].common_names == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"scientific_name,name\n", r"lacks the columns \['common_name', 'language'\]"),
        (b"", "lacks the columns"),
        (b"scientific_name,common_name,language\n\xff\xfe\x00", "cannot be read"),
    ],
)
def test_read_common_names__refuses_other_files(tmp_path, content, message):
    path = tmp_path / "names.csv"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_common_names(path)


def test_names_fingerprint__is_that_of_the_content(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x")
    assert names_fingerprint(str(tmp_path / "a.csv")) == names_fingerprint(str(tmp_path / "b.csv"))
    assert names_fingerprint("") is None
    with pytest.raises(SettingsError, match=r"export\.common_names: .*gone\.csv cannot be read"):
        names_fingerprint(str(Path(tmp_path) / "gone.csv"))
