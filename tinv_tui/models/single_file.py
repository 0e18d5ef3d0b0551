"""Tells what base model a single file holds (``.safetensors``, ``.ckpt``), from names and shapes in its header."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.derived import Config, Unusual, clip_config, openclip_config, unet_config, vae_config
from tinv_tui.models.families import SD1, SDXL, Family, TextEncoder
from tinv_tui.models.layout import TEXT_ENCODERS, Parts, find_parts
from tinv_tui.models.number_formats import FLOAT_BYTES
from tinv_tui.models.prediction import configurations_of, find_prediction, with_prediction
from tinv_tui.models.published import published_configs, tokenizer_folders
from tinv_tui.models.signatures import CHANNELS, what_it_is
from tinv_tui.models.weight_file import WeightFile, read_weight_file

_SPECIAL = {
    "control_model.": "a ControlNet with a base model in it",
    "edm_mean": "Playground 2.5, which is trained another way (EDM): not supported",
    "edm_vpred.": "CosXL, which is trained another way (EDM): not supported",
}
"""Names that tell a model apart which looks like one of ours otherwise."""

_ZERO_SNR = "ztsnr"
"""A tensor by which some trainers mark a model whose last timestep is noise alone."""


def identify_file(path: Path) -> BaseModel:
    """The base model in a file; the file's header is read once while it does not change.

    Without a VAE, ``components`` has none. Raises InputError that says what the file is instead.
    """
    path = path.absolute()
    return _identify(path, *map(_stamp, (path, *configurations_of(path))))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=16)
def _identify(path: Path, *_stamps: tuple[int, int] | None) -> BaseModel:
    file = read_weight_file(path)
    parts = find_parts(file.tensors)
    if parts.family is None or "unet" not in parts.names:
        label, hint = what_it_is(file.tensors)
        raise _unsupported(path, f"is {label}", hint)
    for start, label in _SPECIAL.items():
        if any(name.startswith(start) for name in file.tensors):
            raise _unsupported(path, f"is {label}", "Use a plain base model.")
    try:
        kinds = _kinds(file, parts)
        components = _components(file, parts, parts.family)
    except Unusual as error:
        raise _unsupported(
            path, f"cannot be trained on: {error}", "Use a model built like the published ones."
        ) from None
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            "model-broken", f"model.path: {path} lacks a tensor, or its shape is wrong: {error}", "Is it complete?"
        ) from None
    _check_fit(path, parts.family, components)
    return _model(file, parts, parts.family, components, kinds)


def _model(
    file: WeightFile, parts: Parts, family: Family, components: dict[str, Config], kinds: Mapping[str, str]
) -> BaseModel:
    vae = components.get("vae") or published_configs(family)["vae"]
    texts = [components[encoder.folder] for encoder in family.encoders]
    model = BaseModel(
        name=file.path.stem,
        path=file.path,
        family=family,
        widths=tuple(text["hidden_size"] for text in texts),
        native_size=family.native_size,
        latent_factor=2 ** (len(vae["block_out_channels"]) - 1),
        latent_channels=vae["latent_channels"],
        prediction_type="",
        encoder_layers=min(text["num_hidden_layers"] for text in texts),
        tokenizer_folders=tokenizer_folders(family),
        weight_bytes=sum(file.tensors[name].byte_count for part in parts.names.values() for name in part.values()),
        number_kind=kinds["unet"],
        components=components,
    )
    return with_prediction(model, find_prediction(file.path, file.tensors, file.metadata, family))


def _kinds(file: WeightFile, parts: Parts) -> dict[str, str]:
    """How each part is stored, by most of its numbers. Raises InputError for a format that cannot be trained on, ValueError."""
    found = {}
    for part, names in parts.names.items():
        sizes: dict[str, int] = {}
        for name, stored in names.items():
            tensor = file.tensors[stored]
            if not name.endswith("position_ids"):
                sizes[tensor.kind] = sizes.get(tensor.kind, 0) + tensor.byte_count
        odd = sorted(set(sizes) - set(FLOAT_BYTES))
        if odd:
            raise _unsupported(
                file.path,
                f"holds {odd[0]} numbers in its {part}: quantised weights are not supported",
                "Use its fp16 file.",
            )
        if not sizes:
            raise ValueError(f"its {part} holds no weights")
        found[part] = max(sizes, key=lambda kind: sizes[kind])
    return found


def _components(file: WeightFile, parts: Parts, family: Family) -> dict[str, Config]:
    """Raises Unusual or KeyError."""
    published = published_configs(family)
    shapes = {
        part: {name: file.tensors[stored].shape for name, stored in names.items()}
        for part, names in parts.names.items()
    }
    _refuse_other_tasks(file.path, family, shapes["unet"])
    found = {"unet": unet_config(shapes["unet"], published["unet"], fixed_heads=family == SD1)}
    if "vae" in shapes:
        found["vae"] = vae_config(shapes["vae"], published["vae"])
    for encoder in family.encoders:
        found[encoder.folder] = _text_config(family, encoder, shapes[encoder.folder], published[encoder.folder])
    found["scheduler"] = dict(published["scheduler"])
    if _ZERO_SNR in file.tensors:
        found["scheduler"]["rescale_betas_zero_snr"] = True
    if family == SDXL:
        _tell_sizes(found)
    return found


def _text_config(family: Family, encoder: TextEncoder, shapes: Any, published: Mapping[str, Any]) -> Config:
    if TEXT_ENCODERS[family.name][encoder.folder].endswith("transformer."):
        return clip_config(shapes, published)
    return openclip_config(shapes, published, pooled=encoder.pooled)


def _refuse_other_tasks(path: Path, family: Family, unet: Mapping[str, tuple[int, ...]]) -> None:
    channels = unet["input_blocks.0.0.weight"][1]
    if channels in CHANNELS:
        label, hint = CHANNELS[channels]
        raise _unsupported(path, f"is {label} ({channels} channels)", hint)
    if family != SDXL and any(name.startswith("label_emb.") for name in unet):
        raise _unsupported(path, "is an unCLIP model, which is told of a picture", "Use the family's plain model.")


def _tell_sizes(components: Mapping[str, Config]) -> None:
    """SDXL's UNet is told the pooled text and six sizes, each as so many numbers. Raises Unusual."""
    told = components["unet"]["projection_class_embeddings_input_dim"]
    numbers, rest = divmod(told - components["text_encoder_2"]["projection_dim"], 6)
    if rest or numbers <= 0:
        raise Unusual(f"its UNet is told {told} numbers beside the prompt")
    components["unet"]["addition_time_embed_dim"] = numbers


def _check_fit(path: Path, family: Family, components: Mapping[str, Config]) -> None:
    """The parts must have been made for each other. Raises InputError."""
    unet = components["unet"]
    given = sum(components[encoder.folder]["hidden_size"] for encoder in family.encoders)
    if unet["cross_attention_dim"] != given:
        raise _unsupported(
            path,
            f"is of parts that do not fit: its text is {given} wide, its UNet takes {unet['cross_attention_dim']}",
            "Use another file of this model.",
        )
    channels = components.get("vae", unet)["latent_channels" if "vae" in components else "in_channels"]
    if unet["in_channels"] != channels:
        raise _unsupported(
            path,
            f"has a UNet of {unet['in_channels']} channels and a VAE of {channels}",
            "Use the family's plain model.",
        )


def _unsupported(path: Path, what: str, hint: str) -> InputError:
    return InputError("model-unsupported", f"model.path: {path} {what}", hint)
