"""Stages of the DAG `model_train`: plan, train, evaluate, export, register."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks import manifests
from mushroom_tasks.curation.publish import PublishedDataset, find_dataset, list_datasets
from mushroom_tasks.errors import CurationError, LearningError
from mushroom_tasks.learning import devices, evaluate as evaluation, train as training
from mushroom_tasks.learning.backbones import registry
from mushroom_tasks.mobile import bundle as bundles
from mushroom_tasks.mobile.export import export as export_model
from mushroom_tasks.mobile.parity import compare
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import (
    BundleResult,
    EvaluationResult,
    PlanResult,
    RegistrationResult,
    TrainResult,
)
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import Run, Tracker, open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "model_train"
