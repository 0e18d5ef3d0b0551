"""Pictures with a finished embedding beside those without it: a real embedding, real jobs, the pipeline everybody uses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from tests.worker.helpers import recipe, trained
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.bundled.build.measure import mean_hue_error
from tinv_tui.models.bundled.build.sets import SETS
from tinv_tui.models.hashes import model_hash
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.drawing import plan_drawing, short_hash
from tinv_tui.runs.jobs import Job, JobCancelled, run_job
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.previews import scheduler_for

STEPS, CFG = 12, 3.0


def settings(**preview: Any) -> Recipe:
    return make_recipe({"model": {"path": "bundled"}, "preview": {"steps": STEPS, "cfg": CFG, "seed": 7} | preview})


def token_rows(word: str) -> np.ndarray:
    """The bundled model's own row for a word of its vocabulary."""
    from tinv_tui.models.identify import identify
    from tinv_tui.models.tokenizer import tokenizer_for

    base = identify("bundled", Path.cwd())
    import safetensors.torch

    table = safetensors.torch.load_file(base.path / "text_encoder" / "model.safetensors")
    key = next(name for name in table if name.endswith("token_embedding.weight"))
    return table[key][tokenizer_for(base.tokenizer_folder).encode(word)].float().numpy()


def put(name: str, rows: np.ndarray) -> Path:
    path = paths.embeddings_folder() / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, Embedding(name, {"emb_params": rows}, 100))
    return path


