"""What plan, Create and the form make of a base model of one file: sizes, what it predicts, its VAE, its memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.checkpoints import write_header_only
from tests.model_files import YAML_V, state_of, without
from tinv_tui.app.checks import check_form
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import texts_of
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.memory_plan import WHOLE
from tinv_tui.models.tokenizer import tokenizer_for
from tinv_tui.models.weight_file import read_weight_file
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import load_recipe, to_toml
from tinv_tui.runs.creation import create_embedding, plan_creation
from tinv_tui.runs.drawing import plan_drawing
from tinv_tui.runs.memory import step_of
from tinv_tui.runs.plan import RunPlan, plan_run

Asked = Callable[..., Recipe]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """A recipe on a file of a family, with five pictures; ``section__key=value`` changes a key."""
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / f"{number}.png")

    def made(family: Family, name: str = "model", change: Any = dict, **changes: Any) -> Recipe:
        path = write_header_only(tmp_path / f"{name}.safetensors", change(state_of(family)), dtype=torch.float16)
        values: dict[str, dict[str, Any]] = {
            "model": {"path": str(path)},
            "embedding": {"name": "zork"},
            "dataset": {"path": str(tmp_path / "pictures"), "template": "subject"},
        }
        for key, value in changes.items():
            section, _, setting = key.partition("__")
            values.setdefault(section, {})[setting] = value
        return make_recipe(values)

    return made


def planned(recipe: Recipe) -> RunPlan:
    return plan_run(recipe, Path("/"))


@pytest.mark.parametrize(("family", "size"), [(SD1, 512), (SDXL, 1024)], ids=lambda value: getattr(value, "name", ""))
def test_a_run_is_of_the_familys_size_and_keeps_what_the_model_predicts(
    asked: Asked, family: Family, size: int
) -> None:
    recipe = planned(asked(family)).recipe
    assert (recipe.dataset.width, recipe.preview.height, recipe.model.prediction_type) == (size, size, "epsilon")


def test_a_folder_goes_on_being_asked_by_each_run(asked: Asked) -> None:
    assert planned(asked(SD1, model__path="bundled")).recipe.model.prediction_type == "auto"


def test_sd2_is_asked_for_once_and_the_run_keeps_the_answer(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        planned(asked(SD2))
    assert (caught.value.code, caught.value.message.partition(":")[0]) == (
        "prediction-unknown",
        "model.prediction_type",
    )
    base, large = (planned(asked(SD2, model__prediction_type=kind)) for kind in ("epsilon", "v_prediction"))
    assert (base.recipe.dataset.width, large.recipe.dataset.width) == (512, 768)
    (tmp_path / "recipe.toml").write_text(to_toml(large.recipe))
    again = plan_run(load_recipe(tmp_path / "recipe.toml"), tmp_path, name_is_settled=True)
    assert (again.recipe, again.model) == (large.recipe, large.model)


def test_what_was_found_beside_the_file_is_kept_when_it_has_gone(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(YAML_V)
    recipe = planned(asked(SD2)).recipe
    (tmp_path / "model.yaml").unlink()
    assert planned(recipe).recipe.model.prediction_type == "v_prediction"


def test_a_run_names_a_linked_file_by_the_link(asked: Asked, tmp_path: Path) -> None:
    recipe = asked(SD2, "3f2a9c", model__path=str(tmp_path / "v2-1_768-ema-pruned.safetensors"))
    (tmp_path / "v2-1_768-ema-pruned.safetensors").symlink_to(tmp_path / "3f2a9c.safetensors")
    plan = planned(recipe)
    assert (plan.model.name, plan.recipe.dataset.width) == ("v2-1_768-ema-pruned", 768)


def test_drawing_asks_and_keeps_it_too(asked: Asked) -> None:
    with pytest.raises(InputError, match=r"model\.prediction_type"):
        plan_drawing("a cat", asked(SD2), Path("/"))
    drawing = plan_drawing("a cat", asked(SD2, model__prediction_type="epsilon"), Path("/"))
    assert drawing.recipe.preview.width == 512
    assert plan_drawing("a cat", asked(SDXL), Path("/")).recipe.model.prediction_type == "epsilon"


@pytest.mark.parametrize(
    ("family", "change", "key"),
    [(SD2, dict, "model.prediction_type"), (SD1, without("first_stage_model."), "model.vae")],
    ids=["prediction", "vae"],
)
def test_the_form_says_what_is_missing_beside_its_field(asked: Asked, family: Family, change: Any, key: str) -> None:
    checked = check_form(texts_of(asked(family, change=change), FIELDS), Recipe(), Path("/"))
    assert list(checked.errors) == [key]


def test_a_file_without_vae_is_planned_with_one_that_is_given(asked: Asked, tmp_path: Path) -> None:
    recipe = asked(SD1, change=without("first_stage_model."))
    with pytest.raises(InputError, match=r"^model\.vae: "):
        planned(recipe)
    vae = {name: tensor for name, tensor in state_of(SD1).items() if name.startswith("first_stage_model.")}
    path = write_header_only(tmp_path / "vae.safetensors", vae)
    assert planned(asked(SD1, change=without("first_stage_model."), model__vae=str(path))).recipe.model.vae == str(path)


def test_the_form_tells_the_family_at_its_foot(asked: Asked) -> None:
    facts = check_form(texts_of(asked(SDXL), FIELDS), Recipe(), Path("/")).facts
    assert ("✔", "SDXL, 2048 wide, native 1024 px") in facts


@pytest.mark.parametrize(
    ("family", "least", "most"),
    [(SD1, 2.7, 3.2), (SD2, 4, 5), (SDXL, 11, 13)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_memory_is_the_familys_whatever_the_file_holds(
    asked: Asked, tmp_path: Path, family: Family, least: float, most: float
) -> None:
    half = planned(asked(family, model__prediction_type="v_prediction"))
    gib = step_of(half, "auto", on_gpu=True).bytes_by(WHOLE) / 2**30
    assert least < gib < most
    write_header_only(tmp_path / "model.safetensors", state_of(family), dtype=torch.float32)
    whole = planned(asked(family, "whole", model__prediction_type="v_prediction"))
    assert step_of(whole, "auto", on_gpu=True).bytes_by(WHOLE) / 2**30 == pytest.approx(gib, rel=0.02)


async def test_create_starts_from_both_encoders_of_sdxl(asked: Asked, tmp_path: Path) -> None:
    recipe = asked(SDXL, embedding__init_text="cat", embedding__vectors=2)
    path = tmp_path / "model.safetensors"
    (cat,) = tokenizer_for(identify(str(path), tmp_path).tokenizer_folder).encode("cat")
    with path.open("r+b") as file:
        for place, number in (("0.transformer.text_model.embeddings.", 1.5), ("1.model.", -2.0)):
            table = read_weight_file(path).tensors[f"conditioner.embedders.{place}token_embedding.weight"]
            file.seek(table.offset + cat * table.stride[0] * 2)
            file.write(np.full(table.shape[1], number, np.float16).tobytes())
    made = read_embedding(await create_embedding(plan_creation(recipe, tmp_path)))
    assert {name: rows.shape for name, rows in made.vectors.items()} == {"clip_l": (2, 768), "clip_g": (2, 1280)}
    assert (set(made.vectors["clip_l"].flat), set(made.vectors["clip_g"].flat)) == ({1.5}, {-2.0})
    assert (made.base_model, made.details["family"]) == ("model", "SDXL")


def test_an_embedding_of_another_family_is_refused_in_words(asked: Asked, tmp_path: Path) -> None:
    write_embedding(tmp_path / "old.safetensors", Embedding("old", {"emb_params": np.ones((1, 768), np.float32)}, 5))
    with pytest.raises(InputError, match=r"it is 768 wide: SD 1\.x; this model is SDXL"):
        planned(asked(SDXL, embedding__continue_from=str(tmp_path / "old.safetensors")))
