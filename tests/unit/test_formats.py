"""Every format of other tools, in and out: what they write is read, what is written they read."""

from __future__ import annotations

import collections
import pickle
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.embeddings import reading, writing
from tinv_tui.embeddings.checksum import checksum
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS, format_for
from tinv_tui.errors import InputError


def rows(vectors: int = 2, width: int = 768) -> NDArray[np.float32]:
    return np.random.default_rng(width).standard_normal((vectors, width)).astype(np.float32)


def tensor(vectors: int = 2, width: int = 768) -> torch.Tensor:
    return torch.from_numpy(rows(vectors, width))


SD1 = Embedding(
    "my-cat", {"emb_params": rows()}, 500, "sd-v1-5", "SD1", details={"base_model_hash": "cc6cb27103417325ff94"}
)
SDXL = Embedding("my-cat", {"clip_l": rows(), "clip_g": rows(2, 1280)}, 700, "xl", "SDXL")


def save(path: Path, value: Any) -> Path:
    """As the tool would: ``.pt``, ``.bin`` by torch, the others as safetensors."""
    if path.suffix in (".pt", ".bin"):
        torch.save(value, path)
    else:
        safetensors.torch.save_file(value, path)
    return path


def refused(path: Path, term: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        read_embedding(path, term)
    assert str(path) in caught.value.message
    return caught.value


def a1111_dict(params: Any, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": params, "name": "inside", **more}


# --- readers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a1111s_own_file_tells_step_and_model_and_is_called_by_its_file(tmp_path: Path, zipped: bool) -> None:
    held = a1111_dict(
        {"*": tensor().requires_grad_()}, step=1500, sd_checkpoint="cc6cb27103", sd_checkpoint_name="v1-5"
    )
    torch.save(held, tmp_path / "cat.pt", _use_new_zipfile_serialization=zipped)
    read = read_embedding(tmp_path / "cat.pt")
    assert (read.name, read.step, read.base_model, read.base_model_hash) == ("cat", 1500, "v1-5", "cc6cb27103")
    assert (read.family, read.format) == ("SD1", "A1111 .pt")
    assert np.array_equal(read.vectors["emb_params"], rows())


def test_the_original_repositorys_file_has_a_parameter_dict_and_tensors_for_tokens(tmp_path: Path) -> None:
    params = torch.nn.ParameterDict({"*": torch.nn.Parameter(tensor())})
    held = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": params}
    assert np.array_equal(read_embedding(save(tmp_path / "a.pt", held)).vectors["emb_params"], rows())


def test_a_file_of_2022_keeps_the_models_hash_under_another_key(tmp_path: Path) -> None:
    read = read_embedding(save(tmp_path / "a.pt", a1111_dict({"*": tensor()}, hash="7460a6fa")))
    assert (read.base_model_hash, read.step) == ("7460a6fa", None)


ONE_TENSOR = [
    ("learned_embeds.bin", "<cat-toy>", "<cat-toy>", "diffusers .bin"),
    ("learned_embeds.safetensors", "<cat-toy>", "<cat-toy>", "diffusers"),
    ("a.pt", "emb_params", "a", "torch"),
    ("a.safetensors", "emb_params", "a", "safetensors"),
    ("a.safetensors", "emp_params", "a", "OneTrainer"),
    ("a.safetensors", "clip_l", "a", "safetensors"),
]


@pytest.mark.parametrize("flat", [True, False], ids=["1-D", "2-D"])
@pytest.mark.parametrize(("file", "key", "name", "form"), ONE_TENSOR)
def test_a_single_tensor_is_an_embedding_under_any_name(
    tmp_path: Path, file: str, key: str, name: str, form: str, flat: bool
) -> None:
    held = tensor(1)[0].clone() if flat else tensor(1)
    read = read_embedding(save(tmp_path / file, {key: held}))
    assert (read.name, read.format, read.family) == (name, form, "SD1")
    assert np.array_equal(read.vectors["emb_params"], rows(1))


def test_a_bare_tensor_is_an_embedding_too(tmp_path: Path) -> None:
    assert read_embedding(save(tmp_path / "a.pt", tensor(3, 1024))).family == "SD2"


@pytest.mark.parametrize("file", ["a.safetensors", "a.pt", "a.bin"])
def test_sdxl_has_two_tensors_in_any_container(tmp_path: Path, file: str) -> None:
    read = read_embedding(save(tmp_path / file, {"clip_g": tensor(2, 1280), "clip_l": tensor()}))
    assert (read.family, list(read.vectors), read.count) == ("SDXL", ["clip_l", "clip_g"], 2)
    assert np.array_equal(read.vectors["clip_g"], rows(2, 1280))


@pytest.mark.parametrize("as_safetensors", [True, False])
def test_replicates_file_is_sdxl_in_either_container(tmp_path: Path, as_safetensors: bool) -> None:
    held = {"text_encoders_0": tensor().half(), "text_encoders_1": tensor(2, 1280).half()}
    path = tmp_path / "embeddings.pti"
    safetensors.torch.save_file(held, path) if as_safetensors else torch.save(held, path)
    read = read_embedding(path)
    assert (read.family, read.format) == ("SDXL", "replicate .pti")
    assert np.array_equal(read.vectors["clip_l"], rows().astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("key", ["emp_params", "emb_params"])
def test_onetrainers_output_side_is_left_out_and_said(tmp_path: Path, key: str) -> None:
    read = read_embedding(save(tmp_path / "a.safetensors", {key: tensor(), f"{key}_out": tensor(2)}))
    assert (list(read.vectors), read.details) == (["emb_params"], {"left_out": "emb_params_out"})
    alone = read_embedding(save(tmp_path / "b.safetensors", {f"{key}_out": tensor()}))
    assert (list(alone.vectors), alone.family) == (["emb_params_out"], None)


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        (("clip_l", "clip_g", "t5"), "SD3"),
        (("clip_l", "t5"), "Flux"),
        (("clip_l", "t5xxl"), "Flux"),
        (("clip_g",), None),
    ],
)
def test_embeddings_of_later_families_are_named_for_what_they_are(
    tmp_path: Path, keys: tuple[str, ...], family: str | None
) -> None:
    widths = {"clip_l": 768, "clip_g": 1280, "t5": 4096, "t5xxl": 4096}
    read = read_embedding(save(tmp_path / "a.safetensors", {key: tensor(2, widths[key]) for key in keys}))
    assert (read.family, len(read.vectors)) == (family, len(keys))


def test_an_embedding_bundled_in_a_lora_is_found(tmp_path: Path) -> None:
    lora = {"lora_unet_x.lora_up.weight": tensor(4, 4)}
    one = {"bundle_emb.my.cat.string_to_param.*": tensor()}
    path = save(tmp_path / "lora.safetensors", lora | one)
    read = read_embedding(path)
    assert (read.name, read.format, read.family) == ("my.cat", "bundled in a LoRA", "SD1")
    two = {"bundle_emb.dog.clip_l": tensor(), "bundle_emb.dog.clip_g": tensor(2, 1280)}
    both = save(tmp_path / "two.safetensors", lora | one | two)
    assert "my.cat, dog" in refused(both).message or "dog, my.cat" in refused(both).message
    assert read_embedding(both, "dog").family == "SDXL"


@pytest.mark.parametrize("file", ["several.pt", "several.bin", "several.safetensors"])
def test_several_terms_are_listed_and_one_is_chosen(tmp_path: Path, file: str) -> None:
    terms = {"<cat>": tensor(1), "<dog>": tensor(3)}
    path = save(tmp_path / file, a1111_dict(terms) if file == "several.pt" else terms)
    error = refused(path)
    assert (error.code, "<cat>, <dog>" in error.message, "--term" in error.hint) == ("several-embeddings", True, True)
    assert f"{file}#" in error.hint
    read = read_embedding(path, "<dog>")
    assert (read.name, read.count) == ("<dog>", 3)
    assert refused(path, "<bird>").code == "term-missing"


def test_a_term_of_a_file_that_holds_one_is_that_one_or_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "cat.pt", a1111_dict({"*": tensor()}))
    assert read_embedding(path, "*").count == read_embedding(path, "cat").count == 2
    assert refused(path, "dog").code == "term-missing"


