"""Credit lines: who took each photo, under which licence, and where it came from.

The wording is iNaturalist's own for each licence (its `Shared::LicenseModule`, and `copyright` in its `en.yml`), so a
credit reads the same here as at the source. Its API adds ", uploaded by <account>" to some lines; the open data know
the account alone, so that would say one name twice. CC0 asks for no credit, and some of its pages leave the name out
there; here it always stands. iNaturalist's Creative Commons licences are version 4.0, and only such are taken in from
other sources (`imports.licenses`), whose photos have no page at iNaturalist to link to.

    credit_line("Ann Other", "ann", "CC-BY-NC")       # "(c) Ann Other, some rights reserved (CC BY-NC)"
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, NamedTuple

import pyarrow as pa

from mushroom_tasks.errors import CurationError
from mushroom_tasks.escaping import guard_cell
from mushroom_tasks.identifiers import is_own

INATURALIST_SITE = "https://www.inaturalist.org"
COLUMNS = (
    "photo_id",
    "scientific_name",
    "attribution",
    "observer_name",
    "login",
    "license",
    "license_name",
    "license_url",
    "photo_url",
    "observation_url",
)
_SOURCE_COLUMNS = ["photo_id", "scientific_name", "observer_name", "login", "license", "observation_uuid"]
_ROWS_AT_ONCE = 10_000


class License(NamedTuple):
    """A licence as iNaturalist's tables name it (`code`) and as people read it."""

    code: str
    short: str
    name: str
    url: str
    wording: str  # of the credit line, with {who} and {short}


def _creative_commons(terms: str, words: str) -> License:
    return License(
        f"CC-{terms}",
        f"CC {terms}",
        f"Creative Commons {words} 4.0 International",
        f"https://creativecommons.org/licenses/{terms.lower()}/4.0/",
        "(c) {who}, some rights reserved ({short})",
    )


LICENSES = {
    licence.code: licence
    for licence in (
        License(
            "CC0",
            "CC0",
            "Creative Commons CC0 1.0 Universal",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            "{who}, no rights reserved ({short})",
        ),
        _creative_commons("BY", "Attribution"),
        _creative_commons("BY-NC", "Attribution-NonCommercial"),
        _creative_commons("BY-SA", "Attribution-ShareAlike"),
        _creative_commons("BY-ND", "Attribution-NoDerivatives"),
        _creative_commons("BY-NC-SA", "Attribution-NonCommercial-ShareAlike"),
        _creative_commons("BY-NC-ND", "Attribution-NonCommercial-NoDerivatives"),
        License(
            "PD",
            "PD",
            "Public domain",
            "https://creativecommons.org/publicdomain/mark/1.0/",
            "{who}, no known copyright restrictions (public domain)",
        ),
    )
}


def license_of(code: str) -> License:
    """Return a licence by iNaturalist's code.

    Raises CurationError for a code that no credit line is known for.
    """
    try:
        return LICENSES[code]
    except KeyError:
        raise CurationError(
            f"no credit line is known for this licence. Received: {code!r}, known: {sorted(LICENSES)}. "
            "Leave it out with selection.licenses."
        ) from None


def photographer(name: str | None, login: str | None) -> str:
    """Return the name a photographer is credited by: the name given, else the login, as iNaturalist does."""
    return next((text for text in (name, login) if text and text.strip()), "anonymous")


def credit_line(name: str | None, login: str | None, license_code: str) -> str:
    """Return the credit line of one photo, the photographer's name exactly as given.

    Raises CurationError for an unknown licence.
    """
    licence = license_of(license_code)
    # No str.format: a name may hold braces.
    return licence.wording.replace("{short}", licence.short).replace("{who}", photographer(name, login))


def photo_url(photo_id: int) -> str:
    """Return a photo's page at iNaturalist; empty for a photo of another source."""
    return "" if is_own(photo_id) else f"{INATURALIST_SITE}/photos/{photo_id}"


def observation_url(photo_id: int, observation_uuid: str) -> str:
    """Return the page at iNaturalist of a photo's observation; empty for a photo of another source."""
    return "" if is_own(photo_id) else f"{INATURALIST_SITE}/observations/{observation_uuid}"


def taxon_url(taxon_id: int) -> str:
    """Return a taxon's page at iNaturalist; empty for a name that it does not have."""
    return "" if is_own(taxon_id) else f"{INATURALIST_SITE}/taxa/{taxon_id}"


def write_attribution(table: pa.Table, file: IO[str]) -> None:
    """Write one CSV row of `COLUMNS` per row of a table with the columns of `manifests.SELECTION`.

    RFC 4180. A text that a spreadsheet would run as a formula is preceded by an apostrophe; everything else stays
    as the photographer wrote it.
    """
    # With this line end every supported Python quotes both CR and LF inside a field.
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(table))


def _rows(table: pa.Table) -> Iterator[list[str | int]]:
    for batch in table.select(_SOURCE_COLUMNS).to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            licence = license_of(row["license"])
            texts = [
                row["scientific_name"],
                credit_line(row["observer_name"], row["login"], licence.code),
                row["observer_name"] or "",
                row["login"] or "",
                licence.code,
                licence.name,
                licence.url,
                photo_url(row["photo_id"]),
                observation_url(row["photo_id"], row["observation_uuid"]),
            ]
            yield [row["photo_id"], *map(guard_cell, texts)]
