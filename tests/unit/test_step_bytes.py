"""What a step keeps, counted on UNets and text encoders of the published shapes with tensors that hold no numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import FAMILIES, SD1, SD2, SDXL, Family
from tinv_tui.models.frozen import Operators
from tinv_tui.models.frozen.unet import freeze_operators
from tinv_tui.models.modules import build_text_encoders, build_unet, build_vae
from tinv_tui.models.published import published_configs

TOKENS = 77


class Live(TorchDispatchMode):
    """Counts the bytes of the storages that are alive beside a module's weights, and how many they were at most."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._weights = [weight.untyped_storage() for weight in module.parameters()]
        self._seen = {storage._cdata for storage in self._weights}
        self.now = self.most = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(answer):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return answer

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def base(family: Family) -> BaseModel:
    return cast("BaseModel", SimpleNamespace(path="published", components=published_configs(family), family=family))


def unet_bytes(family: Family, side: int, operators: Operators, *, checkpointing: bool = False) -> int:
    """What one picture takes in bf16, forward and back, as training computes it."""
    config = published_configs(family)["unet"]
    unet: Any = build_unet(base(family)).to(torch.bfloat16).requires_grad_(False)
    freeze_operators(unet, operators)
    if checkpointing:
        unet.enable_gradient_checkpointing()
    with FakeTensorMode(allow_non_fake_inputs=True):
        unet.to_empty(device="cpu")
        noisy = torch.empty(1, 4, side // 8, side // 8, dtype=torch.bfloat16)
        context = torch.empty(1, TOKENS, config["cross_attention_dim"], dtype=torch.bfloat16, requires_grad=True)
        told = {"text_embeds": torch.empty(1, 1280, requires_grad=True), "time_ids": torch.empty(1, 6)}
        more = told if family.size_conditioning else None
        with Live(unet) as live:
            answer = unet(noisy, torch.zeros(1, dtype=torch.long), context, added_cond_kwargs=more, return_dict=False)[
                0
            ]
            answer.float().sum().backward()
    return live.most


def text_bytes(family: Family) -> int:
    """What one prompt takes in fp32, all encoders together."""
    taken = 0
    for encoder in build_text_encoders(base(family)).values():
        module: Any = encoder.requires_grad_(False).eval()
        with FakeTensorMode(allow_non_fake_inputs=True):
            module.to_empty(device="cpu")
            rows = torch.empty(1, TOKENS, module.config.hidden_size, requires_grad=True)
            module.get_input_embeddings().register_forward_hook(lambda _m, _i, read, rows=rows: read + rows)
            with Live(module) as live:
                answer = module(torch.zeros(1, TOKENS, dtype=torch.long))
                answer.last_hidden_state.sum().backward()
        taken += live.most
    return taken


def parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_has_the_parameters_of_the_published_models(family: Family) -> None:
    assert parameters(build_unet(base(family))) == family.unet_parameters
    assert sum(map(parameters, build_text_encoders(base(family)).values())) == family.text_parameters
    assert parameters(build_vae("", published_configs(family)["vae"])) == family.vae_parameters


@pytest.mark.long
@pytest.mark.parametrize(
    ("family", "side"), [(SD1, 512), (SD2, 768), (SDXL, 1024)], ids=lambda value: getattr(value, "name", value)
)
def test_the_table_says_what_a_step_takes(family: Family, side: int) -> None:
    pictures, table = side**2 / 512**2, family.step_bytes
    assert unet_bytes(family, side, "stock") / pictures == pytest.approx(table.stock, rel=0.03)
    assert unet_bytes(family, side, "frozen") / pictures == pytest.approx(table.frozen, rel=0.03)
    checkpointed = unet_bytes(family, side, "frozen", checkpointing=True)
    assert checkpointed / pictures == pytest.approx(table.checkpointed, rel=0.03)
    assert text_bytes(family) == pytest.approx(table.text, rel=0.03)
