"""Loads the parts of a base model that training needs, frozen, straight to their number format and device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.filling import Part, fill, find_part
from tinv_tui.models.frozen.text import hold_in_16_bits
from tinv_tui.models.layout import find_parts
from tinv_tui.models.modules import build_text_encoders, build_unet, build_vae
from tinv_tui.models.number_formats import computes_in_bf16
from tinv_tui.models.original_names import Sources, folder_sources, text_sources, unet_sources, vae_sources
from tinv_tui.models.part_files import part_files
from tinv_tui.models.tiny_vae import load_tiny_vae
from tinv_tui.models.tokenizer import PromptTokenizer, tokenizer_for
from tinv_tui.models.vae_file import VaeFile
from tinv_tui.models.weights import Weights

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

_TITLES = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder", "text_encoder_2": "second text encoder"}


@dataclass(frozen=True)
class LoadedModel:
    """A base model in memory; every weight is frozen and every part is in evaluation mode.

    The UNet is in ``dtype``; text encoders and VAE compute in fp32, where the sums that matter are, but for products that
    ``worker.computing`` lets be of shorter numbers. The text encoders' token tables are on the host, where prompts are, as
    the VAE is while there are steps to make; a memory plan says how the text encoders' other weights are held.
    """

    base: BaseModel
    text_encoders: tuple[CLIPTextModel | CLIPTextModelWithProjection, ...]
    """In the order of the family's encoders."""
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    tokenizer: PromptTokenizer
    """The first encoder's: all encoders of a family read the same token ids, but for those that fill up."""
    pads: tuple[int, ...]
    """For each text encoder, the token id that fills up a prompt."""
    scheduler_config: dict[str, Any]
    alphas_cumprod: torch.Tensor
    """[timesteps], fp32, on the device."""
    prediction_type: str
    device: torch.device
    dtype: torch.dtype
    tiny_vae: AutoencoderTiny | None = None
    """What pictures are decoded with, if it is not the VAE."""
    computing: str = ""
    """How its steps are computed here, in words."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [b, 3, h, w] from -1 to 1, fp32, of latents as the UNet has them."""
        vae = self._decoder
        with self.decoder_there():
            pixels: torch.Tensor = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]
            return pixels.float().clamp(-1, 1)

    @property
    def _decoder(self) -> AutoencoderKL | AutoencoderTiny:
        return self.vae if self.tiny_vae is None else self.tiny_vae

    @contextmanager
    def decoder_there(self) -> Iterator[None]:
        """Have what decodes on the device meanwhile, a copy where it is kept on the host: once for several pictures."""
        homes = [(weight, weight.data) for weight in self._decoder.parameters()]
        if homes[0][1].device.type == self.device.type:
            yield
            return
        try:
            for weight, home in homes:
                weight.data = home.to(self.device)
            yield
        finally:
            for weight, home in homes:
                weight.data = home
            torch.cuda.empty_cache()  # decoding takes more than a step leaves free

    @property
    def timesteps(self) -> int:
        return int(self.alphas_cumprod.shape[0])


def choose_dtype(precision: str, device: torch.device, base: BaseModel) -> torch.dtype:
    """The UNet's number format: "auto" is bf16 on a GPU or processor that computes in it, fp16 on an older GPU, else fp32.

    Small models, as the bundled one, are always fp32: they lose by it.
    """
    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    if precision in named:
        return named[precision]
    if base.is_small:
        return torch.float32
    if device.type == "cuda":  # cards before Ampere can do bf16 too, by way of fp32
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if computes_in_bf16() else torch.float32


