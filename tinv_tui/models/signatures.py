"""What a file of weights is, where it is no base model that can be trained on: told from the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tinv_tui.models.families import FAMILIES


@dataclass(frozen=True)
class Signature:
    """``pattern`` is met by the beginning of one tensor's name at least."""

    label: str
    """Follows "is"."""
    pattern: str
    hint: str = ""


_LONGEST_NAME = 300
"""Characters of a tensor's name that are looked at: a hostile header's cost is bounded."""

_BASE = f"Use a model of {', '.join(family.label for family in FAMILIES)}."
_ADDED = "It is added to a base model: give that one."
_WHOLE = "Give the whole model: a checkpoint that holds UNet, text encoder and VAE, or a diffusers folder."
_SISTER = "Use the family's plain model; the embedding works in its sister too."

SIGNATURES = (
    # What is added to a model
    Signature("a LyCORIS", r".*\.(hada_w1_a|lokr_w1|lokr_w1_a|oft_blocks|oft_diag|glora)", hint=_ADDED),
    Signature(
        "a LoRA", r"lora_(unet|te|te1|te2|prior)_|.*[._](lora_up|lora_down|lora_[AB]|lora\.(up|down))\.", hint=_ADDED
    ),
    Signature("a LoRA", r".*\.(dora_scale|diff_b)$|.*\.processor\..*_lora\.", hint=_ADDED),
    Signature(
        "a ControlNet", r"control_model\.|controlnet_cond_embedding\.|(control_)?input_hint_block\.|lora_controlnet"
    ),
    Signature("an IP-Adapter", r"(image_proj|ip_adapter|image_proj_model)\.", hint=_ADDED),
    Signature("a T2I-Adapter", r"(adapter\.)?body\.\d+\.(block[12]|in_conv|resnets)\.", hint=_ADDED),
    Signature("a motion module", r".*motion_modules?\.\d+\.", hint=_ADDED),
    Signature("a hypernetwork", r"(320|640|768|1024|1280|2048)\.[01]\.linear", hint=_ADDED),
    Signature("an embedding", r"(emb_params|emp_params|string_to_param\..*|clip_[lg]|<.*>)$", hint=_ADDED),
    # Other models that draw
    Signature("Stable Diffusion 3: not supported", r"(model\.diffusion_model\.)?joint_blocks\.\d+\.", hint=_BASE),
    Signature("Chroma: not supported", r"(model\.diffusion_model\.)?distilled_guidance_layer\.", hint=_BASE),
    Signature("Hunyuan video: not supported", r"(model\.)*txt_in\.individual_token_refiner\.", hint=_BASE),
    Signature("Flux: not supported", r"(model\.diffusion_model\.)?(double_blocks|single_blocks)\.\d+\.", hint=_BASE),
    Signature("Flux: not supported", r"single_transformer_blocks\.\d+\.", hint=_BASE),
    Signature("AuraFlow: not supported", r"(model\.)?(diffusion_model\.)?double_layers\.\d+\.", hint=_BASE),
    Signature(
        "Stable Cascade: not supported", r"(model\.diffusion_model\.)?(clip_txt_mapper|effnet_mapper)\.", hint=_BASE
    ),
    Signature(
        "Qwen-Image: not supported", r"(model\.diffusion_model\.)?transformer_blocks\.\d+\.img_mod\.", hint=_BASE
    ),
    Signature("Lumina or its kin: not supported", r"(model\.diffusion_model\.)?cap_embedder\.", hint=_BASE),
    Signature("LTX video: not supported", r"(model\.diffusion_model\.)?patchify_proj\.", hint=_BASE),
    Signature(
        "Wan video: not supported", r"(model\.diffusion_model\.)?(head\.modulation$|patch_embedding\.)", hint=_BASE
    ),
    Signature("HiDream: not supported", r"(model\.diffusion_model\.)?double_stream_blocks\.\d+\.", hint=_BASE),
    Signature(
        "Kolors, or a model like it: not supported", r"(model\.diffusion_model\.)?encoder_hid_proj\.", hint=_BASE
    ),
    Signature(
        "PixArt, or another transformer that draws: not supported",
        r"(model\.)?(diffusion_model\.)?(net\.)?(x_embedder|y_embedder|pos_embed\.proj|caption_projection|adaln_single)\.",
        hint=_BASE,
    ),
    Signature("a video model: not supported", r"model\.diffusion_model\..*time_(stack|mixer|mix_)", hint=_BASE),
    Signature(
        "the SDXL refiner, which takes no word of its own",
        r"conditioner\.embedders\.0\.model\.",
        hint="Use SDXL's base model.",
    ),
    # Parts of a model
    Signature(
        "a UNet alone, without text encoder",
        r"model\.diffusion_model\.input_blocks\.|input_blocks\.\d+\.|model_ema\.diffusion_modelinput_blocks",
        hint=_WHOLE,
    ),
    Signature(
        "the UNet of a diffusers model",
        r"(unet\.)?(down_blocks|mid_block)\..*(resnets|attentions)\.",
        hint="Give the model's folder, which holds model_index.json.",
    ),
    Signature("a tiny VAE alone", r"(taesd_)?(encoder|decoder)\.(layers\.)?\d+\.|\d+\.conv\.0\.weight", hint=_WHOLE),
    Signature(
        "a VAE alone",
        r"(first_stage_model\.|vae\.)?(encoder|decoder)\.(down|up|mid|conv_in|down_blocks|up_blocks|mid_block)\b",
        hint="It goes into model.vae; model.path takes the whole model.",
    ),
    Signature(
        "an upscaler", r"(params_ema\.|params\.)?(model\.\d+\.(sub|weight)|conv_first\.|body\.\d+\.rdb1|RRDB_trunk)"
    ),
    Signature("an image encoder", r"(vision_model|visual)\."),
    Signature(
        "a text encoder alone",
        r"(cond_stage_model\.|conditioner\.|text_encoders\.)?.*(text_model|resblocks\.\d+|encoder\.block\.\d+|model\.layers"
        r"\.\d+)\.",
        hint=_WHOLE,
    ),
    # No name tells
    Signature("the state of a training, not a model", r"(optimizer|optimizer_states|state)\.", hint=_WHOLE),
)
"""The first that fits is meant; what is specific stands before what is general."""

CHANNELS = {
    9: ("an inpainting model", _SISTER),
    8: ("an instruct-pix2pix model", _SISTER),
    7: ("an upscaler", _BASE),
    5: ("a model that takes depth", _SISTER),
}
"""What a UNet with so many channels at its entry is for, and the hint."""


def what_it_is(names: Iterable[str]) -> tuple[str, str]:
    """What follows "is", and a hint, for the tensors of a file that is no base model of a supported family."""
    names = [name[:_LONGEST_NAME] for name in names]
    for signature in SIGNATURES:
        pattern = re.compile(signature.pattern)
        if any(pattern.match(name) for name in names):
            return signature.label, signature.hint or _BASE
    return "no model that is known here", _BASE
