"""Tiny captioners with random weights, saved in the files that real ones come in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", *"a cat dog on the left right of sofa red blue".split()]
DEEPDANBOORU_TAGS = ["1girl", "long_hair", "o_o", "smile", "rating:safe"]
WD_TAGS = [
    ("general", "9"),
    ("sensitive", "9"),
    ("long_hair", "0"),
    ("blue_sky", "0"),
    ("hatsune_miku", "4"),
    (">_<", "0"),
]


def save_blip(folder: Path) -> Path:
    """A BLIP of some thousand weights, the same each time."""
    import torch
    from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": 4, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    text = {**layers, **ids, "vocab_size": len(WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 64}
    vision = {**layers, "image_size": 32, "patch_size": 16}
    torch.manual_seed(1)
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=8))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def save_deepdanbooru(folder: Path, scores: list[float] | None = None, tags: list[str] | None = None) -> Path:
    """A DeepDanbooru of 512 x 512 RGB in [0, 1] whose first tag is as sure as the picture is red."""
    folder.mkdir(parents=True)
    (folder / "tags.txt").write_text("\n".join(tags or DEEPDANBOORU_TAGS) + "\n")
    shown = scores or [0.0, 0.9, 0.55, 0.8, 0.99]
    _save(folder / "deepdanbooru.onnx", 512, shown, 1.0)
    return folder


def save_wd(folder: Path, scores: list[float] | None = None) -> Path:
    """A WD tagger of 448 x 448 BGR in [0, 255] whose first tag is as sure as the picture is blue."""
    folder.mkdir(parents=True)
    with (folder / "selected_tags.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tag_id", "name", "category", "count"])
        rows.writerows([index, name, category, 10] for index, (name, category) in enumerate(WD_TAGS))
    _save(folder / "model.onnx", 448, scores or [0.0, 0.9, 0.4, 0.3, 0.86, 0.5], 1 / 255)
    return folder


def _save(file: Path, side: int, scores: list[float], scale: float) -> None:
    """Scores that are constants, but the first: the mean of the first channel times ``scale`` is added to it."""
    weights = np.zeros((3, len(scores)), dtype=np.float32)
    weights[0, 0] = scale
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["scores"]),
        ],
        "tagger",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(scores)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(scores, dtype=np.float32), "bias"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))


def save_yunet(file: Path) -> Path:
    """A face model with YuNet's inputs and outputs, to which every white patch of 8 x 8 pixels is a face."""
    nodes, outputs, constants = [], [], []
    for stride in (8, 16, 32):
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", ["input"], [f"mean_{stride}"], **pool))
        for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            seen = 1 / (3 * 255) if name in ("cls", "obj") and stride == 8 else 0.0
            weights = np.full((channels, 3, 1, 1), seen, dtype=np.float32)
            key = f"{name}_{stride}"
            constants.append(numpy_helper.from_array(weights, f"weights_{key}"))
            constants.append(numpy_helper.from_array(np.array([1, -1, channels], dtype=np.int64), f"shape_{key}"))
            nodes.append(helper.make_node("Conv", [f"mean_{stride}", f"weights_{key}"], [f"map_{key}"]))
            nodes.append(helper.make_node("Transpose", [f"map_{key}"], [f"last_{key}"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Reshape", [f"last_{key}", f"shape_{key}"], [key]))
            outputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, "n", channels]))
    seen_by = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 256])]
    graph = helper.make_graph(nodes, "faces", seen_by, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file
