"""What surrounds the evaluation of a model: names of its numbers, when it is done, and the features it compares by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from labelled_photos import labelled_photos

from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.learning.evaluation import EvaluationReport, report_key
from mushroom_tasks.learning.evaluation.calibration import calibrated
from mushroom_tasks.learning.evaluation.metrics import metrics
from mushroom_tasks.learning.evaluation.poison import poison_cost
from mushroom_tasks.learning.evaluation.schema import Refused, Unknown
from mushroom_tasks.manifests import embeddings_schema
from mushroom_tasks.settings import EvaluationSettings, Settings
from mushroom_tasks.stages.model_scores import gap_of_splits, is_evaluated, named_metrics
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

PLAN = PlanResult(dataset="d", backbone="b", model="m", bundle="b", is_new=True)
PROBABILITIES, LABELS = np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), np.array([0, 1])


@pytest.fixture
def report() -> EvaluationReport:
    classes = ["Amanita phalloides", "Boletus edulis"]
    judged = metrics(PROBABILITIES, LABELS, classes, np.array([1, 2]))
    unknown = Unknown(
        score="max probability", threshold=0.5, wanted=0.95, accepted=1.0, validation_auroc=None,
        junk=Refused(photos=4, auroc=0.75, refused=0.5), strangers=None,
    )  # fmt: skip
    return EvaluationReport(
        settings=report_key(EvaluationSettings()),
        split="test",
        as_came=judged,
        kept=None,
        calibration=calibrated((PROBABILITIES, LABELS), (PROBABILITIES, LABELS)),
        fusion=None,
        taxonomy=None,
        unknown=unknown,
        risk=(),
        poison=poison_cost(PROBABILITIES.argmax(axis=1), LABELS, classes),
        split_gap=None,
    )


def test_named_metrics__leave_out_what_was_not_judged(report: EvaluationReport) -> None:
    found = named_metrics(report)
    assert found["test/top1"] == 0.5
    assert found["toxicity/cost"] == 0.5  # one false alarm in two photos
    assert found["unknown/junk_auroc"] == 0.75
    assert found["calibration/ece_before"] == pytest.approx((0.1 + 0.6) / 2)
    assert found["calibration/temperature"] == report.calibration.temperature
    groups = ("test_kept/", "fusion/", "taxonomy/", "split/", "unknown/strangers")
    assert [name for name in found if name.startswith(groups)] == []


def test_named_metrics__of_photos_as_kept_have_names_of_their_own(report: EvaluationReport) -> None:
    found = named_metrics(report.model_copy(update={"kept": report.as_came}))
    assert {f"test_kept/{name}" for name in ("top1", "top3", "top5", "macro_f1")} <= set(found)


def test_is_evaluated__asks_for_a_report_of_these_settings(report: EvaluationReport, tmp_path: Path) -> None:
    settings, store = Settings(home=tmp_path), Store(tmp_path / "store")
    assert not is_evaluated(settings, store, PLAN)
    store.write_json("models/m/evaluation.json", {"as_came": {}, "kept": None})  # as the first version wrote it
    assert not is_evaluated(settings, store, PLAN)
    store.write_json("models/m/evaluation.json", report)
    assert is_evaluated(settings, store, PLAN)
    stricter = Settings(home=tmp_path, evaluation=EvaluationSettings(accepted=0.9))
    assert not is_evaluated(stricter, store, PLAN)


def test_gap_of_splits__needs_features_of_all_photos(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", train=6)
    settings = Settings(home=tmp_path)
    assert gap_of_splits(settings, store, rows) is None
    colours = {name: place for place, name in enumerate(sorted(set(rows["scientific_name"].to_pylist())))}
    embeddings = [np.eye(4, dtype=np.float32)[colours[name]].tolist() for name in rows["scientific_name"].to_pylist()]
    table = pa.table([rows["photo_id"], rows["sha256"], pa.array(embeddings, pa.list_(pa.float32(), 4))],
                     schema=embeddings_schema(4))  # fmt: skip
    EmbeddingStore(store, embedder_fingerprint(settings.embedding)).add(table)
    found = gap_of_splits(settings, store, rows)
    assert found is not None
    assert (found.photos, found.classes) == (30, 3)
    assert found.observer_top1 == found.photo_top1 == 1
