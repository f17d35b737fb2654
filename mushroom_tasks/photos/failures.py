"""What the failures of a download mean together: whether to try again, and whether there are too many.

failures = Failures()
for batch in batches:           # of DOWNLOADS
    failures.add(batch)
check_failed_ratio(failures, settings.download.max_failed_ratio)
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.errors import DownloadError, SourceError

PASSING = ("http_error", "timeout", "connection")
_HINTS = {
    "missing": "Check the source's address and `download.size`: they may not be those of this selection.",
    "html": "The source answers with web pages: it may be a proxy or an error page, not a bucket.",
    "http_error": "The source is failing; run this again later, with a `download.max_rate` if it said 429.",
    "timeout": "The source is slow; run this again later, or raise `download.timeout`.",
    "connection": "The network or the source is failing; run this again later.",
    "too_large": "Raise `download.max_bytes`, or choose a smaller `download.size`.",
}


class Failures:
    """Rows of DOWNLOADS counted: all, and the failed ones by reason, with an example of each reason."""

    def __init__(self) -> None:
        self.rows = 0
        self.by_reason: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    @property
    def failed(self) -> int:
        """Rows that failed."""
        return self.by_reason.total()

    @property
    def passing(self) -> int:
        """Rows that failed in passing: another try may give them."""
        return sum(self.by_reason[reason] for reason in PASSING)

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Count the rows of one more piece; needs the columns photo_id, failure and detail."""
        self.rows += rows.num_rows
        failed = rows.filter(pc.is_valid(rows["failure"]))
        for row in failed.select(["photo_id", "failure", "detail"]).to_pylist():
            self.by_reason[row["failure"]] += 1
            self.examples.setdefault(row["failure"], f"photo {row['photo_id']}: {row['detail']}")


def is_settled(failures: Failures, max_failed_ratio: float) -> bool:
    """Tell whether downloading these photos again is not expected to change anything.

    It is not settled where a photo failed in passing, nor where more failed than is allowed: then the source or
    the settings may have been wrong, and once they are mended every photo deserves another try.
    """
    return failures.passing == 0 and failures.failed <= max_failed_ratio * failures.rows


def check_failed_ratio(failures: Failures, max_failed_ratio: float) -> None:
    """Raise DownloadError, with counts by reason and what to do, where more than this share of rows failed."""
    if failures.failed <= max_failed_ratio * failures.rows:
        return
    counts = failures.by_reason.most_common()
    reason = counts[0][0]
    raise DownloadError(
        f"{failures.failed} of {failures.rows} photos failed ({failures.failed / failures.rows:.1%}), more than "
        f"download.max_failed_ratio allows ({max_failed_ratio:.1%}): "
        f"{', '.join(f'{name} {count}' for name, count in counts)}. "
        f"For example {failures.examples[reason]}. "
        f"{_HINTS.get(reason, 'Look at the details in the downloads manifest.')} "
        "Photos that are in the store are kept."
    )


def check_passing_ratio(failures: Failures, max_failed_ratio: float) -> None:
    """Raise SourceError where more than this share of rows failed in passing: trying again may well help."""
    if failures.passing > max_failed_ratio * failures.rows:
        raise SourceError(
            f"{failures.passing} of {failures.rows} photos failed in passing (timeouts, cut connections, server "
            "errors). Run this again later: photos that are in the store are kept."
        )
