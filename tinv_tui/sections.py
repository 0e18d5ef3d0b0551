"""The sections of a recipe: the only declaration of every option, with its default, its limits and its help."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Sampler = Literal[
    "dpm++ 2m karras", "dpm++ 2m", "dpm++ 2m sde karras", "dpm++ 2m sde", "dpm++ sde karras", "dpm++ sde", "dpm2 karras",
    "dpm2", "dpm2 a karras", "dpm2 a", "euler a", "euler", "heun", "lms karras", "lms", "plms", "ddim", "unipc",
]  # fmt: skip

FormatName = Literal["safetensors", "pt", "diffusers", "bin", "kohya", "onetrainer", "invokeai", "pti", "png", "webp"]
"""The formats of embedding files; what each is stands in the table of :mod:`tinv_tui.embeddings.formats`."""


class Section(BaseModel):
    """A table of the recipe; the text under each field is its help, everywhere."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class ModelSection(Section):
    path: str = ""
    """The base model: "bundled" for the tiny one that ships with the program, a .safetensors or .ckpt file, a diffusers
    folder, or the hub id (owner/name) of one, which is fetched once. The embedding will work with models of the same family
    (SD 1.x, SD 2.x, SDXL) and with no other. Required."""
    vae: str = ""
    """A VAE to use in place of the model's own: a .safetensors, .ckpt or .pt file, or a diffusers folder. Empty: the model's
    own; a file that comes without one needs this."""
    clip_skip: int = Field(1, ge=1, le=12)
    """Which hidden layer of the text encoder is used, counted from the last. 1 is what the family was trained with: the
    last, for SDXL the one before it. Some anime models want 2."""
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = "auto"
    """What the UNet predicts: noise (epsilon) or velocity (v_prediction). "auto" asks the model's folder, or what a file says
    of itself. A file of SD 2.x often does not say: epsilon for a 512 model, v_prediction for a 768 one."""


class EmbeddingSection(Section):
    name: str = ""
    """The new word, also the file's name. Required. Choose one that is no ordinary word, and that no other name starts
    with. Letters and digits of any script, . _ - and spaces stay; other characters are dropped, and a path is refused."""
    vectors: int = Field(1, ge=1, le=75)
    """Vectors per token. N of them leave 75 - N tokens of a prompt's 75 for other words; more hold more, and want more
    pictures: about five for each, or they overfit."""
    init_text: str = "*"
    """Words the vectors start from, e.g. "ginger cat", or the caption of one picture. Their tokens are spread over all
    vectors: each fills several, or where there are more of them than vectors, those that count lie evenly in the phrase
    (A1111 takes its beginning, so that one vector starts from "a"). Name what it looks most like: a start far off can keep
    what no rate and no number of steps brings back. Empty starts from zeros."""
    continue_from: str = ""
    """An embedding to go on from: a name in the library or a file of any tool, file.pt#name where it holds several. Its
    vectors replace the init text, and their number."""
    step_count: Literal["go on", "restart"] = "go on"
    """Whether the result's count of steps goes on from that of the embedding it continues, or restarts at 0. A run always
    counts its own steps from 1, in its rates, copies and previews; only the file in the library says the sum."""
    overwrite: bool = False
    """Replace an embedding of this name in the library. Otherwise Create refuses the name, and a run keeps an embedding
    that is trained and adds "-2" to its own name."""


class DatasetSection(Section):
    path: str = ""
    """The folder of pictures, the one Preprocess wrote; captions lie beside them as .txt files of the same name. Five
    pictures or more, sharp and little compressed, best square; the more they differ in light, angle, composition and
    expression, the better. Required."""
    template: str = "subject_filewords"
    """Prompt template: subject_filewords for a character or a thing, style_filewords for a style, another known name, or a
    text file whose lines hold [name] and, if wanted, [filewords]. For a first training, take one as it is."""
    width: int = Field(0, ge=0, le=4096)
    """Training width in pixels, a multiple of 8, the same as in Preprocess. 0 is the model's native size: 512 for
    SD 1.x, 768 or 512 for SD 2.x, 1024 for SDXL."""
    height: int = Field(0, ge=0, le=4096)
    """Training height in pixels, a multiple of 8, the same as in Preprocess. 0 is the model's native size: 512 for
    SD 1.x, 768 or 512 for SD 2.x, 1024 for SDXL."""
    sizes: Literal["bucket", "resize", "crop"] = "bucket"
    """Pictures of another shape: "bucket" trains each at a size of about the same area and its own shape, "resize"
    squeezes it to width x height, "crop" cuts the middle out."""
    filename_regex: str = ""
    """Where a picture has no caption file: a regular expression whose matches in the file name, a number in front left out,
    make its caption, as in [^\\W\\d_]+ for all words. Empty: the name as it stands, if it reads as words ("00003-1-a red
    fox" says "a red fox"; IMG_1234 says nothing)."""
    filename_join: str = " "
    """What is put between the matches of the file name's expression."""
    exclude: tuple[str, ...] = Field((), strict=False)
    """File names of pictures in the folder that are not trained on; the files stay as they are. x in the dataset's list
    leaves one out, and takes it back."""
    repeats: int = Field(1, ge=1, le=10000)
    """How often each picture counts in an epoch."""
    flip: bool = False
    """Train on mirror images too, drawn at random. Not for faces, text, or anything with a left and a right."""
    shuffle_tags: bool = False
    """Shuffle the comma-separated parts of a caption each time it is read: some more variety, from captions of tags."""
    drop_out_tags: float = Field(0.1, ge=0, le=1)
    """Chance to leave out each comma-separated part of a caption, each time it is read, for variety. 0.1 is a good value;
    0 keeps captions whole."""
    latent_sampling: Literal["deterministic", "once", "random"] = "deterministic"
    """What a picture becomes in latent space: the mean (deterministic, the recommended one), one sample for the whole run
    (once), or a new sample each step (random)."""
    alpha_as_weight: bool = False
    """Weigh the loss by the picture's transparency: what is transparent counts less."""


