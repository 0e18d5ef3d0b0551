"""What is written is taken elsewhere: by A1111's own rules for a file, and by diffusers itself."""

from __future__ import annotations

import collections
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.embedding_files import SD1, SDXL, rows, tensor
from tinv_tui.embeddings.checksum import checksum
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS

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
