"""Tells a file that holds no embedding for what it is, by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KINDS = (
    (r"(^|\.)control_model\.|controlnet_cond_embedding", "a ControlNet"),
    (r"(^|\.)lora_?(up|down|A|B|mid|te\d?|unet)?[._]|\.(hada_w|lokr_w|oft_blocks|dora_scale)", "a LoRA"),
    (r"(^|\.)(model\.diffusion_model|cond_stage_model|conditioner\.embedders)\.", "a base model"),
    (r"^(to_k_custom_diffusion|processor\..*custom_diffusion)", "a Custom Diffusion model"),
    (r"(^|\.)(first_stage_model\.)?(encoder|decoder)\.(down|up|mid|down_blocks|up_blocks|mid_block)[._]", "a VAE"),
    (r"(^|\.)(down_blocks|up_blocks|mid_block)\.", "a UNet"),
    (r"(^|\.)(double_blocks|joint_blocks|transformer_blocks|single_blocks)\.", "the transformer of a base model"),
    (r"(^|\.)(text_model|transformer)\..*(embeddings|encoder|resblocks)", "a text encoder"),
    (r"(^|\.)vision_model\.|image_proj|ip_adapter", "an IP-Adapter or an image encoder"),
    (r"optimizer_state_dict\.", "an optimiser's state, which lies beside an embedding and is none"),
    (r"^(320|640|768|1024|1280)\.\d+\.", "a hypernetwork"),
    (r"^(IN|OUT|MID)\d*$", "an extended inversion (XTI), with an embedding for each layer of the UNet"),
    (r"^(model\.\d+\.|conv_first\.|body\.\d+\.)", "an upscaler"),
)

UNKNOWN = "of an unknown kind"


def what_it_is(keys: Iterable[str]) -> str:
    """What a file with tensors of these names is, in words."""
    names = list(keys)
    for pattern, kind in _KINDS:
        if any(re.search(pattern, name[:200]) for name in names[:5000]):
            return kind
    return "without tensors" if not names else f"{len(names)} tensor{'' if len(names) == 1 else 's'} {UNKNOWN}"
