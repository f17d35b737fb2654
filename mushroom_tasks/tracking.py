"""MLflow: runs, metrics, artifacts, the model registry. The only module that talks to it.

A logical run has exactly one MLflow run, however often its task is killed and tried again: it is found by the
tag `mushroom.key` and reopened (autologging and fluent runs would leave a ghost per try, mlflow/mlflow#8238).

    tracker = open_tracker(settings)
    run = tracker.run("models", key="train:ab12cd34", name="efficientnet_lite0")
    run.log_metrics({"train/accuracy": 0.8}, step=3)
    run.finish()
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mushroom_tasks.db import embedded
from mushroom_tasks.errors import TrackingError
from mushroom_tasks.settings import Settings, flat

logger = logging.getLogger(__name__)

KEY_TAG = "mushroom.key"
_PARENT_TAG = "mlflow.parentRunId"
_NAME_TAG = "mlflow.runName"
# MLflow's web UI takes an experiment without a kind for one about language models, and hides the training charts.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_BATCH = 900  # MLflow takes at most 1,000 metrics and 100 parameters a request
_PARAMS = 100
_PARAM_LENGTH = 6000
_TRAINING = "workflowType=machine_learning"  # else MLflow puts the menu for language models beside a page
_TABLES_TAG = "mlflow.loggedArtifacts"


@dataclass(frozen=True)
class ModelVersion:
    """One version of the registered model."""

    name: str
    version: str
    tags: Mapping[str, str]


def open_tracker(settings: Settings) -> Tracker:
    """Return a tracker on the server that the settings name, or on the embedded PostgreSQL's own MLflow tables.

    Both see the same runs: `mushroom up` serves the tables that a run without a server has written.
    """
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    if settings.mlflow_tracking_uri:
        return Tracker(settings.mlflow_tracking_uri, artifacts=None)
    return Tracker(embedded.url(settings.home, "mlflow"), artifacts=settings.home / "mlflow" / "artifacts")


class Tracker:
    """Experiments, runs and the model registry at one tracking address.

    Parameters
    ----------
    uri
        MLflow tracking URI; credentials come from MLflow's own environment variables.
    artifacts
        Where artifacts of new experiments lie; None leaves it to the server.
    """

    def __init__(self, uri: str, artifacts: Path | None) -> None:
        from mlflow import MlflowClient

        with _refusals():
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._artifacts = artifacts

    def run(
        self,
        experiment: str,
        *,
        key: str,
        name: str,
        parent: Run | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Return the run with this key, reopened, or a new one.

        `key` identifies the logical run within the experiment: the same key is the same run.
        """
        all_tags = {**(tags or {}), KEY_TAG: key, _NAME_TAG: name}
        if parent is not None:
            all_tags[_PARENT_TAG] = parent.id
        with _refusals():
            experiment_id = self._experiment(experiment)
            found = self._client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
            if found:
                run_id = str(found[0].info.run_id)
                self._client.update_run(run_id, status="RUNNING")
                for tag, value in (tags or {}).items():
                    self._client.set_tag(run_id, tag, value)
            else:
                run_id = str(self._client.create_run(experiment_id, tags=all_tags).info.run_id)
        return Run(self._client, run_id)

    def champion(self, model: str) -> ModelVersion | None:
        """Return the version that carries the alias `champion`, or None."""
        from mlflow.exceptions import MlflowException

        with _refusals():
            try:
                found = self._client.get_model_version_by_alias(model, "champion")
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
        return ModelVersion(model, str(found.version), dict(found.tags))

    def register(self, model: str, *, run: Run, artifact: str, key: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register a run's artifact as a version of `model`; the same key gives the same version."""
        from mlflow.exceptions import MlflowException

        with _refusals():
            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            for found in self._client.search_model_versions(f"name = '{model}'"):
                if found.tags.get(KEY_TAG) == key:
                    return ModelVersion(model, str(found.version), dict(found.tags))
            all_tags = {**tags, KEY_TAG: key}
            source = f"{run.artifact_uri.rstrip('/')}/{artifact}"
            made = self._client.create_model_version(model, source, run_id=run.id, tags=all_tags)
        return ModelVersion(model, str(made.version), all_tags)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Move an alias to this version."""
        with _refusals():
            self._client.set_registered_model_alias(version.name, alias, version.version)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = None
        if self._artifacts is not None:
            location = (self._artifacts / name.replace(" ", "-")).as_uri()
        try:
            return str(self._client.create_experiment(name, artifact_location=location, tags=_KIND))
        except MlflowException as error:
            # Two tasks may create it at once; the second finds the first one's.
            if error.error_code == "RESOURCE_ALREADY_EXISTS":
                return str(self._client.get_experiment_by_name(name).experiment_id)
            raise


class Run:
    """One MLflow run: what is logged goes to it until `finish`."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.id = run_id

    @property
    def artifact_uri(self) -> str:
        """Address of the run's artifacts."""
        with _refusals():
            return str(self._client.get_run(self.id).info.artifact_uri)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; nested mappings become dotted names. A parameter once logged keeps its value."""
        from mlflow.entities import Param

        with _refusals():
            known = self._client.get_run(self.id).data.params
            new = [Param(k, v) for k, v in flatten(params).items() if k not in known]
            for batch in _batches(new, _PARAMS):
                self._client.log_batch(self.id, params=batch)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers at a step, in as few requests as MLflow allows."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        with _refusals():
            for batch in _batches(entries, _BATCH):
                self._client.log_batch(self.id, metrics=batch)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run."""
        with _refusals():
            for name, value in tags.items():
                self._client.set_tag(self.id, name, value)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run."""
        with _refusals():
            self._client.log_artifact(self.id, str(path), artifact_path=folder)

    def log_folder(self, path: Path, folder: str) -> None:
        """Store a folder's files with the run."""
        with _refusals():
            self._client.log_artifacts(self.id, str(path), artifact_path=folder)

    def mark_table(self, artifact: str) -> None:
        """Make MLflow show a JSON artifact (pandas' orientation `split`) as a table.

        MLflow's own `log_table` would add the rows of a second try to those of the first.
        """
        with _refusals():
            known = json.loads(self._client.get_run(self.id).data.tags.get(_TABLES_TAG, "[]"))
            entry = {"path": artifact, "type": "table"}
            if entry not in known:
                self._client.set_tag(self.id, _TABLES_TAG, json.dumps([*known, entry]))

    def page(self, artifact: str) -> str | None:
        """Return the address of the page where MLflow shows an artifact; None where no server shows anything."""
        server = str(self._client.tracking_uri).rstrip("/")
        if not server.startswith(("http://", "https://")):
            return None
        with _refusals():
            experiment = self._client.get_run(self.id).info.experiment_id
        path = f"experiments/{experiment}/runs/{self.id}/artifacts/{quote(artifact)}"
        return f"{server}/#/{path}?{_TRAINING}"

    def log_dataset(self, *, name: str, digest: str, address: str, profile: Mapping[str, Any], context: str) -> None:
        """Log a data set as an input of the run; the same digest is logged once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        with _refusals():
            inputs = self._client.get_run(self.id).inputs.dataset_inputs
            if any(entry.dataset.digest == digest for entry in inputs):
                return
            dataset = Dataset(
                name=name,
                digest=digest,
                source_type="local",
                source=json.dumps({"uri": address}),
                profile=json.dumps(dict(profile)),
            )
            tag = InputTag("mlflow.data.context", context)
            self._client.log_inputs(self.id, datasets=[DatasetInput(dataset, [tag])])

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run: FINISHED or FAILED."""
        with _refusals():
            self._client.set_terminated(self.id, status)


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """Turn nested mappings into dotted names with text values, as MLflow's parameters are."""
    return {name: str(value)[:_PARAM_LENGTH] for name, value in flat(values).items()}


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@contextmanager
def _refusals() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"MLflow did not take a request: {error}. Check that its server runs (mushroom status) and that "
            "MUSHROOM_MLFLOW_TRACKING_URI and MLflow's credentials are right, then run this again."
        ) from error
