"""The prior of season and place for a bundle: counted by PostgreSQL, weighed on the validation split, judged on test.

Observations of observers of the validation and test splits are left out of the counts, of the prior that is shipped
too: what is measured is what the phone gets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.curation.dataset.publish import PublishedDataset
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.inat.refresh.history import latest_load
from mushroom_tasks.inat.seasons import seasons
from mushroom_tasks.mobile.prior import CELL, Moment, Prior, weighed
from mushroom_tasks.mobile.prior_fitting import Counts, fit, fitted_weight, log_loss
from mushroom_tasks.mobile.schema import PriorFacts
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.publishing import INATURALIST

logger = logging.getLogger(__name__)

PRIOR_COLUMNS = ["photo_id", "latitude", "longitude", "observed_on"]


@dataclass(frozen=True)
class Judged:
    """Photos of a split: ids (N,), calibrated probabilities (N, C), label indices (N,)."""

    photo_ids: NDArray[np.int64]
    probabilities: NDArray[np.floating]
    labels: NDArray[np.int64]


def season_prior(
    settings: Settings,
    published: PublishedDataset,
    species: Sequence[Mapping[str, Any]],
    places: pa.Table,
    validation: Judged,
    test: Judged,
) -> tuple[Prior, PriorFacts] | None:
    """Return the prior of a data set and its facts; None where it is of another origin, or nothing was observed.

    Parameters
    ----------
    species
        In the order of the model's output.
    places
        Photos of the data set, with PRIOR_COLUMNS.
    validation, test
        Photos that the weight is fitted on, and that the prior is judged on; those without a place are left out.
    """
    if published.inputs.get("origin") != INATURALIST:
        return None
    engine = open_engine(settings)
    latest = latest_load(engine)
    selected = published.settings["selection"]
    ids = [int(entry["taxon_id"]) for entry in species]
    counts = latest and seasons(
        engine,
        ids,
        degrees=CELL,
        seed=int(selected["seed"]),
        held_out_share=float(selected["test_share"]) + float(selected["validation_share"]),
    )
    if latest is None or not counts:
        logger.info("no prior of season and place: PostgreSQL holds no observation of these species with a place")
        return None
    prior = fit(_counts(counts, ids))
    there = _placed(places, validation)
    weight = fitted_weight(there.probabilities, there.labels, _log_ratios(prior, places, there.photo_ids))
    prior = replace(prior, weight=weight)
    facts = PriorFacts(
        file="prior.bin",
        snapshot=latest.fingerprint,
        observations=pc.sum(counts["observations"]).as_py(),
        weight=weight,
        **_judgement(prior, places, _placed(places, test)),
    )
    logger.info("prior of season and place: %s", facts)
    return prior, facts


def _counts(table: pa.Table, ids: Sequence[int]) -> Counts:
    index = pc.index_in(table["taxon_id"], pa.array(ids, pa.int64()))
    return Counts(
        classes=len(ids),
        label=np.asarray(index),
        row=np.asarray(table["cell_row"]),
        column=np.asarray(table["cell_column"]),
        month=np.asarray(table["month"]),
        observations=np.asarray(table["observations"]),
    )


def _placed(places: pa.Table, judged: Judged) -> Judged:
    """Return the photos whose place is known."""
    known = places.filter(pc.and_(pc.is_valid(places["latitude"]), pc.is_valid(places["longitude"])))
    chosen = np.isin(judged.photo_ids, np.asarray(known["photo_id"]))
    return Judged(judged.photo_ids[chosen], judged.probabilities[chosen], judged.labels[chosen])


def _log_ratios(prior: Prior, places: pa.Table, photo_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what the prior says of photos (N,) that have a place, (N, C)."""
    found = places.take(pc.index_in(pa.array(photo_ids, pa.int64()), places["photo_id"].combine_chunks()))
    moments = [
        Moment(row["latitude"], row["longitude"], row["observed_on"].month if row["observed_on"] else None)
        for row in found.to_pylist()
    ]
    return np.array([prior.log_ratio(moment) for moment in moments]).reshape(len(moments), prior.classes)


def _judgement(prior: Prior, places: pa.Table, test: Judged) -> dict[str, Any]:
    if len(test.labels) == 0:
        nothing = dict.fromkeys(("top1_without", "top1_with", "log_loss_without", "log_loss_with"))
        return {"photos": 0, **nothing}
    with_prior = weighed(test.probabilities, _log_ratios(prior, places, test.photo_ids), prior.weight)
    found: dict[str, Any] = {"photos": len(test.labels)}
    for name, probabilities in (("without", test.probabilities), ("with", with_prior)):
        found[f"top1_{name}"] = float((probabilities.argmax(axis=1) == test.labels).mean())
        found[f"log_loss_{name}"] = log_loss(probabilities, test.labels)
    return found
