"""How a base model computes its steps here: threads, operators, attention, compiler. It learns the same whichever it is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.attention import SDPBackend

from tinv_tui.errors import in_one_line
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.frozen import Operators
from tinv_tui.models.frozen.fused_text import fuse_text_encoder
from tinv_tui.models.frozen.packed import pack_linears
from tinv_tui.models.frozen.unet import choose_operators, freeze_operators
from tinv_tui.models.loading import LoadedModel
from tinv_tui.recipe import Recipe
from tinv_tui.runs.sharing import sharers_of

_FORMATS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
_OPERATORS = {
    "stock": "torch's own operators",
    "frozen": "operators that keep less for the way back",
    "packed": "operators that keep less for the way back, weights packed once",
    "fused": "operators that keep less for the way back, fused by Triton (the first run here compiles them, half a minute)",
}
_TRIED_CELLS = 1024
"""Positions of the attention that is tried: a picture of 512 pixels has four times as many, which chooses alike."""


def has_kernels(capability: tuple[int, int], known: Sequence[str]) -> bool:
    """Whether a GPU can run what was built for the ``known`` architectures, as torch names them: sm_90, compute_120.

    What was built for one (sm) runs on those of its generation that are not older; what is left to the driver to build
    (compute), on all that are not older. Unknown names rule nothing out.
    """
    named = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", name) for name in known]
    built = [(match[1], (int(match[2]), int(match[3]))) for match in named if match]
    return not built or any(own <= capability and (kind == "compute" or own[0] == capability[0]) for kind, own in built)


def take_threads(base: BaseModel, device: torch.device) -> None:
    """Share the processor with the other runs that train on it, unless OMP_NUM_THREADS says how many threads to take.

    A small model takes one: as fast as several, and immune to other work on the machine.
    """
    if base.is_small:
        torch.set_num_threads(1)
    elif device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        others = sum(sharer.pid != os.getpid() for sharer in sharers_of("cpu"))
        torch.set_num_threads(max(1, torch.get_num_threads() // (1 + others)))


def round_as_the_unet(device: torch.device, dtype: torch.dtype) -> None:
    """Let a GPU round what goes into fp32 products to TF32's ten bits where the UNet's numbers have no more anyway.

    The text encoders take a fourth of the time so; their sums stay fp32. In fp32 nothing is rounded, convolutions neither,
    which torch lets by itself.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype != torch.float32


def leave_nothing_to_chance() -> None:
    """Have a GPU come to the same bytes every time; to be called before it is first used.

    Were torch only to warn of what it has no such way for, it would not take the one that it has for attention either.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # 32 MiB, without which torch refuses matrix products
    torch.use_deterministic_algorithms(True)
    # Nothing here reads what was not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def arrange(model: LoadedModel, recipe: Recipe, operators: Operators | None = None) -> LoadedModel:
    """The same model, its UNet with the ``operators`` that suit it or those given, compiled if the recipe wants that."""
    words = [_FORMATS.get(model.dtype, str(model.dtype))]
    no_compiler = _why_no_compiler(model.device) if recipe.training.acceleration == "compile" else ""
    if recipe.training.acceleration == "compile" and not no_compiler:
        operators = "stock"  # a compiler sees through these, and itself decides what to keep
        words.append("compiled (the first steps take minutes)")
        torch._dynamo.config.suppress_errors = True  # what it cannot compile runs as it is
        model.unet.compile(dynamic=False)
    chosen, lacks = (operators, "") if operators else choose_operators(model.unet, model.base, model.device)
    freeze_operators(model.unet, chosen)
    if chosen == "packed":
        for encoder in model.text_encoders:  # fp16 has not the range of what a text encoder computes
            pack_linears(encoder, torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float32)
    troubles = [lacks]
    if chosen == "fused":
        found = {fuse_text_encoder(encoder) for encoder in model.text_encoders} - {""}
        troubles += [f"attention to prompts is torch's own: {reason}" for reason in sorted(found)]
    words += [_OPERATORS[chosen], f"{attention_backend(model)} attention"]
    if model.device.type == "cpu":
        words.append(f"{torch.get_num_threads()} thread{'s'[: torch.get_num_threads() != 1]}")
    troubles += [f"not compiled: {no_compiler}"] if no_compiler else []
    return replace(model, computing="; ".join([f"computing in {', '.join(words)}", *filter(None, troubles)]))


def attention_backend(model: LoadedModel) -> str:
    """Which of torch's kernels the UNet's attention runs on: flash, efficient, cudnn or math (slow)."""
    heads = model.unet.config.attention_head_dim  # of this library, the number of heads
    count = heads if isinstance(heads, int) else heads[0]
    width = int(model.unet.config.block_out_channels[0]) // count
    query = torch.zeros(1, count, _TRIED_CELLS, width, dtype=model.dtype, device=model.device, requires_grad=True)
    try:
        choice = torch._fused_sdp_choice(query, query, query, attn_mask=None, dropout_p=0.0, is_causal=False)
        name: str = next(name for name, backend in SDPBackend.__members__.items() if backend.value == choice)
    except (AttributeError, RuntimeError, StopIteration):  # private to torch
        return "torch's choice of"
    return name.removesuffix("_ATTENTION").lower()


def _why_no_compiler(device: torch.device) -> str:
    """Empty where torch.compile works: it needs a C compiler, or Triton on a GPU."""
    try:
        torch.compile(lambda x: x.sin() + x)(torch.ones(8, device=device))
    except Exception as error:  # noqa: BLE001  whatever the compiler's trouble is, training does without
        return in_one_line(error)
    return ""
