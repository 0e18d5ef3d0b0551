"""Pictures that carry an embedding in their pixels, and A1111's checksum (reference a1111 §2.5–2.7, §6.5)."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image
from PIL.PngImagePlugin import PngInfo

from tinv_tui.embeddings import pixels
from tinv_tui.embeddings.cards import CHUNK, read_card, write_card
from tinv_tui.embeddings.checksum import checksum
from tinv_tui.embeddings.files import Embedding, read_embedding
from tinv_tui.embeddings.overlay import LEAST_SIDE, darkened, with_caption
from tinv_tui.embeddings.pixels import key_stream, put_in, take_out
from tinv_tui.errors import InputError


def rows(vectors: int = 2, width: int = 768) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((vectors, width)).astype(np.float32)


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 60).convert("RGB")


def cat(vectors: NDArray[np.float32] | None = None) -> Embedding:
    held = rows() if vectors is None else vectors
    return Embedding(
        "cat-500", {"emb_params": held}, 500, "sd-v1-5", "SD1", details={"base_model_hash": "0123456789ab"}
    )


def without_texts(path: Path) -> Path:
    """The card as a website leaves it that strips the texts of a PNG."""
    with Image.open(path) as image:
        bare = Image.fromarray(np.asarray(image))
    stripped = path.with_name("stripped.png")
    bare.save(stripped)
    return stripped


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_embedding(path)
    assert str(path) in caught.value.message
    return caught.value


def plainly_decoded(path: Path) -> bytes:
    """The payload, taken out step by step as the reference tells it, with nothing of ours."""
    with Image.open(path) as image:
        array = np.asarray(image.convert("RGB")).astype(int)
    lit = (array > 0).all(axis=2)
    ys, xs = np.where(lit)
    array = array[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] & 15
    blank = [x for x in range(array.shape[1]) if not array[:, x].any()]
    left, right = array[:, : blank[0]].ravel(), array[:, blank[-1] + 1 :].ravel()
    state, out = 0, bytearray()
    for low, high in zip(left.tolist(), right.tolist(), strict=True):
        state = (1664525 * state + 1013904223) % 2**32
        key = state % 255 & 15
        out.append((high ^ key) << 4 | (low ^ key))
    return zlib.decompressobj().decompress(bytes(out))


def test_the_key_stream_is_that_of_a1111() -> None:
    assert key_stream(14).tolist() == [253, 242, 127, 44, 157, 27, 239, 133, 38, 79, 167, 4, 177, 95]
    assert int(key_stream(100_100)[100:].astype(int).sum()) == 12731374


@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 512), (512, 768), (200, 333), (8, 8), (1000, 40)])
@pytest.mark.parametrize("length", [1, 700, 7000])
def test_a_payload_comes_back_from_a_picture_of_any_size(width: int, height: int, length: int) -> None:
    payload = np.random.default_rng(length).bytes(length)
    image = noise(width, height)
    card = put_in(image, payload, rows()[0])
    assert take_out(card) == payload
    strip, rest = divmod(card.width - width - 2, 2)
    assert (rest, card.height) == (0, height)
    assert card.crop((strip + 1, 0, strip + 1 + width, height)).tobytes() == image.tobytes()


def test_the_strips_are_as_wide_as_a1111_makes_them() -> None:
    # 30 × 40 zero bytes pack to a few; a full unit is added where nothing is missing, so the least is one column.
    assert put_in(noise(64, 512), bytes(1200), rows()[0]).width == 64 + 2 * 1 + 2
    packed = len(zlib.compress(np.random.default_rng(1).bytes(3072), 9))
    assert 3072 < packed < 4 * 1536 - 512
    assert put_in(noise(64, 512), np.random.default_rng(1).bytes(3072), rows()[0]).width == 64 + 2 * 3 + 2


def test_the_strips_show_the_embeddings_values_as_grey_dots() -> None:
    """Dots of 6 pixels every 8, shifted by 4 on even rows; column by column, from the values that go round."""
    values = np.linspace(-1, 1, 50, dtype=np.float32)
    card = np.asarray(put_in(noise(64, 64), np.random.default_rng(1).bytes(6000), values))
    width = (card.shape[1] - 64 - 2) // 2
    assert width > 20
    greys = [int(g) for g in (np.abs(values) / np.abs(values).max() * 255).astype(np.uint8)]
    rows_of_dots = len(range(-6, 64, 8))
    for strip, cycle in ((card[:, :width], greys), (card[:, -width:], greys[::-1])):
        for row, (x, y) in ((1, (2 + 3, 2 + 3)), (2, (2 + 4 + 3, 10 + 3)), (3, (2 + 3, 18 + 3))):
            assert (strip[y, x] >> 4 == cycle[(rows_of_dots + row) % 50] >> 4).all()
        assert not (strip[2:9, 1] >> 4).any()  # between two columns of dots


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (96, 64)])
def test_a_card_reads_back_from_its_chunk_and_from_its_pixels_alone(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.png"
    write_card(path, noise(*size), cat(), "a cat\nSteps: 20")
    for read in (read_embedding(path), read_embedding(without_texts(path))):
        assert (read.name, read.step, read.base_model, read.family) == ("cat-500", 500, "sd-v1-5", "SD1")
        assert read.base_model_hash == "0123456789"
        assert read.vectors["emb_params"].tobytes() == rows().tobytes()


def test_an_independent_reader_finds_in_the_pixels_what_the_chunk_says(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_card(path, noise(64, 64), cat(), "")
    with Image.open(path) as image:
        chunk = base64.b64decode(image.text[CHUNK])  # type: ignore[attr-defined]
    assert plainly_decoded(path) == chunk


def test_the_chunk_wins_over_the_pixels(tmp_path: Path) -> None:
    write_card(tmp_path / "a.png", noise(64, 64), cat(), "")
    info = PngInfo()
    other = {"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": "other"}
    info.add_text(CHUNK, base64.b64encode(json.dumps(other).encode()).decode())
    with Image.open(tmp_path / "a.png") as image:
        image.save(tmp_path / "b.png", pnginfo=info)
    assert read_card(tmp_path / "b.png").name == "other"


def test_a_damaged_chunk_leaves_the_pixels(tmp_path: Path) -> None:
    write_card(tmp_path / "a.png", noise(64, 64), cat(), "")
    info = PngInfo()
    info.add_text(CHUNK, "not base64 at all")
    with Image.open(tmp_path / "a.png") as image:
        image.save(tmp_path / "b.png", pnginfo=info)
    assert read_card(tmp_path / "b.png").name == "cat-500"
    noise(64, 64).save(tmp_path / "c.png", pnginfo=info)
    assert (refused(tmp_path / "c.png").code, "damaged" in refused(tmp_path / "c.png").message) == (
        "embedding-broken",
        True,
    )


def test_a_lossless_webp_is_read_too_and_a_black_border_does_not_matter(tmp_path: Path) -> None:
    write_card(tmp_path / "a.png", noise(64, 64), cat(), "")
    with Image.open(tmp_path / "a.png") as image:
        framed = Image.new("RGB", (image.width + 30, image.height + 20))
        framed.paste(image, (7, 13))
    framed.save(tmp_path / "b.webp", lossless=True, exact=True)
    assert read_embedding(tmp_path / "b.webp").vectors["emb_params"].tobytes() == rows().tobytes()


def test_vectors_of_zeros_make_a_card_too(tmp_path: Path) -> None:
    nothing = np.zeros((1, 768), dtype=np.float32)
    write_card(tmp_path / "a.png", noise(64, 64), cat(nothing), "")
    assert not read_embedding(without_texts(tmp_path / "a.png")).vectors["emb_params"].any()


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white"), noise(64, 64), Image.new("RGB", (64, 64), 0x101010)],
    ids=["black", "white", "noise", "low nibbles zero"],
)  # fmt: skip
def test_an_ordinary_picture_carries_nothing(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png").code == "no-embedding"


def test_strips_of_unequal_width_are_no_strips(tmp_path: Path) -> None:
    card = put_in(noise(64, 64), np.random.default_rng(1).bytes(2000), rows()[0])
    card.crop((3, 0, card.width, card.height)).save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png").code == "no-embedding"


def test_a_resized_card_carries_nothing_any_more(tmp_path: Path) -> None:
    card = put_in(noise(64, 64), np.random.default_rng(1).bytes(2000), rows()[0])
    card.resize((card.width * 2, card.height * 2), Image.Resampling.NEAREST).save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png").code == "no-embedding"


def test_a_payload_that_unpacks_to_too_much_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(noise(64, 64), bytes(100_000), rows()[0]).save(tmp_path / "a.png")
    monkeypatch.setattr(pixels, "MOST_BYTES", 50_000)
    assert "more than an embedding can be" in refused(tmp_path / "a.png").message


@pytest.mark.parametrize(
    "content",
    [
        b"[]", b"{", b"\xff", b'{"string_to_param": 3}', b'{"string_to_param": {}}', b'{"string_to_param": {"*": 3}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[1, 2], [3]]}}}', b'{"string_to_param": {"*": {"TORCHTENSOR": []}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[["a"]]]}}}', b'{"string_to_param": {"*": {"TORCHTENSOR": {}}}}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_payload_that_is_no_embedding_is_broken(tmp_path: Path, content: bytes) -> None:
    put_in(noise(64, 64), content, rows()[0]).save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png").code == "embedding-broken"


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_picture_is_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert refused(tmp_path / "a.png").code == "embedding-broken"


def test_the_caption_is_written_on_a_darkened_picture() -> None:
    white = Image.new("RGB", (512, 512), "white")
    dark = np.asarray(darkened(white))[:, 0, 0].astype(int)
    alpha = [
        min(255, int(255 * max(1 - np.cos(1.5 * y / 512), 1 - np.cos(1.65 * (512 - y) / 512)))) for y in range(512)
    ]
    assert np.abs(dark - (255 - np.array(alpha))).max() <= 1
    captioned = np.asarray(with_caption(Image.new("RGB", (512, 512)), "<cat-500>", ("sd", "", "2v 500s"))).max(axis=2)
    assert captioned[:80, :400].any()
    left, middle, right = (captioned[450:, 170 * n : 170 * n + 170].any() for n in range(3))
    assert (bool(left), bool(middle), bool(right)) == (True, False, True)
    assert not captioned[120:400].any()


def test_a_small_picture_is_enlarged_so_that_its_caption_can_be_read() -> None:
    assert with_caption(noise(64, 64), "<cat>", ("", "", "")).size == (LEAST_SIDE, LEAST_SIDE)
    assert with_caption(noise(512, 300), "<cat>", ("", "", "")).size == (512, 300)


@pytest.mark.parametrize("title", ["<" + "long" * 50 + ">", "<猫>", ""])
def test_any_name_fits_on_a_card(title: str) -> None:
    assert with_caption(noise(64, 64), title, (title, title, title)).size == (256, 256)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (np.zeros((1, 768), dtype=np.float32), "0000"),
        (np.ones((1, 768), dtype=np.float32), "5000"),
        ((np.arange(768, dtype=np.float32) / np.float32(1000) - np.float32(0.3))[None], "c3c8"),
        (np.array([[0.019, -0.019, 0.5, -1.25], [3.0, 0.01, -0.01, 0.0099]], dtype=np.float32), "ab49"),
        (np.full((4, 768), 0.0099, dtype=np.float32), "0000"),
    ],
)
def test_the_checksum_is_that_of_a1111(vectors: NDArray[np.float32], expected: str) -> None:
    assert checksum(vectors) == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_checksum(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        checksum(np.array([[1.0, bad]]))


def test_postscript_that_is_called_a_card_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *told: started.append(told))
    noise(8, 8).save(tmp_path / "card.png", "EPS")
    assert refused(tmp_path / "card.png").code == "embedding-broken"
    assert not started