def test_what_a_file_is_called_does_not_matter_to_how_it_is_read(tmp_path: Path) -> None:
    safetensors.torch.save_file({"emb_params": tensor()}, tmp_path / "a.pt")
    torch.save({"emb_params": tensor()}, tmp_path / "b.safetensors")
    assert read_embedding(tmp_path / "a.pt").count == read_embedding(tmp_path / "b.safetensors").count == 2


NO_EMBEDDINGS = {
    "a LoRA": ["lora_unet_down_blocks_0.lora_down.weight", "lora_te_text_model_encoder.alpha"],
    "a LoRA ": ["unet.down_blocks.0.attn1.to_k.lora_A.weight", "unet.down_blocks.0.attn1.to_k.lora_B.weight"],
    "a base model": ["model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.logit", "first_stage_model.a"],
    "a VAE": ["encoder.down.0.block.0.norm1.weight", "decoder.up.0.block.0.norm1.weight"],
    "a VAE ": ["decoder.up_blocks.0.resnets.0.norm1.weight", "quant_conv.weight"],
    "a ControlNet": ["control_model.input_blocks.0.0.weight", "control_model.zero.weight"],
    "a UNet": ["down_blocks.0.resnets.0.norm1.weight", "time_embedding.linear_1.weight"],
    "a text encoder": ["text_model.embeddings.token_embedding.weight", "text_model.encoder.layers.0.x"],
    "an upscaler": ["model.0.weight", "model.1.weight"],
    "an extended inversion": ["IN01", "MID", "OUT03"],
    "2 tensors of an unknown kind": ["something", "else"],
}


