"""What people decide about photos: the sets they review, their decisions, and how a data set obeys them.

Decisions are a log in PostgreSQL: rows are appended and never changed, an undo appends too. They are keyed by the photo
and the species it was shown as, and the last one of a photo and species is in force. So they survive a new load, a
rollback, another pruning and another review set, and lapse where iNaturalist files the photo under another species.

A review set is what one pruned manifest flagged, copied into PostgreSQL so that a page of it is one query that an index
answers. Sets come and go; the log stays. Needs a migrated database (`db.engine.migrate`).

    queue(engine, "ab12", rows, origin="iNaturalist open data", conf={"selection.seed": 1}, keep_sets=3)
    page = items(engine, "ab12", Filters(taxon_id=48715), limit=60)
    done = decide(engine, [(item.photo_id, item.taxon_id) for item in page.items], "keep", "ann")
    undo(engine, done.batch, "ann")
    obeyed = obey(rows, decisions(engine))
"""

from mushroom_tasks.curation.review.deciding import Batch, decide, undo
from mushroom_tasks.curation.review.decisions import DECISIONS, LogEntry, decisions, history, log
from mushroom_tasks.curation.review.exchange import Imported, export_csv, import_csv
from mushroom_tasks.curation.review.filling import queue
from mushroom_tasks.curation.review.items import Filters, Item, ItemPage, find_items, items
from mushroom_tasks.curation.review.obeying import Obeyed, obey
from mushroom_tasks.curation.review.sets import ReviewSet, Species, SpeciesPage, find_set, sets, species, species_names

__all__ = [
    "DECISIONS",
    "Batch",
    "Filters",
    "Imported",
    "Item",
    "ItemPage",
    "LogEntry",
    "Obeyed",
    "ReviewSet",
    "Species",
    "SpeciesPage",
    "decide",
    "decisions",
    "export_csv",
    "find_items",
    "find_set",
    "history",
    "import_csv",
    "items",
    "log",
    "obey",
    "queue",
    "sets",
    "species",
    "species_names",
    "undo",
]
