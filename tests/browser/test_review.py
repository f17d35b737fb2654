"""The review page in a browser, inside a live Airflow: look, decide, undo, rebuild, and who may not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from live_review import BUILD, VIEWER, Review, finished, lacking, open_review, sign_in

from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.manifests import PRUNED, read_manifest
from mushroom_tasks.storage import Store

try:
    from playwright.sync_api import BrowserContext, FrameLocator, Page, expect
except ModuleNotFoundError:
    lacking("playwright, which drives the browser, is not installed: it is one of the `dev` extras")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]
ADMIN = "admin"


class Watched:
    """A page of Airflow that notes what it should not do: requests to elsewhere, errors, refused scripts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("request", lambda request: self._request(request.url, address))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._console(message.text))

    def _request(self, url: str, address: str) -> None:
        if not url.startswith((f"{address}/", "data:", "blob:")):
            self.complaints.append(f"request to {url}")

    def _console(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.complaints.append(text)


@pytest.fixture
def page(context: BrowserContext, review: Review) -> Iterator[Page]:
    context.add_cookies([{"name": "_token", "value": review.token(ADMIN), "url": review.address}])
    page = context.new_page()
    watched = Watched(page, review.address)
    page.goto(review.address)
    yield page
    assert watched.complaints == []


@pytest.fixture
def frame(page: Page) -> FrameLocator:
    return open_review(page)


def _verdicts(review: Review) -> dict[int, str | None]:
    with review.client(ADMIN) as client:
        (found, *_) = client.get("api/start").json()["sets"]
        items = client.get(f"api/sets/{found['fingerprint']}/items", params={"show": "all", "limit": 200}).json()[
            "items"
        ]
    return {item["photo_id"]: item["verdict"] for item in items}


def _photo(frame: FrameLocator, index: int) -> int:
    return int(str(frame.locator(".card").nth(index).get_attribute("data-key")).partition("-")[0])


def _say(frame: FrameLocator, text: str) -> None:
    expect(frame.locator("#message-text")).to_have_text(re.compile(text))


def test_page__opens_from_airflows_menu_and_shows_what_pruning_found(page: Page, frame: FrameLocator) -> None:
    first = frame.locator(".card").first

    expect(frame.locator("h1")).to_have_text("Mushroom review")
    expect(first.locator(".flag")).to_have_text(re.compile("Pruned|Doubtful"))
    expect(first.locator(".why")).not_to_be_empty()
    expect(first.locator(".score")).to_have_text(re.compile(r"\d\.\d\d"))
    expect(first.locator(".who")).not_to_be_empty()
    expect(first.locator(".license")).to_have_text(re.compile(r"· (CC|PD)"))
    expect(first.get_by_role("link")).to_have_attribute(
        "href", re.compile("^https://www.inaturalist.org/observations/")
    )
    assert first.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth }") >= 320
    expect(frame.locator("#progress-text")).to_have_text(re.compile(r"\d+ of \d+ photos decided"))
    expect(page).to_have_url(re.compile("/plugin/mushroom-review"))


def test_filters__are_kept_in_airflows_address(page: Page, frame: FrameLocator) -> None:
    frame.get_by_role("radio", name="Kept").check()
    expect(frame.locator(".card .flag").first).to_have_text("Kept")
    frame.locator("#species-list a").nth(1).click()
    name = frame.locator("#species-list a").nth(1).locator(".scientific").inner_text()
    expect(frame.locator("#title")).to_have_text(name)
    expect(page).to_have_url(re.compile(r"taxon=\d+.*show=kept"))

    page.reload()

    expect(frame.locator("#title")).to_have_text(name)
    expect(frame.locator(".card .flag").first).to_have_text("Kept")
    frame.locator("#search").fill(name[:6].upper())
    expect(frame.locator("#species-list li").first).to_contain_text(name[:6])
    frame.locator("#search").fill("no such species")
    expect(frame.locator("#species-list")).to_contain_text("No species of this name")


