"""How a form's settings lie in it, and the form of a recipe. What they are, and their help, comes from the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """``blank`` is the value that an empty field stands for, ``width`` 0 is all that is left of the row."""

    key: str
    label: str
    width: int = 0
    blank: str | None = None
    placeholder: str = ""
    """Keys stand in it by their ids: see :func:`tinv_tui.app.keys.with_keys`."""
    words: dict[str, str] = field(default_factory=dict)
    """Shorter words for the choices of this field."""
    lists: bool = False
    """Whether there is something to choose from (ctrl+o)."""
    draws: bool = False
    """Whether there is a schedule to draw below it."""
    options: tuple[tuple[str, str], ...] = ()
    """(value, word) of a control that is no setting of its own; the form that has one says what it does."""

    @property
    def name(self) -> str:
        """What it is called where it does not stand behind its neighbour: a height is labelled "x" in the form."""
        return "Height" if self.label == "x" else self.label


Rows = tuple[tuple[Field, ...], ...]


def fields_of(rows: Rows) -> dict[str, Field]:
    """The fields of a form by key."""
    return {field.key: field for row in rows for field in row}


KIND = "subject-or-style"
"""The one control that is no setting of its own: it picks the template."""

_SAMPLING = {"deterministic": "mean", "once": "once", "random": "random"}
_ACCELERATION = {"auto": "quickest", "eager": "plain", "compile": "compiled"}
_COUNTS = {"duration": "further steps", "absolute": "end steps"}

ROWS: Rows = (
    (Field(KIND, "Learn a", options=(("subject", "subject"), ("style", "style"))),),
    (Field("embedding.name", "Embedding", lists=True, placeholder="the new word"),),
    (Field("model.path", "Base model", lists=True, placeholder="{app.models} lists what is here"),),
    (Field("dataset.path", "Dataset", lists=True, placeholder="the folder of pictures"),),
    (Field("dataset.template", "Template", lists=True),),
    (Field("embedding.vectors", "Vectors", 5),),
    (Field("embedding.init_text", "Init text", placeholder="zeros"),),
    (Field("embedding.continue_from", "Go on from", lists=True, placeholder="nothing: a new embedding"),),
    (Field("embedding.step_count", "Its steps"),),
    (Field("training.learning_rate", "Rate", draws=True),),
    (Field("training.rate_steps", "Counts are", words=_COUNTS),),
    (
        Field("training.steps", "Steps", 8),
        Field("training.batch_size", "Batch", 4),
        Field("training.gradient_accumulation", "Acc.", 4),
    ),
    (
        Field("dataset.width", "Size", 6, blank="0", placeholder="own"),
        Field("dataset.height", "x", 6, blank="0", placeholder="own"),
        Field("training.seed", "Seed", 0, blank="-1", placeholder="random"),
    ),
    (Field("dataset.latent_sampling", "Sampling", words=_SAMPLING),),
    (Field("dataset.sizes", "Other shapes"),),
    (Field("dataset.shuffle_tags", "shuffle tags"), Field("dataset.drop_out_tags", "Drop-out", 5)),
    (
        Field("dataset.filename_regex", "From names", placeholder="names of words"),
        Field("dataset.filename_join", "join", 5),
    ),
    (Field("dataset.exclude", "Left out", placeholder="nothing; {dataset.exclude} in the list"),),
    (Field("dataset.flip", "mirror at random"), Field("dataset.repeats", "Repeats", 5)),
    (Field("dataset.alpha_as_weight", "transparency weighs the loss"),),
    (Field("training.clip", "Clip", 21), Field("training.clip_schedule", "at", draws=True)),
    (Field("training.cap_norm", "no vector longer than the vocabulary's"),),
    (Field("training.evaluation_samples", "Eval. pics", 4), Field("training.precision", "Numbers", 0, lists=True)),
    (Field("saving.embedding_every", "Copy every", 7), Field("saving.image_every", "Preview every", 0)),
    (Field("saving.image_carries_embedding", "preview carries the embedding"),),
    (Field("saving.log_directory", "Log folder", placeholder="TINV_HOME/runs"),),
    (Field("saving.formats", "Formats", 0), Field("saving.checkpoint_seconds", "Save state", 6)),
    (Field("training.minutes", "Minutes", 6, blank="0", placeholder="any"),),
    (Field("saving.result", "Result"),),
    (Field("saving.private_paths", "the result tells whole paths"),),
    (Field("saving.tensorboard", "write for TensorBoard too"),),
    (Field("preview.prompts", "Preview", placeholder="the step's own prompt", lists=True),),
    (Field("preview.negative", "Negative"),),
    (Field("preview.steps", "Draw steps", 5), Field("preview.cfg", "Cfg", 5), Field("preview.seed", "Seed", 0)),
    (Field("preview.sampler", "Sampler", lists=True),),
    (
        Field("preview.width", "Preview size", 6, blank="0", placeholder="same"),
        Field("preview.height", "x", 6, blank="0", placeholder="same"),
    ),
    (Field("preview.tiny_vae", "Preview VAE", placeholder="own; taesd is quicker"),),
    (Field("embedding.overwrite", "replace an embedding of this name"),),
    (Field("model.vae", "VAE", placeholder="the model's own", lists=True),),
    (Field("model.clip_skip", "Clip skip", 4), Field("model.prediction_type", "Predicts", 0, lists=True)),
    (Field("training.acceleration", "Steps are", words=_ACCELERATION),),
    (Field("training.deterministic", "the same bytes every time, slower"),),
)

FIELDS = fields_of(ROWS)
