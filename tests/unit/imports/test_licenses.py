"""Licences as they are written elsewhere."""

from __future__ import annotations

import pytest

from mushroom_tasks.curation.dataset.attribution import license_of
from mushroom_tasks.imports.licenses import license_code
from mushroom_tasks.settings import LICENSES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CC-BY", "CC-BY"),
        (" cc-by-nc ", "CC-BY-NC"),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA"),
        ("CC BY-ND 4.0", "CC-BY-ND"),
        ("CC_BY_SA", "CC-BY-SA"),
        ("by-nc-nd", "CC-BY-NC-ND"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA"),
        ("http://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "PD"),
        ("cc0", "CC0"),
        ("cc0-1.0", "CC0"),
        ("Public Domain", "PD"),
    ],
)
def test_license_code__reads_what_people_write(text: str, code: str) -> None:
    assert license_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all rights reserved",
        "CC",
        "cc-by-2.0",
        "https://creativecommons.org/licenses/by/3.0/",
        "CC-BY-SA-ND",
        "GFDL",
        "mit",
        "CC-BYX",
        "https://creativecommons.org.evil.example/licenses/by/4.0/",
    ],
)
def test_license_code__knows_no_others(text: str) -> None:
    assert license_code(text) is None


@pytest.mark.parametrize("code", LICENSES)
def test_license_code__every_selectable_licence_is_its_own(code: str) -> None:
    assert license_code(code) == code
    assert license_code(license_of(code).url) == code