def test_keyboard__decides_and_takes_back(review: Review, frame: FrameLocator, page: Page) -> None:
    photo = _photo(frame, 0)
    before = frame.locator("#progress-text").inner_text()
    page.keyboard.press("ArrowDown")
    expect(frame.locator(".card .tick").first).to_be_focused()

    page.keyboard.press("k")
    _say(frame, "Keep: 1 photo")
    expect(frame.locator(".card").first.locator(".stamp")).to_have_text("Keep")
    expect(frame.locator(".card .tick").nth(1)).to_be_focused()
    expect(frame.locator("#progress-text")).not_to_have_text(before)
    assert _verdicts(review)[photo] == "keep"

    page.keyboard.press("z")
    _say(frame, "Taken back · Keep: 1 photo")
    expect(frame.locator(".card").first.locator(".stamp")).to_be_hidden()
    expect(frame.locator("#progress-text")).to_have_text(before)
    assert _verdicts(review)[photo] is None


def test_several_photos__are_decided_at_one_stroke(review: Review, frame: FrameLocator, page: Page) -> None:
    photos = [_photo(frame, index) for index in range(3)]
    frame.locator(".card .picture").nth(0).click()
    frame.locator(".card .picture").nth(2).click(modifiers=["Shift"])
    expect(frame.locator("#chosen")).to_have_text("3 selected")

    frame.get_by_role("button", name="Not sure").first.click()
    _say(frame, "Not sure: 3 photos")
    assert {photo: _verdicts(review)[photo] for photo in photos} == dict.fromkeys(photos, "not_sure")
    expect(frame.locator("#chosen")).not_to_have_text(re.compile("selected"))

    frame.locator("#message-undo").click()
    _say(frame, "Taken back · Not sure: 3 photos")
    assert {photo: _verdicts(review)[photo] for photo in photos} == dict.fromkeys(photos)
    page.keyboard.press("a")
    expect(frame.locator("#chosen")).to_have_text(re.compile(r"\d+ selected"))
    page.keyboard.press("Escape")
    expect(frame.locator("#chosen")).not_to_have_text(re.compile("selected"))


def test_selection__grows_with_shift_and_the_arrows(frame: FrameLocator, page: Page) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(frame.locator("#chosen")).to_have_text("2 selected")
    page.keyboard.press("Space")
    expect(frame.locator("#chosen")).to_have_text("1 selected")


def test_large_view__shows_one_photo_and_decides_on_it(review: Review, frame: FrameLocator, page: Page) -> None:
    photos = [_photo(frame, index) for index in range(2)]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    viewer = frame.get_by_role("dialog")
    expect(viewer).to_be_visible()
    expect(viewer.locator("dl")).to_contain_text("Photographer")
    expect(viewer.locator("#viewer-log")).to_contain_text(re.compile("admin|Nobody"))

    page.keyboard.press("w")
    expect(viewer.locator("#viewer-image")).to_have_attribute("src", re.compile(f"/{photos[1]}/large"))
    assert _verdicts(review)[photos[0]] == "wrong_species"
    page.keyboard.press("z")
    _say(frame, "Taken back")
    page.keyboard.press("ArrowLeft")
    expect(viewer.locator("#viewer-log li").first).to_contain_text("No verdict")
    expect(viewer.locator("#viewer-log")).to_contain_text("Wrong species")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(frame.locator(".card .tick").first).to_be_focused()


