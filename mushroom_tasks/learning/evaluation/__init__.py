"""Evaluation on held-out observers: how good a classifier is, how sure it may be, and when it should not answer.

    report = evaluate(model_path, rows, store, cache, folder, training, settings, species=species)

`schema` says what is measured; each of `metrics`, `calibration`, `fusion`, `taxonomy`, `unknown`, `poison` and
`split_gap` measures one thing with numpy alone (scikit-learn for the last); `predictions` asks the model, `report` puts
all together and writes evaluation.json and the `figures`.
"""

from mushroom_tasks.learning.evaluation.figures import FIGURES
from mushroom_tasks.learning.evaluation.predictions import predict_split
from mushroom_tasks.learning.evaluation.report import REPORT, evaluate, held_out, report_key
from mushroom_tasks.learning.evaluation.schema import EvaluationReport
from mushroom_tasks.learning.evaluation.split_gap import compare_splits

__all__ = [
    "FIGURES",
    "REPORT",
    "EvaluationReport",
    "compare_splits",
    "evaluate",
    "held_out",
    "predict_split",
    "report_key",
]
