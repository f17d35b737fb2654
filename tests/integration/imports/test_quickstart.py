"""A selection of real photos through iNaturalist's API, from a server that answers as the API does."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from aiohttp import web
from inaturalist_server import (
    AMANITA,
    FUNGI,
    GUESSOWII,
    MUSCARIA,
    PLANTAE,
    VIROSA,
    Inaturalist,
    broken_json,
    status,
    taxon,
    web_page,
)
from photo_folder import photo, write

from mushroom_tasks import stages
from mushroom_tasks.errors import ImportFailed, SelectionError, SourceUnreachable
from mushroom_tasks.imports import inaturalist_api
from mushroom_tasks.imports.inaturalist_api import open_api
from mushroom_tasks.imports.pages import Pages
from mushroom_tasks.imports.quickstart import STRETCH, select
from mushroom_tasks.manifests import SELECTION
from mushroom_tasks.settings import ImportSettings, SelectionSettings, load_settings
from mushroom_tasks.storage import Store

BOTH = ["Amanita muscaria", "Amanita virosa"]
FUNGI_ROOTS = (47170,)
_caches = itertools.count()


class Desk:
    """One home: store, and the API at the server's address, paused for no time at all."""

    def __init__(self, server: Inaturalist, folder: Path) -> None:
        self.server, self.store, self.folder = server, Store(folder / "store"), folder
        self.pauses: list[float] = []

    def ask(
        self, species: list[str] = BOTH, *, again: bool = False, retries: int = 3, **chosen: object
    ) -> tuple[pa.Table, list[dict]]:
        chosen = {"photos_per_species": 20, "min_photos_per_species": 2, **chosen}
        settings = ImportSettings(api_url=self.server.url, api_retries=retries)
        # A count of requests of its own for each question: the limits are tested by themselves.
        cache = self.folder / f"cache-{next(_caches)}"
        with open_api(settings, cache, sleep=self.pauses.append) as api:
            return select(Pages(api, self.store, again=again), species, FUNGI_ROOTS, SelectionSettings(**chosen))


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty requests a minute still, but all at once."""
    monkeypatch.setattr(inaturalist_api, "BURST", 60)


@pytest.fixture
def desk(inaturalist: Inaturalist, tmp_path: Path) -> Desk:
    for number in range(1, 31):
        inaturalist.observe(number, MUSCARIA)
    for number in range(101, 111):
        inaturalist.observe(number, VIROSA)
    return Desk(inaturalist, tmp_path)


def test_select__is_a_selection_of_real_ids(desk: Desk) -> None:
    table, species = desk.ask()
    assert table.schema == SELECTION
    rows = {row["photo_id"]: row for row in table.to_pylist()}
    assert list(rows) == sorted(rows)
    assert Counter(row["taxon_id"] for row in rows.values()) == {48715: 20, 130150: 10}
    row = rows[1010]
    observation = desk.server.observations[30]
    assert row["observation_uuid"] == observation["uuid"]
    assert (row["observer_id"], row["login"], row["observer_name"]) == (17, "user17", "User 17")
    assert (row["license"], row["extension"], row["position"]) == ("CC-BY-NC", "jpg", 0)
    assert (row["latitude"], row["longitude"], row["observed_on"]) == (55.5, 12.25, date(2024, 9, 1))
    assert species[0] == {
        "taxon_id": 48715,
        "scientific_name": "Amanita muscaria",
        "rank": "species",
        "taxonomy": [
            {"taxon_id": 47170, "rank": "kingdom", "name": "Fungi"},
            {"taxon_id": 47348, "rank": "genus", "name": "Amanita"},
            {"taxon_id": 48715, "rank": "species", "name": "Amanita muscaria"},
        ],
    }


def test_select__asks_as_the_api_wants_to_be_asked(desk: Desk) -> None:
    desk.ask()
    question = desk.server.requests("observations")[0]
    assert question == {
        "taxon_id": "48715",
        "photos": "true",
        "quality_grade": "research",
        "order_by": "id",
        "order": "asc",
        "id_above": "0",
        "per_page": "200",
    }
    [agent] = desk.server.agents
    assert "mobile-mushroom-classifier/" in agent
    assert "pyinaturalist/" in agent


def test_select__asks_for_licences_dates_and_places(desk: Desk) -> None:
    desk.server.observe(400, VIROSA, licenses=["cc0"])
    desk.server.observe(401, VIROSA, licenses=["cc-by"])
    desk.server.observe(402, MUSCARIA, licenses=["cc0", "cc-by"])
    box = (4.5, 54.0, 15.5, 58.0)
    table, _ = desk.ask(licenses=("CC0", "CC-BY"), observed_from=date(2020, 1, 1), bounding_box=box)
    assert set(table["license"].to_pylist()) == {"CC0", "CC-BY"}
    question = desk.server.requests("observations")[0]
    assert question["photo_license"] == "CC-BY,CC0"
    assert question["d1"].startswith("2019-12-31")
    assert [float(question[name]) for name in ("swlng", "swlat", "nelng", "nelat")] == list(box)


def test_select__only_open_photos_of_the_open_data(desk: Desk) -> None:
    desk.server.observe(500, VIROSA, licenses=[None, "cc-by-nc-nd", "gfdl", "pd"])
    moved = desk.server.observe(501, VIROSA)
    moved["observation_photos"][0]["photo"]["url"] = "https://static.inaturalist.org/photos/5010/square.jpg"
    hidden = desk.server.observe(502, VIROSA)
    hidden["observation_photos"][0]["photo"]["hidden"] = True
    table, _ = desk.ask(max_photos_per_observation=5, photos_per_species=50)
    found = {row["photo_id"]: row["license"] for row in table.to_pylist() if row["photo_id"] >= 5000}
    assert found == {5001: "CC-BY-NC-ND", 5003: "PD"}


def test_select__varieties_count_for_the_species_that_was_asked_for(desk: Desk) -> None:
    desk.server.observe(600, GUESSOWII)
    table, _ = desk.ask(photos_per_species=50)
    [row] = [row for row in table.to_pylist() if row["photo_id"] == 6000]
    assert (row["taxon_id"], row["scientific_name"]) == (48715, "Amanita muscaria")


def test_select__hybrids_inactive_taxa_and_broken_observations_give_no_photo(desk: Desk) -> None:
    hybrid = taxon(9, "Amanita x", FUNGI, AMANITA, MUSCARIA, rank="infrahybrid", level=5)
    inactive = {**taxon(8, "Amanita old", FUNGI, AMANITA, MUSCARIA), "is_active": False}
    desk.server.observe(700, hybrid)
    desk.server.observe(701, inactive)
    desk.server.observe(702, user=0, observation_photos=[None, {"photo": None}, {"photo": {"url": "x"}}])
    desk.server.observe(703)["user"] = {}
    desk.server.observe(704)["uuid"] = None
    odd = desk.server.observe(705, geojson={"coordinates": ["a", None]}, observed_on="some day")
    table, _ = desk.ask(photos_per_species=100)
    rows = {row["photo_id"]: row for row in table.to_pylist() if row["photo_id"] >= 7000}
    assert list(rows) == [7050]
    assert (rows[7050]["latitude"], rows[7050]["observed_on"]) == (None, None)
    assert odd["uuid"] == rows[7050]["observation_uuid"]


def test_select__reads_page_after_page_where_a_species_is_rare(desk: Desk) -> None:
    desk.server.observations.clear()
    for number in range(1, 451):
        desk.server.observe(number, MUSCARIA, licenses=["cc-by-nc" if number % 9 == 0 else None])
        desk.server.observe(number + 1000, VIROSA)
    table, _ = desk.ask(photos_per_species=50)
    assert table["taxon_id"].to_pylist().count(48715) == 50
    above = [int(query["id_above"]) for query in desk.server.requests("observations") if query["taxon_id"] == "48715"]
    assert above[0] == 0
    assert {200, 400} <= set(above)


def test_select__takes_a_common_species_from_all_its_years(desk: Desk) -> None:
    for stretch in range(3):
        for number in range(300):
            desk.server.observe(stretch * STRETCH + 1000 + number, MUSCARIA)
    table, _ = desk.ask(photos_per_species=40)
    stretches = Counter(row["photo_id"] // 10 // STRETCH for row in table.to_pylist() if row["taxon_id"] == 48715)
    assert set(stretches) == {0, 1, 2}
    assert len([q for q in desk.server.requests("observations") if q["taxon_id"] == "48715"]) <= 6


def test_select__more_photos_only_add_some(desk: Desk) -> None:
    few, _ = desk.ask(photos_per_species=5)
    many, _ = desk.ask(photos_per_species=12)
    assert set(few["photo_id"].to_pylist()) < set(many["photo_id"].to_pylist())


def test_select__the_same_photo_on_two_species_is_left_out(desk: Desk) -> None:
    shared = desk.server.observe(800, VIROSA)
    shared["observation_photos"] = desk.server.observations[0]["observation_photos"]
    table, _ = desk.ask(photos_per_species=100)
    assert desk.server.observations[0]["observation_photos"][0]["photo"]["id"] == 10
    assert 10 not in table["photo_id"].to_pylist()


# --- names


def test_select__a_taxon_id_is_a_name_too(desk: Desk) -> None:
    table, _ = desk.ask(["48715", "Amanita virosa"])
    assert set(table["taxon_id"].to_pylist()) == {48715, 130150}
    assert len(desk.server.requests("taxa")) == 1


def test_select__an_outdated_name_is_understood(desk: Desk) -> None:
    desk.server.taxa[0] = {**MUSCARIA, "matched_term": "Agaricus muscarius"}
    table, _ = desk.ask(["agaricus muscarius", "Amanita virosa"])
    assert "Amanita muscaria" in table["scientific_name"].to_pylist()


def test_select__of_a_name_that_two_kingdoms_have_the_wanted_one_is_meant(desk: Desk) -> None:
    desk.server.taxa.insert(0, taxon(77, "Amanita virosa", PLANTAE))
    table, _ = desk.ask()
    assert 130150 in table["taxon_id"].to_pylist()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Amanita nova", "0 species at iNaturalist are called 'Amanita nova'"),
        ("Amanita", r"It has: Amanita muscaria \(48715\), Amanita virosa \(130150\)"),
        ("999", "no taxon 999"),
        ("122150", "is a variety"),
    ],
)
def test_select__names_a_species_that_is_none(desk: Desk, name: str, says: str) -> None:
    with pytest.raises(SelectionError, match=says):
        desk.ask([name, "Amanita virosa"])


@pytest.mark.parametrize(
    ("species", "chosen", "says"),
    [
        (["Amanita muscaria"], {}, "2 to 50 species"),
        (["Amanita muscaria", "Amanita muscaria"], {}, "2 to 50 species"),
        (BOTH, {"photos_per_species": 501}, "at most 500"),
        (BOTH, {"countries": ("DK",)}, r"selection\.countries"),
        (BOTH, {"min_photos_per_species": 15}, "1 of 2 species have 15"),
    ],
)
def test_select__says_what_a_quick_start_is_not_for(desk: Desk, species: list[str], chosen: dict, says: str) -> None:
    with pytest.raises(SelectionError, match=says):
        desk.ask(species, **chosen)


# --- a server in trouble


def test_select__tries_again_what_fails_in_passing(desk: Desk) -> None:
    desk.server.faults = [status(429, Retry_After="7"), status(503), broken_json, web_page]
    table, _ = desk.ask(retries=4)
    assert table.num_rows == 30
    assert len(desk.pauses) == 4
    assert desk.pauses[0] == 7
    assert 0.8 * 2 <= desk.pauses[1] <= 1.2 * 2


def test_select__obeys_retry_after_within_reason(desk: Desk) -> None:
    desk.server.faults = [status(429, Retry_After="86400"), status(429, Retry_After="tomorrow")]
    desk.ask()
    assert desk.pauses[0] == inaturalist_api.LONGEST_PAUSE
    assert desk.pauses[1] < 3


def test_select__a_server_that_stays_down_is_named(desk: Desk) -> None:
    desk.server.faults = [status(502)] * 9
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1.*failed 3 times.*HTTP 502"):
        desk.ask(retries=2)


def test_select__nobody_there_is_named(desk: Desk) -> None:
    desk.server.url = "http://127.0.0.1:9/v1"
    with pytest.raises(SourceUnreachable, match="ConnectionError"):
        desk.ask(retries=1)


def test_select__a_refusal_is_not_tried_again(desk: Desk) -> None:
    desk.server.faults = [lambda: web.Response(status=422, text="Unprocessable")]
    with pytest.raises(ImportFailed, match="HTTP 422"):
        desk.ask()
    assert desk.pauses == []


def test_select__goes_on_where_it_was_cut_off(desk: Desk) -> None:
    for number in range(1000, 1500):
        desk.server.observe(number, MUSCARIA)
    whole, _ = desk.ask(photos_per_species=100)
    requests = list(desk.server.asked)
    desk.server.asked.clear()

    second = Desk(desk.server, desk.folder / "second")
    desk.server.cut_off_after = 4
    with pytest.raises(SourceUnreachable, match="pages that were fetched are kept"):
        second.ask(photos_per_species=100, retries=0)
    desk.server.cut_off_after = None
    table, _ = second.ask(photos_per_species=100)
    assert table.equals(whole)
    # The fifth question was asked twice: once in vain.
    assert desk.server.asked == [*requests[:5], *requests[4:]]


def test_select__again_asks_nothing_unless_it_is_told_to(desk: Desk) -> None:
    first, _ = desk.ask()
    asked = len(desk.server.asked)
    desk.server.observe(900, VIROSA)
    same, _ = desk.ask()
    assert same.equals(first)
    assert len(desk.server.asked) == asked
    fresh, _ = desk.ask(again=True)
    assert 9000 in fresh["photo_id"].to_pylist()


def test_select__days_are_days_of_the_observer(desk: Desk) -> None:
    for number, day in enumerate(("2023-12-31", "2024-01-01", "2024-12-31", "2025-01-01", None), 950):
        desk.server.observe(number, VIROSA, observed_on=day)
    chosen = {"observed_from": date(2024, 1, 1), "observed_to": date(2024, 12, 31), "photos_per_species": 50}
    table, _ = desk.ask(**chosen)
    assert [n for n in table["photo_id"].to_pylist() if n >= 9000] == [9510, 9520]


def test_api__asks_once_a_second(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inaturalist_api, "BURST", 1)
    start = time.monotonic()
    with open_api(ImportSettings(api_url=desk.server.url), desk.folder / "pace") as api:
        for _ in range(3):
            api.get("taxa/48715", {})
    assert time.monotonic() - start >= 2


def test_api__keeps_the_limit_over_several_runs(desk: Desk) -> None:
    settings = ImportSettings(api_url=desk.server.url, api_requests_per_day=2)
    cache = desk.folder / "count"
    for _ in range(2):
        with open_api(settings, cache) as api:
            api.get("taxa/48715", {})
    with open_api(settings, cache) as api, pytest.raises(ImportFailed, match="used up"):
        api.get("taxa/48715", {})
    assert len(desk.server.asked) == 2


def test_select_from_api__its_photos_come_by_the_ordinary_download(desk: Desk, postgres_home: Path) -> None:
    """From a bucket at another address than the API: in the test a folder, for people the open-data bucket."""
    for number in (*range(1, 31), *range(101, 111)):
        write(desk.folder / "bucket", f"photos/{number * 10}/medium.jpg", photo(number))
    settings = load_settings(
        {
            "home": postgres_home,
            "store_root": desk.store.root,
            "source": str(desk.folder / "bucket"),
            "imports": {"api_url": desk.server.url},
            "selection": {"photos_per_species": 20, "min_photos_per_species": 2},
        }
    )
    selected = stages.select_from_api(settings, BOTH)
    assert (selected.species, selected.photos) == (2, 30)
    stages.download_shard(settings, selected.fingerprint, 0, 1)
    downloads = stages.collect_downloads(settings, selected.fingerprint, 1)
    assert (downloads.downloaded, downloads.failures) == (30, {})

    asked = len(desk.server.asked)
    assert stages.select_from_api(settings, BOTH) == selected
    assert len(desk.server.asked) == asked
    names = [
        entry["scientific_name"] for entry in desk.store.read_json(f"selections/{selected.fingerprint}.species.json")
    ]
    assert names == BOTH