def test_history__says_who_decided_and_takes_back(review: Review, frame: FrameLocator, page: Page) -> None:
    photo = _photo(frame, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    _say(frame, "Prune: 1 photo")
    frame.get_by_role("button", name="History").click()
    entry = frame.locator("#history-log li").first
    expect(entry).to_contain_text("Prune")
    expect(entry).to_contain_text("admin")

    entry.get_by_role("button", name="Undo").click()
    expect(frame.locator("#history-log li").first).to_contain_text("Taken back")
    assert _verdicts(review)[photo] is None


def test_help__lists_the_keys(frame: FrameLocator, page: Page) -> None:
    page.keyboard.press("?")
    expect(frame.get_by_role("dialog", name="Keyboard")).to_contain_text("Wrong species")
    page.keyboard.press("Escape")
    expect(frame.get_by_role("dialog")).to_be_hidden()


def test_observation__opens_beside_airflow(context: BrowserContext, frame: FrameLocator) -> None:
    """Airflow's frame lets no window open; the link is followed in Airflow's own document."""
    context.route("https://www.inaturalist.org/**", lambda route: route.fulfill(body="an observation"))
    with context.expect_page() as opened:
        frame.locator(".card").first.get_by_role("link").click()
    assert opened.value.url.startswith("https://www.inaturalist.org/observations/")
    assert opened.value.evaluate("window.opener") is None


def test_colours__are_airflows_and_change_with_them(page: Page, frame: FrameLocator) -> None:
    ours = "getComputedStyle(document.body).backgroundColor"
    airflows = "getComputedStyle(document.documentElement).backgroundColor"
    body = frame.locator("body")

    def choose(mode: str) -> None:
        page.evaluate("(mode) => { document.documentElement.className = mode }", mode)

    choose("dark")
    expect(frame.locator("html")).to_have_class("dark")
    dark = body.evaluate(f"() => {ours}")
    assert dark == page.evaluate(airflows)
    choose("light")
    expect(frame.locator("html")).not_to_have_class("dark")
    assert body.evaluate(f"() => {ours}") == page.evaluate(airflows) != dark


# Contrast as WCAG 2 defines it, of texts against what lies behind them.
_CONTRAST = """(selectors) => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const found = rgb(getComputedStyle(e).backgroundColor); if (found[3] === 255) return found; }
    return [255, 255, 255]; };
  return Object.fromEntries(selectors.map((selector) => {
    const element = document.querySelector(selector);
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  }));
}"""
_TEXTS = ["h1", "#progress-rest", "#show-rebuild", "#subtitle", "#species-list .left", "#species-list .counts",
          ".card .flag", ".card .score", ".card .why", ".card .who", "#chosen", ".bar kbd",
          "#show input:checked + span"]  # fmt: skip


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_texts__can_be_read(page: Page, frame: FrameLocator, mode: str) -> None:
    page.evaluate("(mode) => { document.documentElement.className = mode }", mode)
    page.wait_for_timeout(300)  # until colours have faded over
    contrast = frame.locator("body").evaluate(f"(body, selectors) => ({_CONTRAST})(selectors)", _TEXTS)
    assert {name: ratio for name, ratio in contrast.items() if ratio < 4.5} == {}


def test_controls__all_have_names(frame: FrameLocator) -> None:
    nameless = frame.locator("body").evaluate(
        """(body) => [...body.querySelectorAll("button, input, select, a, progress, [role]")]
          .filter((e) => !(e.innerText?.trim() || e.textContent.trim() || e.getAttribute("aria-label")
            || e.closest("label")?.textContent.trim() || e.matches("[role=status]")))
          .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_phone__everything_is_in_reach(page: Page, review: Review) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    frame = open_review(page)
    inner = frame.locator("html")

    assert inner.evaluate("(html) => html.scrollWidth <= html.clientWidth")
    expect(frame.locator("#species")).to_be_hidden()
    frame.get_by_role("button", name="Species", exact=True).click()
    frame.locator("#species-list a").nth(1).click()
    expect(frame.locator("#species")).to_be_hidden()
    for name in ("Keep", "Prune", "Wrong species", "Not sure"):
        button = frame.locator("#verdicts").get_by_role("button", name=name)
        expect(button).to_be_in_viewport(ratio=1)
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_viewer__looks_but_does_not_decide(context: BrowserContext, review: Review) -> None:
    page = sign_in(context, review, VIEWER)
    frame = open_review(page)
    before = _verdicts(review)

    expect(frame.locator("#only-look")).to_contain_text("permission to edit dataset_build")
    for name in ("Keep", "Prune", "Rebuild", "Undo"):
        button = frame.get_by_role("button", name=name).first
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute("title", re.compile("permission to edit dataset_build"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    _say(frame, "permission to edit dataset_build")
    assert _verdicts(review) == before


def test_viewer__is_refused_by_the_server_too(review: Review) -> None:
    with review.client(VIEWER) as client:
        (found, *_) = client.get("api/start").json()["sets"]
        (item, *_) = client.get(f"api/sets/{found['fingerprint']}/items").json()["items"]
        photos = [[item["photo_id"], item["taxon_id"]]]
        body = {"fingerprint": found["fingerprint"], "verdict": "prune", "photos": photos}
        answer = client.post("api/decisions", json=body, headers={"X-Mushroom-Review": "1"})

    assert answer.status_code == 403
    assert _verdicts(review)[item["photo_id"]] is None


def test_anonymous__gets_nothing(context: BrowserContext, review: Review) -> None:
    (fingerprint,) = {found["fingerprint"] for found in _sets(review)}
    photo = next(iter(_verdicts(review)))
    with review.client(None) as client:
        for path in (
            "api/start",
            f"api/sets/{fingerprint}/items",
            f"pictures/{fingerprint}/{photo}/grid.jpg",
            "menu.svg",
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
        forged = client.get("api/start", headers={"Authorization": "Bearer nonsense"})
        assert forged.status_code in (401, 403)

    page = context.new_page()
    page.goto(f"{review.address}/mushroom-review/?set={fingerprint}")
    expect(page.locator("input[name=password]")).to_be_visible()
    assert "mushroom-review" in page.url


def test_another_site__cannot_decide_with_a_persons_cookie(review: Review) -> None:
    with review.client(ADMIN) as client:
        for headers in ({}, {"X-Mushroom-Review": "1", "Origin": "https://elsewhere.example"}):
            body = json.dumps({"fingerprint": "x", "verdict": "keep", "photos": [[1, 1]]})
            answer = client.post("api/decisions", content=body, headers={"Content-Type": "application/json", **headers})
            assert answer.status_code == 403


def _sets(review: Review) -> list[dict[str, object]]:
    with review.client(ADMIN) as client:
        return list(client.get("api/start").json()["sets"])


def test_rebuild__the_new_data_set_obeys(review: Review, frame: FrameLocator, page: Page) -> None:
    store = Store(review.settings.store)
    old = list_datasets(store)[0].fingerprint
    frame.get_by_role("radio", name="Pruned").check()
    expect(frame.locator(".card .flag").first).to_have_text("Pruned")
    kept = _photo(frame, 0)
    frame.locator(".card .tick").first.focus()
    page.keyboard.press("k")
    _say(frame, "Keep: 1 photo")
    frame.get_by_role("radio", name="Kept").check()
    expect(frame.locator(".card .flag").first).to_have_text("Kept")
    pruned = _photo(frame, 0)
    frame.locator(".card .tick").first.focus()
    page.keyboard.press("p")
    _say(frame, "Prune: 1 photo")
    # What the rules kept is not among the photos to decide: neither at the top nor in the list of species.
    expect(frame.locator("#progress-text")).to_have_text(re.compile("^1 of "))
    expect(frame.locator("#species-list .counts").first).to_contain_text("1 decided")

    frame.get_by_role("button", name="Rebuild").click()
    frame.locator("#rebuild-start").click()
    link = frame.locator("#rebuild-run a")
    expect(link).to_have_attribute("href", re.compile(f"dags/{BUILD}/runs/manual__"))
    with review.services.airflow_api() as api:
        finished(api, api.runs(BUILD)[0])

    new = list_datasets(store)[0].fingerprint
    assert new != old
    rows = {row["photo_id"]: row for row in read_manifest(store, f"datasets/{new}/pruned.parquet", PRUNED).to_pylist()}
    assert (rows[kept]["decision"], rows[kept]["is_outlier"]) == ("keep", False)
    assert (rows[pruned]["decision"], rows[pruned]["is_outlier"]) == ("prune", True)
    expect(frame.locator("#rebuild-run")).to_contain_text("success", timeout=30_000)
    link.click()
    expect(page).to_have_url(re.compile(f"/dags/{BUILD}/runs/manual__"))


def test_approval__that_a_run_waits_for_is_shown_and_linked(context: BrowserContext, review: Review) -> None:
    conf = {"again": True, "review.wait_for_approval": True}
    with httpx.Client(base_url=review.address, headers={"Authorization": f"Bearer {review.token(ADMIN)}"}) as client:
        path = f"/api/v2/dags/{BUILD}/dagRuns"
        run = client.post(path, json={"logical_date": None, "conf": conf}).raise_for_status().json()["dag_run_id"]
        pending = f"{path}/{quote(run, safe='')}/hitlDetails?response_received=false"
        deadline = time.monotonic() + 600
        while not client.get(pending).json()["total_entries"]:
            assert time.monotonic() < deadline, "the run asks for no approval"
            time.sleep(2)

    page = sign_in(context, review, ADMIN)
    frame = open_review(page)
    notice = frame.locator("#approvals")
    expect(notice).to_contain_text("Publish this data set?")
    frame.get_by_role("button", name="Rebuild").click()
    expect(frame.locator("#rebuild-waits")).to_contain_text("runs one at a time")
    expect(frame.locator("#rebuild-waits a")).to_have_attribute("href", re.compile("/tasks/approve/required_actions"))
    page.keyboard.press("Escape")
    notice.get_by_role("link", name="Answer").click()

    expect(page).to_have_url(re.compile(f"/dags/{BUILD}/runs/.*/tasks/approve/required_actions"))
    expect(page.get_by_text("Publish this data set?").first).to_be_visible()
