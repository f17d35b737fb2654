"""Write timm.json: the features that timm computes with seeded weights, for tests/unit/test_backbone_references.py.

It needs an environment of its own: torch and torchvision of one CPU build, timm, and nothing of this project.

    python -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 torchvision timm==1.0.31 numpy
    /tmp/torch/bin/python tests/references/make_timm_references.py

    /tmp/torch/bin/python tests/references/make_timm_references.py --size 224 --out /tmp/full.json

The second form compares at the full input size. Weights come from the names of their tensors (seeded_weights.py), so
the file holds features only: 320 of ConvNeXt V2 atto, 1280 of EfficientNet-Lite0, and the digest of every variant's
tensor names and shapes. Duration: 10 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import timm
import torch
from seeded_weights import image, tensor

VARIANTS = ("atto", "femto", "pico", "nano", "tiny")
# timm's names of a depthwise separable block (the first) and of an inverted residual, as the published file has them.
SEPARABLE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
INVERTED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="side of the image in pixels")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("timm.json"))
    arguments = parser.parse_args()
    references = {
        "versions": {"timm": timm.__version__, "torch": torch.__version__},
        "size": arguments.size,
        "features": {
            "convnext_v2_atto": convnext_v2(arguments.size),
            "efficientnet_lite0": efficientnet_lite0(arguments.size),
        },
        "layouts": {f"convnext_v2_{variant}": layout(variant) for variant in VARIANTS},
    }
    arguments.out.write_text(json.dumps(references, indent=1) + "\n", encoding="utf-8")


def convnext_v2(size: int) -> list[float]:
    model = timm.create_model("convnextv2_atto", num_classes=0)
    deviation = np.float32([0.229, 0.224, 0.225])
    pixels = (image(size) / 255 - np.float32([0.485, 0.456, 0.406])) / deviation
    return features(model, {name: name for name in model.state_dict()}, pixels)


def efficientnet_lite0(size: int) -> list[float]:
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    names = list(model.state_dict())
    blocks = list(dict.fromkeys(re.match(r"blocks\.\d+\.\d+", name)[0] for name in names if name.startswith("blocks")))
    published = {name: _published(name, blocks) for name in names if not name.endswith("num_batches_tracked")}
    return features(model, published, (image(size) - 127) / 128)


def _published(name: str, blocks: list[str]) -> str:
    found = re.match(r"(blocks\.\d+\.\d+)\.(\w+)\.(\w+)", name)
    if not found:
        module, part = name.split(".")
        return f"{OUTSIDE[module]}.{part}"
    number = blocks.index(found[1])
    return f"_blocks.{number}.{(INVERTED if number else SEPARABLE)[found[2]]}.{found[3]}"


def features(model: torch.nn.Module, names: dict[str, str], pixels: np.ndarray) -> list[float]:
    state = model.state_dict()
    for name, seed in names.items():
        state[name] = torch.from_numpy(tensor(seed, tuple(state[name].shape)))
    model.load_state_dict(state)
    with torch.no_grad():
        found = model.eval()(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    return [float(f"{value:.8g}") for value in found.numpy()[0]]


def layout(variant: str) -> dict[str, object]:
    state = timm.create_model(f"convnextv2_{variant}", num_classes=0).state_dict()
    lines = sorted(f"{name} {tuple(value.shape)}" for name, value in state.items())
    return {
        "parameters": sum(value.numel() for value in state.values()),
        "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
    }


if __name__ == "__main__":
    main()
