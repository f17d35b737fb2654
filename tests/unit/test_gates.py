"""gates: what keeps a bundle from becoming champion, and how the reason is worded."""

from __future__ import annotations

import pytest

from mushroom_tasks.mobile.schema import Manifest
from mushroom_tasks.settings import RegistrySettings
from mushroom_tasks.stages.gates import failed_gates

OWN, OTHER = "0123456789abcdef", "fedcba9876543210"
SETTINGS = RegistrySettings(max_model_mb=5.0, max_accuracy_drop=0.02, max_accuracy_drop_refresh=0.1)


def bundle(*, top1: float = 0.8, float32: int = 13_000_000, int8: int = 4_000_000) -> Manifest:
    """A bundle of data set OWN with these sizes in bytes; pruned photos would make it look better than it is."""
    parity = {
        "photos": 40,
        "agreement": 1.0,
        **dict.fromkeys(("max_abs_diff", "mean_abs_diff"), 0.0),
        **dict.fromkeys(("accuracy_keras", "accuracy_litert", "top5_keras", "top5_litert"), top1),
        "latency_ms": 5.0,
        "latency_2_threads_ms": 5.0,
        "machine": "any",
    }
    accuracy = {"photos": 40, "top1": top1, "top3": 1.0, "top5": 1.0, "macro_f1": top1}
    sizes = {"float32.tflite": float32, "int8.tflite": int8, "labels.txt": 10}
    return Manifest.model_validate(
        {
            "fingerprint": "ab12cd34ab12cd34",
            "backbone": "tiny",
            "dataset": {"fingerprint": OWN, "photos": 400, "pruned": 9, "splits": {}, "licenses": {}},
            "input": {"size": 32, "shape": [1, 32, 32, 3]},
            "output": {"shape": [1, 6]},
            "models": {
                "float32": {"file": "float32.tflite", "input_type": "float32", "parity": parity},
                "int8": {"file": "int8.tflite", "input_type": "uint8", "parity": parity},
            },
            "evaluation": {"as it came": accuracy, "as kept": {**accuracy, "top1": 1.0}},
            "files": {name: {"bytes": size, "sha256": "0" * 64} for name, size in sizes.items()},
        }
    )


def champion(top1: float, dataset: str = OWN) -> dict[str, str]:
    """Tags of a champion's version, as MLflow gives them back."""
    return {"top1": f"{top1:.4f}", "dataset": dataset, "bundle": "00ff00ff00ff00ff"}


def test_failed_gates__without_a_champion_accuracy_is_no_obstacle() -> None:
    assert failed_gates(bundle(top1=0.01), SETTINGS, None) == []


def test_failed_gates__size_is_judged_by_the_smallest_variant() -> None:
    assert failed_gates(bundle(float32=13_000_000, int8=5_000_000), SETTINGS, None) == []
    assert failed_gates(bundle(float32=4_900_000, int8=13_000_000), SETTINGS, None) == []


def test_failed_gates__size_names_what_it_is_and_what_is_allowed() -> None:
    assert failed_gates(bundle(int8=5_004_000), SETTINGS, None) == [
        "size: the smallest variant has 5.00 MB, registry.max_model_mb allows 5.0"
    ]


def test_failed_gates__other_files_than_models_do_not_count_as_small() -> None:
    found = failed_gates(bundle(), RegistrySettings(max_model_mb=0.001), None)
    assert found == ["size: the smallest variant has 4.00 MB, registry.max_model_mb allows 0.001"]


@pytest.mark.parametrize(("top1", "passes"), [(0.9, True), (0.8, True), (0.79, True), (0.77, False), (0.0, False)])
def test_failed_gates__on_the_same_data_set_a_small_drop_counts(top1: float, passes: bool) -> None:
    assert (failed_gates(bundle(top1=top1), SETTINGS, champion(0.8)) == []) is passes


@pytest.mark.parametrize(("top1", "passes"), [(0.77, True), (0.71, True), (0.69, False)])
def test_failed_gates__on_another_data_set_only_a_large_drop_counts(top1: float, passes: bool) -> None:
    assert (failed_gates(bundle(top1=top1), SETTINGS, champion(0.8, OTHER)) == []) is passes


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (OWN, "the champion has 0.800 on the same data set; registry.max_accuracy_drop allows 0.02"),
        (OTHER, "the champion has 0.800 on an earlier data set; registry.max_accuracy_drop_refresh allows 0.1"),
    ],
)
def test_failed_gates__accuracy_names_both_and_the_setting(dataset: str, sentence: str) -> None:
    assert failed_gates(bundle(top1=0.5), SETTINGS, champion(0.8, dataset)) == [
        f"accuracy: top-1 0.500 on held-out observers, {sentence}"
    ]


@pytest.mark.parametrize(("top1", "best"), [(0.5, 0.52), (0.71, 0.73), (0.29, 0.31), (2 / 3, 2 / 3 + 0.02)])
def test_failed_gates__the_drop_that_is_allowed_may_be_used_up(top1: float, best: float) -> None:
    assert failed_gates(bundle(top1=top1), SETTINGS, champion(best)) == []


def test_failed_gates__an_equal_model_passes_where_no_drop_is_allowed() -> None:
    """Two of three photos: the champion's tag holds four digits of a number that has more."""
    settings = RegistrySettings(max_accuracy_drop=0)
    assert failed_gates(bundle(top1=2 / 3), settings, champion(2 / 3)) == []
    assert failed_gates(bundle(top1=0.6665), settings, champion(2 / 3)) != []


def test_failed_gates__a_champion_without_a_data_set_was_measured_on_other_photos() -> None:
    assert failed_gates(bundle(top1=0.75), SETTINGS, {"top1": "0.8000"}) == []


def test_failed_gates__names_every_gate_that_failed() -> None:
    found = failed_gates(bundle(top1=0.5, int8=6_000_000), SETTINGS, champion(0.8))
    assert [reason.partition(":")[0] for reason in found] == ["size", "accuracy"]
