"""The report of a data set: what pruning did, shown to people who know the species and not the statistics.

`content` counts and chooses the photos that are shown, `pictures` reads them, `sheet` draws a contact sheet per class,
`embedding_map` lays the embeddings out in the plane, `figures` draws for MLflow what `page` shows as one HTML file.

    content = read_content(Facts(rows), curves, across, photos_per_class=24, max_photos=10_000)
    html = page(content, images, drawn_map, about)
"""

FOLDER = "reports"  # in the store; below it a folder per report
PAGE = "report.html"
SHEETS = "sheets"  # beside the page; below it a contact sheet per class
PREFIX = "/mushroom-reports"  # of the addresses at which Airflow shows them


def latest_path(pruned: str) -> str:
    """Return where the store names the report that was made last of a pruned manifest."""
    return f"{FOLDER}/of/{pruned}.json"