def stock_picture(prompt: str, seed: int) -> np.ndarray:
    pipe = StableDiffusionPipeline.from_pretrained(bundled.FOLDER, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_for("dpm++ 2m karras", dict(pipe.scheduler.config))
    noise = torch.from_numpy(normal(seed, Purpose.PREVIEW, 0, range(1), (4, 16, 16)))
    for name in ("zork", "plork"):
        file = paths.embeddings_folder() / f"{name}.safetensors"
        if file.exists() and f"<{name}>" in prompt:
            pipe.load_textual_inversion(file, token=f"<{name}>")
    drawn = pipe(prompt, num_inference_steps=STEPS, guidance_scale=CFG, latents=noise, output_type="pil")
    return np.asarray(drawn.images[0], dtype=int)


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.long
async def test_a_learned_colour_is_in_the_pictures_with_the_embedding_and_not_in_those_without(tmp_path: Path) -> None:
    trained(recipe(training__steps=100, training__batch_size=4, saving__image_every=0))
    drawing = plan_drawing("a photo of a zork", settings(), tmp_path, count=4, folder=tmp_path / "out")
    images = (await run_job("generate", **drawing.arguments()))["images"]
    wanted = SETS["chartreuse"].hue
    assert wanted is not None
    with_it = mean_hue_error([pixels(i["path"]) for i in images if i["with_embedding"]], wanted)
    without = mean_hue_error([pixels(i["path"]) for i in images if not i["with_embedding"]], wanted)
    assert with_it < 15
    assert without > 30


async def test_pictures_with_the_embedding_stand_beside_those_without_and_say_how_they_were_made(
    tmp_path: Path,
) -> None:
    file, told = put("zork", token_rows("red")), list[dict[str, Any]]()
    digits = model_hash(bundled.FOLDER)  # which is told where it is known
    drawing = plan_drawing("a photo of a zork", settings(), tmp_path, count=2, folder=tmp_path / "out")
    images = (await run_job("generate", told.append, **drawing.arguments()))["images"]
    assert [(i["seed"], i["with_embedding"]) for i in images] == [(7, True), (7, False), (8, True), (8, False)]

    ours = pixels(images[0]["path"]).astype(int)
    assert np.abs(ours - stock_picture("a photo of a <zork>", 7)).max() <= 2
    plain = pixels(images[1]["path"]).astype(int)
    assert np.abs(plain - stock_picture("a photo of a zork", 7)).max() <= 2

    shown = [news["image"]["path"] for news in told if "image" in news]
    assert shown == [i["path"] for i in images]
    assert {"done": 0, "total": 4 * STEPS, "phase": "drawing"} in told
    with Image.open(images[0]["path"]) as image:
        text = image.text["parameters"]  # type: ignore[attr-defined]
    made = "Steps: 12, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 3, Seed: 7, Size: 64x64"
    made += f", Model hash: {digits}, Model: bundled"
    assert text.startswith(f"a photo of a zork\n{made}, TI hashes: ")
    assert f'TI hashes: "zork: {short_hash(file)}"' in text


async def test_several_embeddings_work_in_one_prompt_and_no_picture_of_its_name_is_replaced(tmp_path: Path) -> None:
    """Two of unequal size, in the other order than they are given: diffusers draws the same picture."""
    (tmp_path / "a-photo-of-a-plork-in-zork-7.png").write_bytes(b"somebody's")
    put("zork", np.concatenate([token_rows("red"), token_rows("big")]))
    put("plork", token_rows("circle"))
    drawing = plan_drawing(
        "A photo of a plork, in zork!",
        settings(),
        tmp_path,
        embeddings=("zork", "plork"),
        compare=False,
        folder=tmp_path,
    )
    result = await run_job("generate", **drawing.arguments())
    (image,) = result["images"]
    ours = pixels(image["path"]).astype(int)
    assert np.abs(ours - stock_picture("A photo of a <plork>, in <zork>!", 7)).max() <= 2
    assert Path(image["path"]).name == "a-photo-of-a-plork-in-zork-7-2.png"
    assert (tmp_path / "a-photo-of-a-plork-in-zork-7.png").read_bytes() == b"somebody's"


@pytest.mark.long
async def test_a_job_that_is_cancelled_leaves_whole_pictures_only(tmp_path: Path) -> None:
    drawing = plan_drawing("a red circle", settings(), tmp_path, count=500, folder=tmp_path / "out")
    job = await Job.start("generate", **drawing.arguments())

    async def cancel_after_a_picture() -> None:
        async for news in job.progress():
            if "image" in news:
                await job.cancel()

    with pytest.raises(JobCancelled):
        await cancel_after_a_picture()
    files = list((tmp_path / "out").iterdir())
    assert files
    for file in files:
        with Image.open(file) as image:
            image.load()


def test_ctrl_c_tells_what_was_drawn_leaves_whole_pictures_only_and_exits_with_130(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tinv_tui",
        "generate",
        "a red circle",
        "--model",
        "bundled",
        "--count",
        "900",
        "--steps",
        "4",
    ]
    process = subprocess.Popen(
        [*command, "--json", "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("drawing") and not line.startswith("drawing 0/"):
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out)
    assert process.returncode == 130
    assert told["interrupted"] is True
    assert not any(image["with_embedding"] for image in told["images"])
    assert {Path(image["path"]) for image in told["images"]} <= set((tmp_path / "out").iterdir())
    for file in (tmp_path / "out").iterdir():
        with Image.open(file) as image:
            image.load()


async def test_a_model_that_cannot_be_loaded_leaves_no_folder_behind(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(bundled.FOLDER, model)
    for weights in (model / "vae").glob("*.safetensors"):
        weights.write_bytes(b"no weights")
    recipe = settings().model_copy(update={"model": settings().model.model_copy(update={"path": str(model)})})
    drawing = plan_drawing("a red circle", recipe, tmp_path, folder=tmp_path / "new" / "deep")
    with pytest.raises(InputError):
        await run_job("generate", **drawing.arguments())
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


class TestBeforeAModelIsLoaded:
    def plan(self, tmp_path: Path, prompt: str, *embeddings: str, **preview: Any) -> Any:
        return plan_drawing(prompt, settings(**preview), tmp_path, embeddings=embeddings)

    def error(self, *args: Any, **preview: Any) -> str:
        with pytest.raises(InputError) as caught:
            self.plan(*args, **preview)
        return caught.value.code

    def test_a_width_that_does_not_fit_is_one_clear_error(self, tmp_path: Path) -> None:
        put("wide", np.ones((1, 768), dtype=np.float32))
        with pytest.raises(
            InputError, match=r"'wide' does not fit: it is 768 wide; this SD 1\.x model takes 64"
        ) as caught:
            self.plan(tmp_path, "a wide", "wide")
        assert caught.value.code == "embedding-misfit"

    def test_an_embedding_has_to_be_there_and_in_the_prompt(self, tmp_path: Path) -> None:
        file = put("zork", token_rows("red"))
        assert self.error(tmp_path, "a zork", "none") == "embedding-missing"
        assert self.error(tmp_path, "a zorky thing", "zork") == "embedding-unused"
        assert self.error(tmp_path, "a [name]") == "embedding-missing"
        assert self.plan(tmp_path, "a [name]", str(file)).prompt == "a zork"

    def test_without_a_word_about_it_those_of_the_library_are_taken_that_the_prompt_names(self, tmp_path: Path) -> None:
        for name in ("my-cat", "my-cat-2", "other"):
            put(name, token_rows("red"))
        put("wide", np.ones((1, 768), dtype=np.float32))
        drawing = self.plan(tmp_path, "My-Cat-2 beside a wide road")
        assert list(drawing.embeddings) == ["my-cat-2"]
        assert [code for code, _ in drawing.said] == ["embedding-found", "embedding-left-out"]
        assert drawing.compare is True
        assert self.plan(tmp_path, "a red circle").compare is False

    def test_an_embedding_may_stand_in_the_negative_prompt(self, tmp_path: Path) -> None:
        put("ugly", token_rows("red"))
        assert list(self.plan(tmp_path, "a circle", negative="ugly").embeddings) == ["ugly"]
        drawing = self.plan(tmp_path, "a circle", "ugly", negative="a [name]")
        assert drawing.recipe.preview.negative == "a ugly"

    def test_sizes_must_fit_the_model_and_0_is_its_own(self, tmp_path: Path) -> None:
        assert self.error(tmp_path, "a", width=72) == "size-grid"
        assert self.plan(tmp_path, "a").recipe.preview.width == 64

    def test_seed_minus_1_is_drawn_once_and_counted_on(self, tmp_path: Path) -> None:
        one = plan_drawing("a", settings(seed=-1), tmp_path, count=3).seeds
        assert list(one) == [one[0], one[0] + 1, one[0] + 2]
        assert one != plan_drawing("a", settings(seed=-1), tmp_path, count=3).seeds
