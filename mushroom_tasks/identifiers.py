"""Ids of what has none at iNaturalist: photos, observers and taxa of other sources.

An own id is 2**52 plus 52 bits of a hash. So it can never be one of iNaturalist's (which count up from 1, and are
below 10**10), the same content or name gives the same id everywhere, and every program reads it exactly: JavaScript,
JSON and float64 hold whole numbers up to 2**53.

    own_id("taxon", "Amanita muscaria")      # 5102321690669245
    is_own(48715)                            # False

Two of a million different contents share an id with a probability of 1e-4; whoever gives out ids looks for that.
"""

from __future__ import annotations

import hashlib

FIRST_OWN_ID = 1 << 52


def own_id(kind: str, text: str) -> int:
    """Return the id of a thing of this kind with this name or content hash."""
    digest = hashlib.sha256(f"{kind}:{text}".encode()).digest()
    return FIRST_OWN_ID + (int.from_bytes(digest[:8], "big") >> 12)


def folder_number(photo_id: int) -> str:
    """Return the name of the folder, of 1,000, that the store keeps a photo in: none grows too large to list."""
    return f"{photo_id % 1000:03d}"


def is_own(number: int) -> bool:
    """Tell whether an id is one of `own_id`, and so means nothing at iNaturalist."""
    return number >= FIRST_OWN_ID
