"""The review page in a browser, inside a live Airflow: open it, look around, follow its links."""

from __future__ import annotations

import re

from browsing import MARKS, BrowserContext, FrameLocator, Page, expect
from live_review import Review

pytestmark = MARKS


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


def test_filter__shows_what_makes_photos_poor(review: Review, frame: FrameLocator) -> None:
    poor = [item for item in review.items() if item["quality_issue"]]
    assert poor
    issue = poor[0]["quality_issue"]
    frame.get_by_role("radio", name="All").check()
    frame.locator("#reason").select_option(f"issue:{issue}")

    expect(frame.locator(".card")).to_have_count(sum(item["quality_issue"] == issue for item in poor))
    words = frame.locator(f"#reason option[value='issue:{issue}']").inner_text()
    expect(frame.locator(".card .why").first).to_contain_text(f"he photo {words}")


def test_report__opens_in_a_sandbox_where_its_script_runs(
    context: BrowserContext, review: Review, frame: FrameLocator
) -> None:
    with context.expect_page() as opened:
        frame.get_by_role("link", name="Report").click()
    page = opened.value
    page.locator("#table thead button").first.click()  # which the script has made

    expect(page.locator("#table th[aria-sort]")).to_have_count(1)
    assert page.evaluate("self.origin") == "null"
    asks = "(address) => fetch(address, { credentials: 'include' }).then(() => 'answered', () => 'refused')"
    assert page.evaluate(asks, f"{review.address}/api/v2/dags") == "refused"
    page.get_by_role("link", name="Contact sheet").first.click()
    assert page.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 300
