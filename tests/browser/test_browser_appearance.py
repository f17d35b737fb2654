"""The page fits: Airflow's colours, texts that can be read, names for screen readers, a phone."""

from __future__ import annotations

import pytest
from browsing import MARKS, FrameLocator, Page, expect
from live_review import Review, open_review

pytestmark = MARKS


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
