"""Loads the parts of a base model that training needs, frozen, straight to their number format and device."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.tokenizer import PromptTokenizer, tokenizer_for

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection


@dataclass(frozen=True)
class LoadedModel:
    """A base model in memory; every weight is frozen and every part is in evaluation mode.

    The UNet is in ``dtype``; text encoders and VAE are fp32, where the sums that matter are.
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

    @property
    def timesteps(self) -> int:
        return int(self.alphas_cumprod.shape[0])

    @property
    def latent_scale(self) -> float:
        return float(self.vae.config.scaling_factor)


def quiet_libraries() -> None:
    """Keep progress bars and notices out of the log. Call before diffusers or transformers is imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def choose_dtype(precision: str, device: torch.device, base: BaseModel) -> torch.dtype:
    """The UNet's number format: "auto" is bf16 on a GPU that has it, fp32 elsewhere and always for the bundled model."""
    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    if precision in named:
        return named[precision]
    if device.type == "cuda" and not base.is_small:
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def load_model(
    base: BaseModel, device: torch.device, dtype: torch.dtype, *, vae_folder: str = "", prediction_type: str = "auto"
) -> LoadedModel:
    """Load a diffusers folder. Raises InputError when a part cannot be read or the prediction type is unknown."""
    quiet_libraries()
    # The parts are imported from their own modules: the packages' roots take twice as long (pipelines, vision).
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.utils import logging as diffusers_logging
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    kind = base.prediction_type if prediction_type == "auto" else prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise InputError("model-unsupported", f"model.path: the model predicts {kind!r}", "Set model.prediction_type.")
    folder = str(base.path)
    try:
        text_encoders = tuple(
            (CLIPTextModelWithProjection if encoder.pooled else CLIPTextModel).from_pretrained(
                folder, subfolder=encoder.folder, dtype=torch.float32, variant=base.variant
            )
            for encoder in base.family.encoders
        )
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype, variant=base.variant)
        if vae_folder:
            vae = AutoencoderKL.from_pretrained(vae_folder, torch_dtype=torch.float32)
        else:
            vae = AutoencoderKL.from_pretrained(
                folder, subfolder="vae", torch_dtype=torch.float32, variant=base.variant
            )
    except (OSError, ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            "model-broken", f"model.path: {base.path}: {first_line}", "Is the download complete?"
        ) from None
    for part in (*text_encoders, unet, vae):
        part.eval().requires_grad_(False).to(device)
    config = dict(base.components["scheduler"])
    schedule = DDPMScheduler.from_config(config)
    return LoadedModel(
        base=base,
        text_encoders=text_encoders,
        unet=unet,
        vae=vae,
        tokenizer=tokenizer_for(base.tokenizer_folder),
        pads=tuple(tokenizer_for(folder).pad for folder in base.tokenizer_folders),
        scheduler_config=config | {"prediction_type": kind},
        alphas_cumprod=schedule.alphas_cumprod.to(device),
        prediction_type=kind,
        device=device,
        dtype=dtype,
    )
