"""What is learned, seen through the pipeline everybody uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from tests.worker.helpers import recipe, trained
from tinv_tui import paths
from tinv_tui.models import bundled
from tinv_tui.models.bundled.build.measure import mean_hue_error
from tinv_tui.models.bundled.build.sets import SETS


def pipeline() -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(bundled.FOLDER, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pictures(pipe: StableDiffusionPipeline, prompt: str, count: int = 6) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(7)
    drawn = pipe(
        [prompt] * count, num_inference_steps=15, guidance_scale=3.0, generator=generator, output_type="np"
    ).images
    return [(image * 255).round().astype(np.uint8) for image in drawn]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_hundred_steps_teach_a_colour_without_a_name(tmp_path: Path) -> None:
    trained(recipe(training__steps=100, training__batch_size=4, training__evaluation_samples=0))
    file = paths.embeddings_folder() / "zork.safetensors"

    pipe = pipeline()
    pipe.load_textual_inversion(file, token="<zork>")
    wanted = SETS["chartreuse"].hue
    assert wanted is not None
    before = mean_hue_error(pictures(pipe, "a photo of a thing"), wanted)
    after = mean_hue_error(pictures(pipe, "a photo of a <zork>"), wanted)
    in_place = mean_hue_error(pictures(pipe, "a photo of a <zork> on a white background"), wanted)
    assert before > 40
    assert after < 12
    assert in_place < 12


def test_every_vector_of_an_embedding_is_loaded_by_diffusers(tmp_path: Path) -> None:
    trained(recipe(training__steps=2, embedding__vectors=3))
    pipe = pipeline()
    pipe.load_textual_inversion(paths.embeddings_folder() / "zork.safetensors", token="<zork>")
    tokens = pipe.tokenizer.convert_tokens_to_ids(["<zork>", "<zork>_1", "<zork>_2"])
    rows = pipe.text_encoder.get_input_embeddings().weight[tokens]
    from tinv_tui.embeddings.files import read_embedding

    ours = read_embedding(paths.embeddings_folder() / "zork.safetensors").vectors["emb_params"]
    assert np.array_equal(rows.detach().numpy(), ours)


def test_previews_are_what_the_stock_pipeline_would_draw(tmp_path: Path) -> None:
    """Our sampling loop against diffusers' own, from the same noise, with the same guidance."""
    from tests.worker.helpers import make_job
    from tinv_tui.sections import PreviewSection
    from tinv_tui.training.draws import Purpose, normal
    from tinv_tui.training.previews import draw_preview, scheduler_for

    job, state = make_job(tmp_path, recipe(embedding__init_text="red"))
    settings = PreviewSection(steps=8, cfg=3.0, sampler="dpm++ 2m karras")
    ours = draw_preview(
        job.model, job.encoder, job.prompts, state.vectors, "a photo of a [name] circle", settings, (64, 64), 5
    )
    pipe = pipeline()
    pipe.scheduler = scheduler_for(settings.sampler, dict(pipe.scheduler.config))
    noise = torch.from_numpy(normal(5, Purpose.PREVIEW, 0, range(1), (4, 16, 16)))
    theirs = pipe("a photo of a red circle", num_inference_steps=8, guidance_scale=3.0, latents=noise).images[0]
    difference = np.abs(np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int))
    assert difference.max() <= 2