@pytest.mark.parametrize("file", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("what", NO_EMBEDDINGS)
def test_what_is_no_embedding_is_told_for_what_it_is(tmp_path: Path, what: str, file: str) -> None:
    held = {key: torch.zeros(8, 8, 3) for key in NO_EMBEDDINGS[what]}
    path = save(tmp_path / file, {"state_dict": held} if what == "a base model" and file == "a.pt" else held)
    error = refused(path)
    assert (error.code, what.strip() in error.message) == ("not-an-embedding", True)


def test_one_tensor_is_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"inside": {"something": torch.zeros(8, 8, 3)}})
    assert "1 tensor of an unknown kind" in refused(path).message


def test_a_hypernetwork_and_an_optimisers_state_are_told_too(tmp_path: Path) -> None:
    held = {320: ({"0.weight": tensor(4, 4)}, {"0.weight": tensor(4, 4)}), "name": "anime", "step": 5}
    assert "a hypernetwork" in refused(save(tmp_path / "a.pt", held)).message
    state = {"hash": "c3c8", "optimizer_state_dict": {"state": {0: {"exp_avg": tensor()}}, "param_groups": []}}
    assert "optimiser's state" in refused(save(tmp_path / "b.pt", state)).message
    (tmp_path / "a.pt.optim").touch()
    assert "optimiser's state" in refused(tmp_path / "a.pt.optim").message


# --- writers -------------------------------------------------------------------------------------------------------------


def fits(name: str, embedding: Embedding) -> bool:
    return not FORMATS[name].refusal(embedding.vectors)


WRITABLE = [
    pytest.param(name, held, id=f"{name}-{held.family}") for name in FORMATS for held in (SD1, SDXL) if fits(name, held)
]


@pytest.mark.parametrize(("name", "held"), WRITABLE)
def test_every_format_reads_back_exactly_and_is_the_same_bytes_each_time(
    tmp_path: Path, name: str, held: Embedding
) -> None:
    form = FORMATS[name]
    written = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files = write_embedding(tmp_path / folder / f"my-cat{form.suffix}", held, form)
        written.append([file.read_bytes() for file in files])
        assert sorted((tmp_path / folder).iterdir()) == sorted(files)
    assert written[0] == written[1]
    parts = [read_embedding(file) for file in files]
    if len(parts) == 1:
        assert parts[0].vectors.keys() == held.vectors.keys()
    for key, part in zip(held.vectors, parts * 2, strict=False):
        read = part.vectors["emb_params" if len(parts) > 1 else key]
        assert read.tobytes() == held.vectors[key].tobytes()
    assert parts[0].name == "my-cat"
    if name != "bin" and (name, held.family) != ("pt", "SDXL"):  # these have room for tensors and nothing else
        assert (parts[0].step, parts[0].base_model) == (held.step, held.base_model)


