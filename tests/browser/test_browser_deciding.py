"""Decide in a browser, by keyboard and by mouse, and take it back."""

from __future__ import annotations

import re

from browsing import MARKS, FrameLocator, Page, expect, said
from live_review import Review, photo_at, verdicts

pytestmark = MARKS


def test_keyboard__decides_and_takes_back(review: Review, frame: FrameLocator, page: Page) -> None:
    photo = photo_at(frame, 0)
    before = frame.locator("#progress-text").inner_text()
    page.keyboard.press("ArrowDown")
    expect(frame.locator(".card .tick").first).to_be_focused()

    page.keyboard.press("k")
    said(frame, "Keep: 1 photo")
    expect(frame.locator(".card").first.locator(".stamp")).to_have_text("Keep")
    expect(frame.locator(".card .tick").nth(1)).to_be_focused()
    expect(frame.locator("#progress-text")).not_to_have_text(before)
    assert verdicts(review)[photo] == "keep"

    page.keyboard.press("z")
    said(frame, "Taken back · Keep: 1 photo")
    expect(frame.locator(".card").first.locator(".stamp")).to_be_hidden()
    expect(frame.locator("#progress-text")).to_have_text(before)
    assert verdicts(review)[photo] is None


def test_several_photos__are_decided_at_one_stroke(review: Review, frame: FrameLocator, page: Page) -> None:
    photos = [photo_at(frame, index) for index in range(3)]
    frame.locator(".card .picture").nth(0).click()
    frame.locator(".card .picture").nth(2).click(modifiers=["Shift"])
    expect(frame.locator("#chosen")).to_have_text("3 selected")

    frame.get_by_role("button", name="Not sure").first.click()
    said(frame, "Not sure: 3 photos")
    assert {photo: verdicts(review)[photo] for photo in photos} == dict.fromkeys(photos, "not_sure")
    expect(frame.locator("#chosen")).not_to_have_text(re.compile("selected"))

    frame.locator("#message-undo").click()
    said(frame, "Taken back · Not sure: 3 photos")
    assert {photo: verdicts(review)[photo] for photo in photos} == dict.fromkeys(photos)
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
    photos = [photo_at(frame, index) for index in range(2)]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    viewer = frame.get_by_role("dialog")
    expect(viewer).to_be_visible()
    expect(viewer.locator("dl")).to_contain_text("Photographer")
    expect(viewer.locator("#viewer-log")).to_contain_text(re.compile("admin|Nobody"))

    page.keyboard.press("w")
    expect(viewer.locator("#viewer-image")).to_have_attribute("src", re.compile(f"/{photos[1]}/large"))
    assert verdicts(review)[photos[0]] == "wrong_species"
    # What is behind an open window can be neither seen nor heard: the page speaks within it.
    expect(viewer.locator("#message-text")).to_be_visible()
    expect(viewer.get_by_role("status")).not_to_be_empty()
    page.keyboard.press("z")
    said(frame, "Taken back")
    page.keyboard.press("ArrowLeft")
    expect(viewer.locator("#viewer-log li").first).to_contain_text("No verdict")
    expect(viewer.locator("#viewer-log")).to_contain_text("Wrong species")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(frame.locator(".card .tick").first).to_be_focused()
    expect(frame.locator("#message-text")).to_be_visible()


def test_history__says_who_decided_and_takes_back(review: Review, frame: FrameLocator, page: Page) -> None:
    photo = photo_at(frame, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    said(frame, "Prune: 1 photo")
    frame.get_by_role("button", name="History").click()
    entry = frame.locator("#history-log li").first
    expect(entry).to_contain_text("Prune")
    expect(entry).to_contain_text("admin")

    entry.get_by_role("button", name="Undo").click()
    expect(frame.locator("#history-log li").first).to_contain_text("Taken back")
    assert verdicts(review)[photo] is None
