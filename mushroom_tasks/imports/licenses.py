"""Licences as people and programs write them, read as the codes of iNaturalist's tables.

    license_code("cc-by-nc-4.0")                                          # "CC-BY-NC"
    license_code("https://creativecommons.org/licenses/by-sa/4.0/")       # "CC-BY-SA"

Only what a credit line can be written for is a licence here: Creative Commons 4.0, CC0 and the public domain.
"""

from __future__ import annotations

import re

from mushroom_tasks.settings import LICENSES

_TERMS = re.compile(r"(?:CC-)?(BY(?:-NC)?(?:-(?:SA|ND))?)(?:-(\d\.\d))?(?:-(?:INTERNATIONAL|INT|DEED))?")
_URL = re.compile(r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)(?:/.*)?", re.I)
_PUBLIC = {"CC0": "CC0", "CC0-1.0": "CC0", "ZERO-1.0": "CC0", "PD": "PD", "PUBLIC-DOMAIN": "PD", "PDM": "PD"}
_PUBLIC |= {"MARK-1.0": "PD"}
_VERSION = "4.0"


def license_code(text: str) -> str | None:
    """Return the code for a licence, or None where it is none of the open ones, or of another version than 4.0.

    An older version has other terms and another address: crediting it as 4.0 would be wrong.
    """
    found = _URL.fullmatch(text.strip())
    name = f"{found[1]}-{found[2]}" if found else text.strip()
    plain = re.sub(r"[\s_-]+", "-", name.upper())
    if plain in _PUBLIC:
        return _PUBLIC[plain]
    terms = _TERMS.fullmatch(plain)
    if terms is None or terms[2] not in (None, _VERSION):
        return None
    code = f"CC-{terms[1]}"
    return code if code in LICENSES else None
