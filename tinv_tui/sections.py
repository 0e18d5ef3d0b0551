"""What every section of the recipe is, and the section of Preprocess images."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the recipe; the text under each field is its help, everywhere."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class PreprocessSection(Section):
    """Turns a folder of pictures into a dataset. A run does not look at it."""

    source: str = ""
    """The folder of pictures as they are; it is only read. Required to preprocess."""
    destination: str = ""
    """The folder that the dataset is written to; it is made where it is missing. Never the source, nor inside it."""
    width: int = Field(512, ge=64, le=4096)
    """Width of what is written, in pixels, a multiple of 8. 512 unless the base model is a larger one."""
    height: int = Field(512, ge=64, le=4096)
    """Height of what is written, in pixels, a multiple of 8. 512 unless the base model is a larger one."""
    keep_size: bool = False
    """Write each picture at its own size, upright and without transparency."""
    flip: bool = True
    """Also write the mirror image of each picture: twice the dataset. Left and right change places in its caption.
    Not for faces with a telling side, text, or anything with a left and a right."""
    split: bool = False
    """Cut pictures that are much longer than the target's shape into overlapping tiles."""
    split_threshold: float = Field(0.5, ge=0, le=1)
    """How much longer: a picture is split when its short side, measured against the target's shape, is at most this part
    of its long side."""
    split_overlap: float = Field(0.2, ge=0, le=0.9)
    """The least part of a tile that the next one repeats."""
    focal_crop: bool = False
    """Cut each picture that is not square where faces, edges and detail are, not in the middle. Needs OpenCV:
    pip install 'tinv-tui[preprocess]'. Where nothing is found, the middle is taken (A1111 took the top left)."""
    face_weight: float = Field(0.9, ge=0, le=1)
    """How much faces pull the crop. 0: do not look for any."""
    entropy_weight: float = Field(0.15, ge=0, le=1)
    """How much the stretch with the most varied light and dark pulls the crop. 0: do not look for it."""
    edges_weight: float = Field(0.5, ge=0, le=1)
    """How much corners and edges pull the crop. 0: do not look for any."""
    face_model: str = ""
    """A YuNet face model (face_detection_yunet_….onnx). Empty: one in TINV_HOME/models, else OpenCV's own cascades."""
    debug_image: bool = False
    """Also draw what the focal point crop saw, in the subfolder "focal-point" of the destination, which is never
    trained on."""
    auto_crop: bool = False
    """Cut each picture to the size, within the bounds below, that suits its shape best, instead of width x height."""
    auto_crop_min_side: int = Field(384, ge=64, le=4096)
    """The least width and height of an auto-sized crop, in pixels; sizes go up from here in steps of 64."""
    auto_crop_max_side: int = Field(768, ge=64, le=4096)
    """The greatest width and height of an auto-sized crop, in pixels."""
    auto_crop_min_area: int = Field(4096, ge=4096, le=16_777_216)
    """The least area of an auto-sized crop, in pixels."""
    auto_crop_max_area: int = Field(409600, ge=4096, le=16_777_216)
    """The greatest area of an auto-sized crop, in pixels; 409600 is 640 x 640."""
    auto_crop_objective: Literal["area", "error"] = "area"
    """Which of the fitting sizes is taken: the largest (area), or the one that cuts away least (error)."""
    auto_crop_threshold: float = Field(0.1, ge=0, le=1)
    """The greatest part of a picture that an auto-sized crop may cut away; a picture that fits no size is skipped."""
    background: str = "white"
    """The colour behind transparent pictures: a name, or #rrggbb."""
    caption_action: Literal["auto", "ignore", "copy", "prepend", "append"] = "auto"
    """What becomes of captions that lie beside the source pictures: not looked at (ignore), taken in place of a made one
    (copy), set before it (prepend) or after it (append). "auto": ignore where captions are made, else copy."""
    blip: Literal["auto", "on", "off"] = "auto"
    """Caption with BLIP, in sentences: for Stable Diffusion. For Waifu Diffusion and other models that learned from booru
    tags, name a tagger instead. "auto": caption where a captioner and its model are on this machine and no tagger is
    named; the base model's name decides which."""
    blip_model: str = "Salesforce/blip-image-captioning-base"
    """BLIP's model: a folder, or a hub id that was fetched before. Nothing is fetched during a job."""
    blip_min_length: int = Field(24, ge=1, le=128)
    """The least length of a BLIP caption, in tokens."""
    blip_max_length: int = Field(48, ge=1, le=256)
    """The greatest length of a BLIP caption, in tokens."""
    blip_beams: int = Field(1, ge=1, le=16)
    """How many wordings BLIP follows at once: more is slower, and a little better."""
    tagger: str = ""
    """Caption with booru tags, for Waifu Diffusion and its kin: a known tagger (deepdanbooru, wd-vit, wd-swinv2,
    wd-convnext, wd-eva02), a folder with an ONNX model and its tags, or a hub id. Empty: no tags. With BLIP on, the tags
    follow the sentence."""
    tag_threshold: float = Field(0.0, ge=0, le=1)
    """How sure the tagger must be of a tag. 0: the tagger's own (0.5 for DeepDanbooru, 0.35 for WD)."""
    character_threshold: float = Field(0.85, ge=0, le=1)
    """How sure a WD tagger must be of a character's name."""
    tag_order: Literal["alphabet", "score"] = "alphabet"
    """How tags follow each other: by name, or the surest first."""
    tag_spaces: bool = True
    """Write "long hair" for the tag long_hair."""
    tag_filter: str = ""
    """Tags to leave out, with commas between. Rating tags are always left out."""
    processes: int = Field(0, ge=0, le=256)
    """Pictures worked on at the same time. 0: one for each core."""
    into_existing: bool = False
    """Write into a destination that already holds something; files of the same names are replaced, captions with them."""
