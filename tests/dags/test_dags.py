"""Integrity of the DAGs: they parse, quickly, and are what people see in the web UI."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
IDS = ("inat_ingest", "dataset_build", "model_train")
HEAVY = ("tensorflow", "keras", "mlflow", "sklearn", "matplotlib", "psycopg2")


@pytest.fixture(scope="module")
def bag(airflow_environment: None) -> Any:
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags")


@pytest.mark.filterwarnings("ignore")
def test_dags__parse_without_errors(bag: Any) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(IDS)


@pytest.mark.parametrize("dag_id", IDS)
def test_dag__is_documented_and_owned(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]

    assert dag.doc_md
    assert dag.description
    assert "mushrooms" in dag.tags
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    for task in dag.tasks:
        assert task.owner == "mushrooms"
        assert task.doc_md, task.task_id
        assert task.retries == (0 if task.task_id == "approve" else 2)
        assert task.execution_timeout is not None


@pytest.mark.parametrize("dag_id", IDS)
def test_form__every_field_is_described_and_accepts_its_default(bag: Any, dag_id: str) -> None:
    params = bag.dags[dag_id].params
    for name in params:
        param = params.get_param(name)
        assert param.description, name
        assert param.schema.get("title"), name
        param.resolve()


def test_form__takes_no_address(bag: Any) -> None:
    names = {name for dag in bag.dags.values() for name in dag.params}
    assert not {
        name for name in names if name.rsplit(".", 1)[-1] in ("source", "store_root", "weights", "home", "database_url")
    }


def test_assets__join_the_dags(bag: Any) -> None:
    def outlets(dag_id: str) -> set[str]:
        return {asset.uri for task in bag.dags[dag_id].tasks for asset in task.outlets}

    def inlets(dag_id: str) -> set[str]:
        return {asset.uri for asset in bag.dags[dag_id].timetable.asset_condition.objects}

    assert inlets("dataset_build") == outlets("inat_ingest")
    assert inlets("model_train") == outlets("dataset_build")


def test_inat_ingest__looks_every_day(bag: Any) -> None:
    minute, hour, *days = bag.dags["inat_ingest"].schedule.split()

    assert minute.isdecimal()
    assert hour.isdecimal()
    assert days == ["*", "*", "*"]


def test_withdraw__runs_where_the_build_was_skipped(bag: Any) -> None:
    dag = bag.dags["dataset_build"]
    withdraw, is_new = dag.get_task("withdraw"), dag.get_task("is_new")

    # Skipped counts as not failed, and the short circuit skips what follows it by trigger rule, not all that follows.
    assert withdraw.trigger_rule == "none_failed"
    assert withdraw.upstream_task_ids == {"publish"}
    assert is_new.ignore_downstream_trigger_rules is False
    assert "withdraw" in {task.task_id for task in is_new.get_flat_relatives(upstream=False)}
    assert {task.task_id for task in dag.tasks if task.trigger_rule != "all_success"} == {"withdraw", "publish"}


def test_publish__runs_without_an_approval_but_not_where_the_build_was_skipped(bag: Any) -> None:
    dag = bag.dags["dataset_build"]
    publish, approve = dag.get_task("publish"), dag.get_task("approve")

    # With no approval asked for `prune` alone has succeeded; where the build is skipped, neither has.
    assert publish.trigger_rule == "none_failed_min_one_success"
    assert publish.upstream_task_ids == {"approve", "prune"}
    assert approve.upstream_task_ids == {"is_to_be_approved"}
    assert dag.get_task("is_to_be_approved").ignore_downstream_trigger_rules is False
    assert dag.params["review.wait_for_approval"] is False
    # A person may take longer than a task, and a refusal stops what follows.
    assert approve.response_timeout > approve.execution_timeout
    assert approve.fail_on_reject is False
    assert approve.defaults == ["Reject"]
    # What follows the refused publishing goes by its own rule: `withdraw` runs.
    assert approve.downstream_task_ids == {"publish"}
    assert approve.ignore_downstream_trigger_rules is False


def test_gpu_tasks__take_the_pool_and_the_queue(bag: Any) -> None:
    by_pool = {task.task_id for dag in bag.dags.values() for task in dag.tasks if task.pool == "gpu"}
    by_queue = {task.task_id for dag in bag.dags.values() for task in dag.tasks if task.queue == "gpu"}

    assert by_pool == by_queue == {"embed", "train", "evaluate", "preflight"}


def test_dag_files__hold_no_logic() -> None:
    """A task's body is a call of a stage; nothing in a DAG file opens, loops over or computes anything else."""
    for path in (DAGS / f"{dag_id}.py" for dag_id in IDS):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        assert not [node for node in nodes if isinstance(node, (ast.For, ast.While, ast.With, ast.Try))], path.name
        assert not [node for node in nodes if isinstance(node, ast.Name) and node.id == "open"], path.name


def test_parsing__imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.path.insert(0, sys.argv[1]);"
        "[runpy.run_path(f'{sys.argv[1]}/{name}.py') for name in sys.argv[2].split(',')];"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name != 'psycopg2'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(DAGS), ",".join(IDS)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