def test_the_two_files_of_sdxl_for_diffusers_have_its_names(tmp_path: Path) -> None:
    files = write_embedding(tmp_path / "learned_embeds.safetensors", SDXL, FORMATS["diffusers"])
    assert [file.name for file in files] == ["learned_embeds.safetensors", "learned_embeds_2.safetensors"]
    assert [list(safetensors.torch.load_file(file)) for file in files] == [["my-cat"], ["my-cat"]]


@pytest.mark.parametrize(
    ("name", "key"), [("kohya", "emb_params"), ("onetrainer", "emp_params"), ("invokeai", "emb_params")]
)
def test_other_tools_find_their_own_names(tmp_path: Path, name: str, key: str) -> None:
    write_embedding(tmp_path / "a.safetensors", SD1, FORMATS[name])
    assert torch.equal(safetensors.torch.load_file(tmp_path / "a.safetensors")[key], tensor())


def test_replicates_names_and_their_order(tmp_path: Path) -> None:
    write_embedding(tmp_path / "a.pti", SDXL, FORMATS["pti"])
    assert set(safetensors.torch.load_file(tmp_path / "a.pti")) == {"text_encoders_0", "text_encoders_1"}


@pytest.mark.parametrize("held", [SD1, SDXL], ids=["SD1", "SDXL"])
def test_half_precision_is_the_nearest_half_and_what_does_not_fit_it_is_refused(
    tmp_path: Path, held: Embedding
) -> None:
    for name in ("safetensors", "pt"):
        path = tmp_path / f"a{FORMATS[name].suffix}"
        write_embedding(path, held, FORMATS[name], half=True)
        for key, value in read_embedding(path).vectors.items():
            assert np.array_equal(value, held.vectors[key].astype(np.float16).astype(np.float32))
        large = replace(held, vectors={key: value * 1e6 for key, value in held.vectors.items()})
        with pytest.raises(InputError, match="half precision"):
            write_embedding(tmp_path / "b.safetensors", large, half=True)
    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_vectors_that_are_not_finite_are_written_in_no_format(tmp_path: Path, name: str) -> None:
    held = SDXL if name == "pti" else SD1
    broken = {key: value.copy() for key, value in held.vectors.items()}
    next(iter(broken.values()))[0, 3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        write_embedding(tmp_path / f"a{FORMATS[name].suffix}", replace(held, vectors=broken), FORMATS[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [("png", SDXL, "no place for a second"), ("webp", SDXL, "no place for a second"), ("pti", SD1, "for SDXL")],
)
def test_a_format_that_cannot_hold_an_embedding_says_why(tmp_path: Path, name: str, held: Embedding, said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_embedding(tmp_path / f"a{FORMATS[name].suffix}", held, FORMATS[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "name", "wanted"),
    [("a.safetensors", "", "safetensors"), ("a.PT", "", "pt"), ("a.bin", "", "bin"), ("a.webp", "", "webp")]
    + [("a.safetensors", name, name) for name in ("diffusers", "kohya", "onetrainer", "invokeai")],
)
def test_the_format_follows_the_extension_or_is_named(path: str, name: str, wanted: str) -> None:
    assert format_for(Path(path), name).name == wanted


@pytest.mark.parametrize(("path", "name"), [("a.jpg", ""), ("a", ""), ("a.pt", "kohya"), ("a.pt", "gguf")])
def test_an_extension_that_tells_no_format_or_another_one_is_an_error(path: str, name: str) -> None:
    with pytest.raises(InputError) as caught:
        format_for(Path(path), name)
    assert caught.value.code.startswith("format-")


def test_a_picture_of_ones_own_lies_under_a_card(tmp_path: Path) -> None:
    picture = Image.effect_noise((300, 260), 80).convert("RGB")
    write_embedding(tmp_path / "a.png", SD1, FORMATS["png"], picture=picture)
    with Image.open(tmp_path / "a.png") as card:
        assert card.height == 260


# --- A1111's own rules, written from the reference alone (a1111 §2.2, §2.3) ----------------------------------------------

ALLOWED_MEMBERS = re.compile(r"^([^/]+)/((data/\d+)|version|(data\.pkl))$")
ALLOWED_GLOBALS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "FloatStorage"),
    ("torch", "HalfStorage"),
    ("torch", "IntStorage"),
    ("torch", "LongStorage"),
    ("torch", "DoubleStorage"),
    ("torch", "ByteStorage"),
    ("torch", "float32"),
}


class A1111Unpickler(pickle.Unpickler):
    def persistent_load(self, saved_id: Any) -> Any:
        assert saved_id[0] == "storage"
        return torch.storage.TypedStorage(dtype=torch.float32, _internal=True)

    def find_class(self, module: str, name: str) -> Any:
        assert (module, name) in ALLOWED_GLOBALS, f"{module}.{name} would be refused"
        if module == "torch._utils":
            return lambda *arguments: arguments
        return collections.OrderedDict if name == "OrderedDict" else getattr(torch, name)


def check_as_a1111_does(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        for entry in file.infolist():
            assert ALLOWED_MEMBERS.match(entry.filename), f"{entry.filename} would be refused"
            assert entry.compress_type == zipfile.ZIP_STORED
        (pickled,) = [name for name in file.namelist() if name.endswith("/data.pkl")]
        with file.open(pickled) as stream:
            A1111Unpickler(stream).load()


def load_as_a1111_does(path: Path) -> tuple[Any, int]:
    """Tensor or tensors, and vectors per token, in A1111's order of interpretation."""
    if path.suffix == ".safetensors":
        data = safetensors.torch.load_file(path)
    else:
        check_as_a1111_does(path)
        data = torch.load(path, weights_only=True, map_location="cpu")
    if "string_to_param" in data:
        params = data["string_to_param"]
        assert len(params) == 1, "multiple terms"
        return next(iter(params.values())).float(), next(iter(params.values())).shape[0]
    if type(data) is dict and "clip_g" in data and "clip_l" in data:
        return {key: value.detach().float() for key, value in data.items()}, data["clip_g"].shape[0]
    if type(data) is dict and type(next(iter(data.values()))) is torch.Tensor:
        assert len(data) == 1, "multiple terms"
        emb = next(iter(data.values()))
        return (emb if emb.dim() > 1 else emb.unsqueeze(0)).float(), 1 if emb.dim() == 1 else emb.shape[0]
    raise AssertionError("couldn't identify")


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize(
    ("name", "held"),
    [
        pytest.param(n, h, id=f"{n}-{h.family}")
        for n in FORMATS
        for h in (SD1, SDXL)
        if n in ("safetensors", "pt", "bin")
    ],
)
def test_a1111_takes_what_is_written(tmp_path: Path, name: str, held: Embedding, half: bool) -> None:
    files = write_embedding(tmp_path / f"my-cat{FORMATS[name].suffix}", held, FORMATS[name], half=half)
    kind = np.float16 if half else np.float32
    for file, key in zip(files, held.vectors, strict=False):
        found, vectors = load_as_a1111_does(file)
        found = found if isinstance(found, dict) else {key: found}
        assert vectors == 2
        for each, value in found.items():
            assert np.array_equal(value.numpy(), held.vectors[each].astype(kind).astype(np.float32))


def test_the_a1111_file_has_exactly_what_a1111_writes_and_our_header(tmp_path: Path) -> None:
    write_embedding(tmp_path / "my-cat.pt", SD1, FORMATS["pt"])
    held = torch.load(tmp_path / "my-cat.pt", weights_only=True)
    assert held["string_to_token"] == {"*": 265}
    assert held["string_to_param"]["*"].dtype == torch.float32
    assert {key: held[key] for key in ("name", "step", "sd_checkpoint", "sd_checkpoint_name")} == {
        "name": "my-cat",
        "step": 500,
        "sd_checkpoint": "cc6cb27103",
        "sd_checkpoint_name": "sd-v1-5",
    }
    assert set(held) - {"tinv"} == {
        "string_to_token",
        "string_to_param",
        "name",
        "step",
        "sd_checkpoint",
        "sd_checkpoint_name",
    }


def test_plain_torch_save_is_what_a1111_refuses(tmp_path: Path) -> None:
    """The rule above can fail: today's torch writes members it does not know."""
    torch.save({"emb_params": tensor()}, tmp_path / "a.pt")
    with pytest.raises(AssertionError, match="would be refused"):
        check_as_a1111_does(tmp_path / "a.pt")


def test_the_checksum_that_ties_an_optimisers_state_to_it_survives_the_file(tmp_path: Path) -> None:
    vectors = (np.arange(768, dtype=np.float32) / np.float32(1000) - np.float32(0.3))[None]
    write_embedding(tmp_path / "a.pt", Embedding("a", {"emb_params": vectors}), FORMATS["pt"])
    held = torch.load(tmp_path / "a.pt", weights_only=True)["string_to_param"]["*"].numpy()
    assert checksum(held) == checksum(vectors) == "c3c8"


# --- diffusers itself ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline() -> Any:
    """The bundled model's text side, as a pipeline that loads embeddings."""
    from diffusers.loaders import TextualInversionLoaderMixin
    from transformers import CLIPTextModel, CLIPTokenizer

    from tinv_tui.models import bundled

    class TextSide(TextualInversionLoaderMixin):  # type: ignore[misc]
        components: dict[str, Any] = {}
        hf_device_map = None

        def __init__(self) -> None:
            self.tokenizer = CLIPTokenizer.from_pretrained(bundled.FOLDER, subfolder="tokenizer")
            self.text_encoder = CLIPTextModel.from_pretrained(
                bundled.FOLDER, subfolder="text_encoder", dtype=torch.float32
            )

    return TextSide()


@pytest.mark.parametrize("name", ["diffusers", "bin", "safetensors", "pt", "onetrainer"])
def test_diffusers_loads_what_is_written(tmp_path: Path, pipeline: Any, name: str) -> None:
    form = FORMATS[name]
    held = Embedding("<my-cat>", {"emb_params": rows(3, 64)}, 5)
    (file,) = write_embedding(tmp_path / f"cat{form.suffix}", held, form)
    token = {} if form.keys is None else {"token": "<my-cat>"}
    pipeline.load_textual_inversion(str(tmp_path), weight_name=file.name, **token)
    ids = pipeline.tokenizer.convert_tokens_to_ids(["<my-cat>", "<my-cat>_1", "<my-cat>_2"])
    table = pipeline.text_encoder.get_input_embeddings().weight.detach()
    assert torch.equal(table[ids], tensor(3, 64))


def test_diffusers_loads_sdxl_one_encoder_at_a_time(tmp_path: Path, pipeline: Any) -> None:
    """As diffusers wants it: each tensor to its own text encoder and tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from tinv_tui.models import bundled

    held = Embedding("<my-cat>", {"clip_l": rows(2, 32), "clip_g": rows(2, 48)}, 5)
    write_embedding(tmp_path / "a.safetensors", held)
    state = safetensors.torch.load_file(tmp_path / "a.safetensors")
    files = write_embedding(tmp_path / "learned_embeds.safetensors", held, FORMATS["diffusers"])
    for number, (key, width) in enumerate((("clip_l", 32), ("clip_g", 48))):
        for source in (state[key], str(files[number])):
            tokenizer = CLIPTokenizer.from_pretrained(bundled.FOLDER, subfolder="tokenizer")
            sizes = {"hidden_size": width, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
            encoder = CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), **sizes))
            pipeline.load_textual_inversion(source, token="<my-cat>", text_encoder=encoder, tokenizer=tokenizer)
            ids = tokenizer.convert_tokens_to_ids(["<my-cat>", "<my-cat>_1"])
            table = encoder.get_input_embeddings().weight.detach()
            assert np.array_equal(table[ids].numpy(), held.vectors[key])


@pytest.mark.parametrize("name", ["safetensors", "pt", "png"])
def test_a_file_that_does_not_read_back_leaves_the_old_one_as_it_was(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{FORMATS[name].suffix}"
    write_embedding(path, SD1, FORMATS[name])
    before = path.read_bytes()
    monkeypatch.setattr(writing, "read_embedding", lambda *told, **more: SDXL)
    with pytest.raises(OSError, match="a.* does not read back as it was written"):
        write_embedding(path, replace(SD1, step=1), FORMATS[name])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_of_a_pair_neither_is_written_when_the_second_does_not_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, **more: str) -> Embedding:
        held = reading.read_embedding(path, **more)
        return SD1 if "_2" in path.name else held

    monkeypatch.setattr(writing, "read_embedding", read)
    with pytest.raises(OSError, match=r"learned_embeds_2.safetensors does not read back"):
        write_embedding(tmp_path / "learned_embeds.safetensors", SDXL, FORMATS["diffusers"])
    assert list(tmp_path.iterdir()) == []
