"""Every recommendation of the guide this program follows, and what carries it: a default, a help text, a warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.unit.test_memory import machine, rtx_3080
from tinv_tui import paths
from tinv_tui.app.screens.help import PANES
from tinv_tui.cli.checking import plan as plan_command
from tinv_tui.cli.dataset import check as check_command
from tinv_tui.cli.health.memory import check_gpu, check_host
from tinv_tui.datasets.checks import FEW_PICTURES
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.models.tokenizer import CHUNK
from tinv_tui.recipe import field_of, make_recipe
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.schedule import parse_rates

__all__ = ["machine"]


def help_of(key: str) -> str:
    return " ".join((field_of(key).description or "").split())


def default_of(key: str) -> Any:
    return field_of(key).default


@dataclass(frozen=True)
class Row:
    """``words`` all have to stand in the text that ``where`` leads to; ``default`` is the recommended value, if any."""

    recommendation: str
    where: str
    words: tuple[str, ...] = ()
    default: Any = None


def rows(*table: Row) -> tuple[Row, ...]:
    return table


HELPS = rows(
    Row("an embedding fits models of its own family only", "model.path", ("same family", "SD 1.x, SD 2.x")),
    Row(
        "leave full precision off if unsure", "training.precision", ("if unsure", "full precision", "--no-half"), "auto"
    ),
    Row("five pictures at least", "dataset.path", ("Five pictures or more",)),
    Row("square pictures of high quality, little compressed", "dataset.path", ("sharp", "little compressed", "square")),
    Row("a varied set", "dataset.path", ("light, angle, composition and expression",)),
    Row("train on what Preprocess wrote", "dataset.path", ("Preprocess wrote",)),
    Row("the name is the word in prompts and the file's name", "embedding.name", ("new word", "file's name")),
    Row("start from a caption of one of the pictures", "embedding.init_text", ("caption of one picture",)),
    Row("N vectors leave 75 - N tokens", "embedding.vectors", ("75 - N tokens",), 1),
    Row("more vectors want more pictures", "embedding.vectors", ("more pictures",)),
    Row("preprocess from a folder that stays as it is", "preprocess.source", ("only read",)),
    Row("into another folder", "preprocess.destination", ("Never the source",)),
    Row("512 wide", "preprocess.width", ("512",), 512),
    Row("512 high", "preprocess.height", ("512",), 512),
    Row("create flipped copies", "preprocess.flip", ("twice the dataset",), True),
    Row("do not split oversized pictures", "preprocess.split", ("overlapping tiles",), False),
    Row("caption with BLIP for Stable Diffusion", "preprocess.blip", ("in sentences: for Stable Diffusion",), "auto"),
    Row("DeepDanbooru for Waifu Diffusion", "preprocess.tagger", ("for Waifu Diffusion", "deepdanbooru"), ""),
    Row("the same size as in Preprocess, 512", "dataset.width", ("same as in Preprocess", "512"), 0),
    Row("the same height as in Preprocess, 512", "dataset.height", ("same as in Preprocess", "512"), 0),
    Row("a low rate is slower but more accurate", "training.learning_rate", ("slower but more accurate",)),
    Row("stay below 0.1, 0.005 if unsure", "training.learning_rate", ("below 0.1", "0.005 if unsure"), "0.005"),
    Row("rates with step counts", "training.learning_rate", ("0.005:500, 0.001:1000, 0.004",)),
    Row("a count is that many further steps", "training.rate_steps", ("further steps",), "duration"),
    Row("leave the log directory", "saving.log_directory", ("best if unsure", "previews"), ""),
    Row("style_filewords for a style, subject_filewords else", "dataset.template", ("style_filewords for a style",)),
    Row("no template of one's own at first", "dataset.template", ("first training",), "subject_filewords"),
    Row("up to 100,000 steps", "training.steps", ("100,000", "hours", "stop earlier"), 100_000),
    Row("pictures on the way, 0 for none", "saving.image_every", ("follow what is learned", "0: never"), 500),
    Row("copies to go back to, 0 for none", "saving.embedding_every", ("go back", "0: never"), 500),
    Row("a picture that is an embedding", "saving.image_carries_embedding", ("PNG chunk",), True),
    Row("a prompt of one's own for previews", "preview.prompts", ("Prompts to draw",), ()),
    Row("shuffling tags helps little", "dataset.shuffle_tags", ("some more variety",), False),
    Row("drop out 0.1 of the tags", "dataset.drop_out_tags", ("variety", "0.1 is a good value"), 0.1),
    Row(
        "deterministic latent sampling", "dataset.latent_sampling", ("deterministic, the recommended",), "deterministic"
    ),
)


@pytest.mark.parametrize("row", HELPS, ids=lambda row: row.recommendation)
def test_a_field_says_it_in_its_help_and_has_it_as_its_default(row: Row) -> None:
    for words in row.words:
        assert words in help_of(row.where)
    if row.default is not None:
        assert default_of(row.where) == row.default


@pytest.mark.parametrize(
    "words",
    [
        "Lower is better",
        "zero can neither be reached nor is it wanted",
        "one step is noise",
        "The line to trust is eval",
    ],
)
def test_help_on_the_loss_says_how_to_read_it(words: str) -> None:
    assert words in PANES["loss-pane"][1]


def test_nan_is_told_to_be_a_rate_too_high() -> None:
    assert "the rate was too high" in PANES["loss-pane"][1]


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., RunPlan]:
    (tmp_path / "pictures").mkdir()

    def made(pictures: int = 5, **training: Any) -> RunPlan:
        for number in range(pictures):
            Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / f"{number}.png")
        values = {"model": {"path": "bundled"}, "embedding": {"name": "zork"}, "training": training}
        return plan_run(make_recipe(values | {"dataset": {"path": "pictures", "template": "subject"}}), tmp_path)

    return made


def codes(made: RunPlan) -> list[str]:
    return [code for code, _ in made.warnings]


def test_fewer_than_five_pictures_are_warned_of(plan: Any) -> None:
    assert FEW_PICTURES == 5
    assert codes(plan(4)) == ["too-few"]
    assert codes(plan(5)) == []


def many(folder: Path, make: Callable[[int], Image.Image], ending: str = "png", **options: Any) -> Path:
    folder.mkdir()
    for number in range(6):
        make(number).save(folder / f"{number}.{ending}", **options)
    return folder


def noise(number: int, size: tuple[int, int] = (512, 512)) -> Image.Image:
    """A picture with detail at every scale, another one for each number."""
    rng, picture = np.random.default_rng(number), np.zeros((*size[::-1], 3))
    for side in (4, 16, 64, 256):
        coarse = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize(size)
        picture += np.asarray(coarse) / 4
    return Image.fromarray(picture.astype(np.uint8))


@pytest.mark.parametrize(
    ("code", "folder"),
    [
        ("not-square", lambda f: many(f, lambda n: noise(n, (700, 512)))),
        ("compressed", lambda f: many(f, noise, "jpg", quality=15)),
        ("too-small", lambda f: many(f, lambda n: noise(n, (200, 200)))),
        ("format", lambda f: many(f, noise, "webp")),
        ("low-variety", lambda f: many(f, lambda n: noise(0).crop((n, n, 500 + n, 500 + n)))),
        (None, lambda f: many(f, noise)),
    ],
)
def test_a_dataset_the_guide_warns_of_is_told(code: str | None, folder: Callable[[Path], Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(check_command, [str(folder(tmp_path / "set")), "--json", "--template", "subject"])
    told = {problem["code"] for problem in json.loads(done.stdout)["problems"]}
    assert code in told if code else told <= {"scaled-down"}, told


def test_low_variety_names_what_to_vary(tmp_path: Path) -> None:
    same = many(tmp_path / "set", lambda n: noise(0).crop((n, n, 500 + n, 500 + n)))
    done = CliRunner().invoke(check_command, [str(same), "--json", "--template", "subject"])
    said = next(p for p in json.loads(done.stdout)["problems"] if p["code"] == "low-variety")
    for word in ("light", "angle", "composition", "expression"):
        assert word in said["message"] + said["hint"]


@pytest.mark.parametrize(("rate", "warned"), [("0.1", True), ("0.5:10, 0.005", True), ("0.099", False)])
def test_rates_of_a_tenth_and_above_are_warned_of(rate: str, warned: bool, plan: Any) -> None:
    assert ("rate-high" in codes(plan(learning_rate=rate))) is warned


def test_an_embedding_of_another_family_is_refused_before_anything_is_loaded(plan: Any) -> None:
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True)
    rows = np.ones((1, 768), dtype=np.float32)
    write_embedding(folder / "zork.safetensors", Embedding("zork", {"emb_params": rows}, 0))
    with pytest.raises(InputError) as caught:
        plan()
    assert caught.value.code == "embedding-misfit"


def test_sixteen_vectors_leave_59_tokens() -> None:
    assert CHUNK - 16 == 59


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ("duration", "0.005 for 1–500, 0.001 for 501–1500, 0.004 for 1501–2000"),
        ("absolute", "0.005 for 1–500, 0.001 for 501–1000, 0.004 for 1001–2000"),
    ],
)
def test_plan_prints_the_guides_rates_as_the_guide_reads_them(
    reading: str, said: str, plan: Any, tmp_path: Path
) -> None:
    plan()
    (tmp_path / "r.toml").write_text(
        '[model]\npath = "bundled"\n[embedding]\nname = "zork"\n[dataset]\npath = "pictures"\ntemplate = "subject"\n'
        f'[training]\nsteps = 2000\nlearning_rate = "0.005:500, 0.001:1000, 0.004"\nrate_steps = "{reading}"\n'
    )
    printed = CliRunner().invoke(plan_command, [str(tmp_path / "r.toml")]).output
    assert f"rate        {said}\n" in printed


def test_doctor_shows_this_machine_beside_the_guides_8_gb_of_vram_and_16_gb_of_ram(machine: Any) -> None:
    machine(rtx_3080())
    assert "the guide asks for 8 GB of VRAM" in check_gpu().message
    assert "10.0 GiB" in check_gpu().message
    assert "the guide asks for 16 GB" in check_host().message


def test_a_card_below_the_guides_figure_is_said_to_be_one(machine: Any) -> None:
    machine(rtx_3080(nvmlDeviceGetMemoryInfo=SimpleNamespace(total=4 * 2**30, free=0, used=0)))
    assert check_gpu().ok is False
    assert "--probe" in check_gpu().hint


def test_the_rate_plan_covers_every_step() -> None:
    made = parse_rates("0.005:500, 0.001:1000, 0.004", 100_000)
    assert (made.spans[0].first, made.spans[-1].last) == (1, 100_000)