def load_model(
    base: BaseModel,
    device: torch.device,
    dtype: torch.dtype,
    *,
    vae: VaeFile | None = None,
    tiny_vae: VaeFile | None = None,
    prediction_type: str = "auto",
    text_in_16_bits: bool = False,
    vae_there: Callable[[AutoencoderKL], None] = lambda vae: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LoadedModel:
    """Load a diffusers folder or a single file, with another VAE if one is given, and a tiny one to draw with.

    Text encoders to be held in 16 bits are so before the UNet is read, which may have no room beside all of them.
    ``vae_there`` is called with the VAE before the UNet is read, which is by far the most of a model.
    ``progress`` gets bytes read and in all, and ends the loading by raising. Raises InputError when a part cannot be read or
    the prediction type is unknown; nothing has been read then but headers.
    """
    kind = base.prediction_type if prediction_type == "auto" else prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise InputError("model-unsupported", f"model.path: the model predicts {kind!r}", "Set model.prediction_type.")
    with ExitStack() as stack:
        parts = _find_parts(base, dtype, vae, stack)
        total, done = sum(part.stored_bytes for part in parts.values()), 0

        def took(count: int) -> None:
            nonlocal done
            done += count
            progress(done, total)

        progress(done, total)
        for folder, part in sorted(parts.items(), key=lambda found: found[0] == "unet"):
            if folder == "unet":
                with part.reads_ahead():
                    vae_there(cast("AutoencoderKL", parts["vae"].module))
            fill(part, device, took)
            if folder.startswith("text_encoder"):
                cast("CLIPTextModel", part.module).get_input_embeddings().to("cpu")
                if text_in_16_bits:
                    hold_in_16_bits(part.module)
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    config = dict(base.components["scheduler"])
    return LoadedModel(
        base=base,
        text_encoders=tuple(cast("CLIPTextModel", parts[encoder.folder].module) for encoder in base.family.encoders),
        unet=cast("UNet2DConditionModel", parts["unet"].module),
        vae=cast("AutoencoderKL", parts["vae"].module),
        tokenizer=tokenizer_for(base.tokenizer_folder),
        pads=tuple(tokenizer_for(folder).pad for folder in base.tokenizer_folders),
        scheduler_config=config | {"prediction_type": kind},
        alphas_cumprod=DDPMScheduler.from_config(config).alphas_cumprod.to(device),
        prediction_type=kind,
        device=device,
        dtype=dtype,
        tiny_vae=load_tiny_vae(tiny_vae, device, torch.float32) if tiny_vae else None,
    )


def _find_parts(base: BaseModel, dtype: torch.dtype, vae: VaeFile | None, stack: ExitStack) -> dict[str, Part]:
    """Where everything lies, by the part's folder; the files stay open as long as ``stack``. Raises InputError."""
    modules: dict[str, nn.Module] = build_text_encoders(base) | {"unet": build_unet(base)}
    if vae is None and "vae" not in base.components:
        raise InputError(
            "vae-missing", f"model.path: {base.path} holds no VAE", "Set model.vae to a VAE of its family."
        )
    if vae is None:
        modules["vae"] = build_vae(f"model.path: {base.path}: its VAE", base.components["vae"])
    if base.is_single_file:
        weights = stack.enter_context(Weights([base.path]))
        names = find_parts(weights.tensors).names
        parts = {part: _in_file(base, part, m, weights, names.get(part, {}), dtype) for part, m in modules.items()}
    else:
        parts = {
            part: _in_folder(part, m, stack.enter_context(Weights(part_files(base.path / part))), _dtype(part, dtype))
            for part, m in modules.items()
        }
    return parts if vae is None else parts | {"vae": _own_vae(vae, stack)}


def _in_folder(part: str, module: nn.Module, weights: Weights, dtype: torch.dtype) -> Part:
    return find_part(_TITLES[part], module, weights, folder_sources, dtype)


def _in_file(
    base: BaseModel, part: str, module: nn.Module, weights: Weights, names: Mapping[str, str], dtype: torch.dtype
) -> Part:
    sources: Sources = text_sources
    spare = ""
    if part == "unet":
        sources = unet_sources(module.state_dict())
    elif part == "vae":
        sources = vae_sources(module.state_dict())
    else:  # SD 2.x has one layer more in its file than anybody uses
        spare = f"transformer.resblocks.{base.components[part]['num_hidden_layers']}."
    return find_part(_TITLES[part], module, weights, sources, _dtype(part, dtype), names=names, spare=spare)


def _own_vae(vae: VaeFile, stack: ExitStack) -> Part:
    key = "model.vae"
    module = build_vae(f"{key}: {vae.path}", vae.config)
    if vae.path.is_dir():
        return _in_folder("vae", module, stack.enter_context(Weights(part_files(vae.path, key), key)), torch.float32)
    weights = stack.enter_context(Weights([vae.path], key))
    names = {name.removeprefix(vae.prefix): name for name in weights.tensors if name.startswith(vae.prefix)}
    return find_part("VAE", module, weights, vae_sources(module.state_dict()), torch.float32, names=names)


def _dtype(part: str, unet: torch.dtype) -> torch.dtype:
    return unet if part == "unet" else torch.float32