class TrainingSection(Section):
    steps: int = Field(100000, ge=1, le=100_000_000)
    """How many optimiser updates. The guide found up to 100,000 necessary, which takes hours; copies and the best so far
    let you stop earlier."""
    learning_rate: str = "0.005"
    """Rate, or rates with step counts: "0.005:500, 0.001:1000, 0.004". Lower is slower but more accurate; stay below
    0.1, and take 0.005 if unsure."""
    rate_steps: Literal["duration", "absolute"] = "duration"
    """What the counts in the rate text mean: that many further steps (duration), or the last step (absolute, A1111)."""
    batch_size: int = Field(1, ge=1, le=1024)
    """Pictures per forward pass. A batch larger than the set repeats pictures."""
    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per update: the effect of a larger batch without its memory."""
    clip: Literal["off", "value", "norm"] = "off"
    """Gradient clipping, in true gradient units: each element (value) or the whole gradient (norm)."""
    clip_schedule: str = "0.1"
    """The clipping threshold, in the same notation as the rate."""
    cap_norm: bool = False
    """Keep each vector at most as long as the longest of the vocabulary: longer ones drown the rest of a prompt."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Number format of the frozen weights; the vectors are always fp32. "auto": bf16 on a GPU that has it, else fp32; take
    it if unsure. "fp32" is full precision (A1111's --no-half --precision full): the most exact, and up to twice the memory,
    which the plan shows before a start."""
    acceleration: Literal["auto", "eager", "compile"] = "auto"
    """How steps are computed: "auto" plays them back from CUDA graphs on a GPU, and from recorded calls for a small model on a
    CPU; "eager" does without, should that make trouble; "compile" has torch.compile work on the UNet first, which needs a C
    compiler, takes minutes the first time, and pays for long runs on a CPU."""
    seed: int = Field(-1, ge=-1, le=2**63 - 1)
    """Everything random follows from this. -1 draws one and records it."""
    deterministic: bool = False
    """Ask the GPU for the same bytes every time, at some cost in speed. The CPU always gives them."""
    evaluation_samples: int = Field(4, ge=0, le=64)
    """Fixed pictures, noises and timesteps for the evaluation loss, which shows progress the training loss hides. 0: off."""
    minutes: float = Field(0.0, ge=0, le=525_600)
    """End after so many minutes with the best so far, counted over all resumes: training, previews and saving, not loading
    and pauses. 0: no limit."""


class SavingSection(Section):
    log_directory: str = ""
    """Where runs are kept, with their losses, copies and previews. Empty, which is best if unsure: TINV_HOME/runs."""
    embedding_every: int = Field(500, ge=0)
    """Save a copy of the embedding every so many steps, to go back to if the end is not the best of it. 0: never."""
    image_every: int = Field(500, ge=0)
    """Draw a preview every so many steps, to follow what is learned. 0: never."""
    image_carries_embedding: bool = True
    """Also write each preview as a picture that carries the embedding, in a PNG chunk and in its pixels, which A1111 and
    others can load. It has the name written on it; a small preview is enlarged for that. With every preview, whatever
    the interval of copies."""
    tensorboard: bool = False
    """Also write losses, rate, lengths of the vectors and previews for TensorBoard, in the run's folder. Needs
    pip install 'tinv-tui[tensorboard]'."""
    formats: tuple[FormatName, ...] = Field(("safetensors",), min_length=1, strict=False)  # TOML has lists
    """File formats of the result; the first is the result, others lie beside it. safetensors is loaded by every tool and
    keeps how the embedding was made. Others: pt (A1111's own), diffusers and bin (its learned_embeds), kohya, onetrainer,
    invokeai, pti (replicate, SDXL only), png and webp (a picture that carries it, not for SDXL)."""
    result: Literal["auto", "last", "best"] = "auto"
    """Which vectors become the result: the last, or the best, of the lowest evaluation loss. "auto": the best where
    training.minutes ended the run, else the last."""
    private_paths: bool = False
    """Keep whole paths in the recipe that the result carries, and the names of pictures left out. Otherwise the last name of
    each path is kept, so that a file you give away does not tell your folders."""
    checkpoint_seconds: int = Field(20, ge=1, le=86400)
    """The most training time that a crash can cost, in seconds."""


class PreviewSection(Section):
    prompts: tuple[str, ...] = Field((), strict=False)
    """Prompts to draw, one picture each; write the embedding's name, or [name]. Empty: the step's own training prompt. In
    the form, ctrl+o takes this and all below from a PNG made by A1111 or Forge."""
    negative: str = ""
    """What the preview should not show."""
    steps: int = Field(20, ge=1, le=1000)
    """Sampling steps."""
    sampler: Sampler = "dpm++ 2m karras"
    """Sampling method."""
    cfg: float = Field(7.0, ge=1, le=50)
    """Guidance scale: how strictly the picture follows the prompt."""
    seed: int = Field(42, ge=-1, le=2**63 - 1)
    """What the picture starts from; the same for every preview, so that they compare. -1: another one each time."""
    width: int = Field(0, ge=0, le=4096)
    """Preview width in pixels, a multiple of 8. 0: the training width."""
    height: int = Field(0, ge=0, le=4096)
    """Preview height in pixels, a multiple of 8. 0: the training height."""
    tiny_vae: str = ""
    """A tiny VAE that draws previews in little time and memory, and a little less sharply: an AutoencoderTiny folder, or a
    taesd .safetensors file (taesdxl for SDXL). Empty: the model's own VAE."""


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
