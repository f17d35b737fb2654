"""Playwright, as the tests of a browser need it; without it they skip."""

from __future__ import annotations

import re

import pytest
from live_review import lacking

try:
    from playwright.sync_api import BrowserContext, FrameLocator, Page, expect
except ModuleNotFoundError:
    lacking("playwright, which drives the browser, is not installed: it is one of the `dev` extras")

__all__ = ["MARKS", "BrowserContext", "FrameLocator", "Page", "expect", "said"]

MARKS = [pytest.mark.e2e, pytest.mark.timeout(1_200)]


def said(frame: FrameLocator, text: str) -> None:
    """Wait until the page says so."""
    expect(frame.locator("#message-text")).to_have_text(re.compile(text))
