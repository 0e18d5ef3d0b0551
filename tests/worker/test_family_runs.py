"""Models of other families than the bundled one: what is drawn, and whole runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image

from tests.toy_models import WIDTHS, Toy, make_tiny_vae, make_toy
from tests.worker.helpers import CPU, Onlooker, make_job, recipe, resumed_here, train_here
from tests.worker.test_cli import answer
from tests.worker.test_family_exactness import make_pictures
from tinv_tui import paths
from tinv_tui.datasets.infotext import read_infotext
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.embeddings.packing import pack, unpack
from tinv_tui.models.identify import identify
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.creation import create_embedding, plan_creation
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.use import use_copy
from tinv_tui.sections import PreviewSection
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.loop import train
from tinv_tui.training.previews import draw_preview
from tinv_tui.training.samplers import scheduler_for
from tinv_tui.training.state import TrainingState

STEPS, CFG, SAMPLER = 6, 5.0, "dpm++ 2m karras"


def stock_pipeline(model: Path, embedding: Path | None = None) -> Any:
    """diffusers' own pipeline of the model, in which ``<zork>`` stands for the embedding of a file."""
    is_xl = (model / "text_encoder_2").exists()
    kind = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
    pipe = kind.from_pretrained(model, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_for(SAMPLER, dict(pipe.scheduler.config))
    if embedding is not None and is_xl:
        held = safetensors.torch.load_file(embedding)
        parts = (("clip_l", pipe.tokenizer, pipe.text_encoder), ("clip_g", pipe.tokenizer_2, pipe.text_encoder_2))
        for tensor, tokenizer, encoder in parts:
            pipe.load_textual_inversion(held[tensor], token="<zork>", tokenizer=tokenizer, text_encoder=encoder)
    elif embedding is not None:
        pipe.load_textual_inversion(embedding, token="<zork>")
    return pipe


def draw_stock(pipe: Any, prompt: str, seed: int, size: tuple[int, int], **more: Any) -> np.ndarray:
    noise = torch.from_numpy(normal(seed, Purpose.PREVIEW, 0, range(1), (4, size[1] // 4, size[0] // 4)))
    options = {"num_inference_steps": STEPS, "guidance_scale": CFG, "latents": noise} | more
    return np.asarray(pipe(prompt, width=size[0], height=size[1], **options).images[0], dtype=int)


@pytest.mark.parametrize(
    ("toy", "negative", "clip_skip", "index"),
    [
        ("sd1", "", 1, {}),
        ("sd2-v", "", 1, {}),
        ("sd2-v", "a red circle", 1, {}),
        ("sdxl", "", 1, {}),
        ("sdxl", "a red circle", 1, {}),
        ("sdxl", "", 2, {}),
        ("sdxl", "", 1, {"force_zeros_for_empty_prompt": False}),
    ],
)
def test_a_preview_is_what_the_stock_pipeline_draws_with_the_learned_embedding(
    tmp_path: Path, toy: Toy, negative: str, clip_skip: int, index: dict[str, Any]
) -> None:
    model = make_toy(tmp_path / "model", toy, **index)
    wanted = recipe(
        model__path=str(model), embedding__vectors=2, training__steps=15, training__learning_rate="0.3",
        training__evaluation_samples=0, model__clip_skip=clip_skip,
    )  # fmt: skip
    job, state = make_job(tmp_path, wanted)
    train(job, state, Onlooker())
    file, size = tmp_path / "zork.safetensors", (80, 48)
    write_embedding(file, Embedding("zork", unpack(state.vectors.numpy(), job.model.base)))
    settings = PreviewSection(steps=STEPS, cfg=CFG, sampler=SAMPLER, negative=negative)

    def ours(rows: torch.Tensor) -> np.ndarray:
        image = draw_preview(job.model, job.encoder, job.prompts, rows, "a photo of a [name]", settings, size, 5)
        return np.asarray(image, dtype=int)

    # clip_skip counts from 1 here, from 0 there, where it holds for the prompt alone: with a negative one not comparable.
    more = {"negative_prompt": negative or None} | ({"clip_skip": clip_skip - 1} if clip_skip > 1 else {})
    drawn = draw_stock(stock_pipeline(model, file), "a photo of a <zork>", 5, size, **more)
    assert np.abs(ours(state.vectors) - drawn).max() <= 2
    assert np.abs(ours(torch.zeros_like(state.vectors)) - drawn).max() > 8  # the picture is not the same anyway


@pytest.mark.parametrize("toy", ["sd1", "sdxl"])
def test_a_preview_of_a_tiny_vae_is_what_the_stock_pipeline_draws_with_it(tmp_path: Path, toy: Toy) -> None:
    model, tiny, size = make_toy(tmp_path / "model", toy), make_tiny_vae(tmp_path / "tiny"), (80, 48)
    job, state = make_job(tmp_path, recipe(model__path=str(model), preview__tiny_vae=str(tiny)))
    settings = PreviewSection(steps=STEPS, cfg=CFG, sampler=SAMPLER, tiny_vae=str(tiny))
    image = draw_preview(job.model, job.encoder, job.prompts, state.vectors, "a red circle", settings, size, 5)
    pipe = stock_pipeline(model)
    with_its_own = draw_stock(pipe, "a red circle", 5, size)
    pipe.vae = AutoencoderTiny.from_pretrained(tiny)
    drawn = np.asarray(image, dtype=int)
    assert np.abs(drawn - draw_stock(pipe, "a red circle", 5, size)).max() <= 2
    assert np.abs(drawn - with_its_own).max() > 8


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "sdxl-toy", "sdxl")


@pytest.fixture
def wanted(tmp_path: Path, model: Path) -> Recipe:
    """A few steps on pictures of several sizes, with previews and copies on the way."""
    return recipe(
        model__path=str(model), dataset__path=str(make_pictures(tmp_path / "pictures", "a red circle")),
        embedding__vectors=2, training__steps=4, training__learning_rate="0.1",
        saving__embedding_every=2, saving__image_every=2,
        preview__prompts=["a photo of a [name]"], preview__steps=STEPS, preview__cfg=CFG, preview__sampler=SAMPLER,
    )  # fmt: skip


def changed(wanted: Recipe, section: str, **values: Any) -> Recipe:
    content = wanted.model_dump()
    content[section] |= values
    return make_recipe(content)


def run_here(wanted: Recipe) -> RunFolder:
    """Train in this process, as the worker's does it."""
    folder = make_run(plan_run(wanted, Path.cwd()))
    assert train_here(folder) == 0
    return folder


def held(file: str | Path) -> dict[str, np.ndarray]:
    return read_embedding(Path(file)).vectors


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(one[key].tobytes() == other[key].tobytes() for key in one)


def test_an_sdxl_run_from_its_first_step_to_a_picture_drawn_with_its_result(
    wanted: Recipe, model: Path, tmp_path: Path
) -> None:
    run = run_here(wanted)
    result = paths.embeddings_folder() / "zork.safetensors"
    assert {tensor: rows.shape for tensor, rows in held(result).items()} == {"clip_l": (2, 32), "clip_g": (2, 48)}

    events = read_all(run.events)
    assert next(e["family"] for e in events if e["kind"] == "started") == "SDXL"
    assert all(len(e["norms"]) == 4 for e in events if e["kind"] == "evaluation")
    cards = [e for e in events if e["kind"] == "warning" and e["code"] == "card-impossible"]
    assert (len(cards), list(run.image_embeddings.iterdir())) == (1, [])
    preview = run.images / "zork-4.png"
    assert read_infotext(preview).prompt == "a photo of a zork"
    with Image.open(preview) as image:
        drawn = np.asarray(image, dtype=int)
    stock = draw_stock(stock_pipeline(model, result), "a photo of a <zork>", 42, (64, 64))
    assert np.abs(drawn - stock).max() <= 2

    # On to step 6, in the same bytes as one run of six steps.
    assert asyncio.run(resumed_here(Run(run), steps=6)) == 0
    run_here(changed(changed(wanted, "training", steps=6), "embedding", name="whole"))
    whole = held(paths.embeddings_folder() / "whole.safetensors")
    assert same(held(result), whole)

    # Any copy, and what is in the checkpoint alone, with the model gone from where it was.
    model.rename(tmp_path / "elsewhere")
    assert same(held(use_copy(run, "2").path), held(run.copies / "zork-2.safetensors"))
    (run.copies / "zork-6.safetensors").unlink()
    assert same(held(answer("use", "zork", "last")["path"]), whole)
    assert read_embedding(result).details["family"] == "SDXL"
    (tmp_path / "elsewhere").rename(model)

    options = ["--steps", str(STEPS), "--cfg", str(CFG), "--sampler", SAMPLER, "--seed", "42", "--no-compare"]
    made = answer("generate", "a zork", "--model", str(model), "--out", str(tmp_path / "out"), *options)
    assert made["embeddings"] == ["zork"]
    with Image.open(made["images"][0]["path"]) as image:
        drawn = np.asarray(image, dtype=int)
    stock = draw_stock(stock_pipeline(model, result), "a <zork>", 42, (64, 64))
    assert np.abs(drawn - stock).max() <= 2


def test_an_sdxl_embedding_is_trained_further_and_its_steps_are_counted_on(wanted: Recipe) -> None:
    run_here(wanted)
    run = run_here(changed(wanted, "embedding", name="further", continue_from="zork"))
    result = paths.embeddings_folder() / "further.safetensors"
    end, first = held(result), TrainingState.load(run.state, CPU)
    assert (read_embedding(result).step, first.steps_before) == (8, 4)
    assert first.tensors == {"clip_l": 32, "clip_g": 48}
    # A copy of the run holds its own step; as the result it counts those before too.
    assert use_copy(run, "2").embedding.step == 6
    assert read_embedding(run.copies / "further-2.safetensors").step == 2
    assert use_copy(run, "last").kept is not None
    assert (read_embedding(result).step, same(held(result), end)) == (8, True)


def test_vectors_start_from_the_rows_of_both_token_tables(tmp_path: Path, model: Path) -> None:
    job, state = make_job(tmp_path, recipe(model__path=str(model), embedding__init_text="red star"))
    token = job.model.tokenizer.encode("red")[0]
    tables = [encoder.get_input_embeddings().weight[token] for encoder in job.model.text_encoders]
    assert torch.equal(state.vectors[0], torch.cat(tables))
    assert state.vectors.shape == (1, sum(WIDTHS["sdxl"]))
    _, zeros = make_job(tmp_path, recipe(model__path=str(model), embedding__init_text=""))
    assert torch.equal(zeros.vectors, torch.zeros_like(state.vectors))


def test_a_created_sdxl_embedding_holds_those_rows_and_is_the_one_that_is_trained(wanted: Recipe) -> None:
    asked = changed(wanted, "embedding", init_text="red star")
    made = held(asyncio.run(create_embedding(plan_creation(asked, Path.cwd()))))
    run = run_here(changed(changed(wanted, "training", steps=1), "embedding", init_text="", vectors=1))
    job, state = make_job(run.path, changed(asked, "embedding", name="other"))
    assert same(made, unpack(state.vectors.numpy(), job.model.base))
    trained = held(paths.embeddings_folder() / "zork.safetensors")
    assert all(0 < np.abs(trained[tensor] - rows).max() < 0.2 for tensor, rows in made.items())


def test_packing_and_unpacking_keep_each_encoders_rows(tmp_path: Path, model: Path) -> None:
    base = identify(str(model), tmp_path)
    rows = np.arange(160, dtype=np.float32).reshape(2, 80)
    vectors = unpack(rows, base)
    assert {tensor: part.shape for tensor, part in vectors.items()} == {"clip_l": (2, 32), "clip_g": (2, 48)}
    assert np.array_equal(vectors["clip_l"][1], rows[1, :32])
    assert np.array_equal(pack(vectors, base), rows)


def test_latents_saved_before_sizes_were_kept_still_load(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path, recipe())
    file = tmp_path / "latents.safetensors"
    job.latents.save(file)
    assert torch.equal(LatentStore.load(file, CPU).buckets[0].sizes, job.latents.buckets[0].sizes)
    old = {key: tensor for key, tensor in safetensors.torch.load_file(file).items() if not key.endswith(".sizes")}
    safetensors.torch.save_file(old, file)
    latents, _, sizes = LatentStore.load(file, CPU).take(0, [1, 0], np.zeros(2, dtype=np.int64), None)
    assert torch.equal(latents, job.latents.buckets[0].mean[[1, 0], 0])
    assert sizes.shape == (2, 6)


@pytest.mark.parametrize("sampling", ["deterministic", "once", "random"])
def test_only_the_latents_that_steps_draw_from_are_held_and_saved(tmp_path: Path, sampling: str) -> None:
    job, _ = make_job(tmp_path, recipe(dataset__latent_sampling=sampling))
    file = tmp_path / "latents.safetensors"
    job.latents.save(file)
    for store in (job.latents, LatentStore.load(file, CPU)):
        assert (store.buckets[0].deviation is not None) == (sampling == "random")
