"""Every format that is written reads back exactly, and what does not is not written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.embedding_files import SD1, SDXL, rows, tensor
from tinv_tui.embeddings import reading, writing
from tinv_tui.embeddings.files import Embedding, read_embedding, read_step, write_embedding
from tinv_tui.embeddings.formats import FORMATS, format_for
from tinv_tui.errors import InputError


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
    for read in map(read_embedding, files):  # of two, either gives the whole
        assert {key: rows.tobytes() for key, rows in read.vectors.items()} == {
            key: rows.tobytes() for key, rows in held.vectors.items()
        }
        assert (read.name, read.family) == ("my-cat", held.family)
    assert [read_step(file) for file in files] == [read.step] * len(files)
    if name != "bin" and (name, held.family) != ("pt", "SDXL"):  # these have room for tensors and nothing else
        assert (read.step, read.base_model) == (held.step, held.base_model)


def test_the_two_files_of_sdxl_for_diffusers_have_its_names(tmp_path: Path) -> None:
    files = write_embedding(tmp_path / "learned_embeds.safetensors", SDXL, FORMATS["diffusers"])
    assert [file.name for file in files] == ["learned_embeds.safetensors", "learned_embeds_2.safetensors"]
    assert [list(safetensors.torch.load_file(file)) for file in files] == [["my-cat"], ["my-cat"]]


def test_one_file_of_a_pair_alone_is_told_for_what_it_is_where_it_says_so(tmp_path: Path) -> None:
    told = replace(SDXL, details={"family": "SDXL"})
    first, second = write_embedding(tmp_path / "a.safetensors", told, FORMATS["diffusers"])
    of_another = tmp_path / "b_2.safetensors"
    second.rename(of_another)
    for half, missing in ((first, "a_2.safetensors"), (of_another, "b.safetensors")):
        with pytest.raises(InputError, match=f"one half of an SDXL embedding.*{missing} is not beside it"):
            read_embedding(half)
    write_embedding(tmp_path / "a_2.safetensors", replace(SD1, vectors={"emb_params": rows(3, 1280)}))
    with pytest.raises(InputError, match="or not its other half"):  # of three vectors, not two
        read_embedding(first)


def test_two_embeddings_whose_names_differ_by_2_are_two(tmp_path: Path) -> None:
    for name in ("a", "a_2"):
        write_embedding(tmp_path / f"{name}.safetensors", SD1, FORMATS["kohya"])
        assert read_embedding(tmp_path / f"{name}.safetensors").family == "SD1"


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
