"""Making pictures of pictures: the right part, at the right size, of files with all their dirt."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFilter

from tests.captioners import save_yunet
from tinv_tui.datasets import preprocess_picture
from tinv_tui.datasets.focal import find_edges, find_faces, find_focus
from tinv_tui.datasets.preprocess import plan_preprocess
from tinv_tui.datasets.preprocess_picture import MadePicture, caption_of, make_pictures
from tinv_tui.errors import InputError
from tinv_tui.sections import PreprocessSection

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def make(tmp_path: Path, name: str, image: Image.Image | None = None, **changes: Any) -> list[MadePicture]:
    """What becomes of one picture; ``image`` is saved first, losslessly, unless the file is there."""
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    if image is not None:
        image.save(source / name)
    values = {"source": str(source), "destination": str(tmp_path / "made"), "width": 64, "height": 64, **changes}
    section = PreprocessSection(**values)
    (picture,) = plan_preprocess(section).pictures
    return make_pictures(picture, section)


def opened(made: MadePicture) -> Image.Image:
    image = Image.open(io.BytesIO(made.png))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def halves(size: tuple[int, int]) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def test_a_picture_and_its_mirror_image(tmp_path: Path) -> None:
    first, mirror = make(tmp_path, "a.png", halves((200, 100)))
    assert (opened(first).size, first.is_mirror, mirror.is_mirror) == ((64, 64), False, True)
    assert (opened(first).getpixel((2, 30)), opened(first).getpixel((61, 30))) == (RED, BLUE)
    assert opened(mirror).tobytes() == opened(first).transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes()
    assert caption_of(first, "the left one") == "the left one"
    assert caption_of(mirror, "the left one") == "the right one"


def test_the_plain_way_is_the_resize_and_fill_of_a1111(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (333, 501, 3), dtype=np.uint8))
    (made,) = make(tmp_path, "a.png", noise, width=512, height=512, flip=False)
    canvas = Image.new("RGB", (512, 512))
    canvas.paste(noise.resize((770, 512), Image.Resampling.LANCZOS), (-129, 0))
    assert opened(made).tobytes() == canvas.tobytes()


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000)])
def test_of_a_picture_of_one_row_only_the_middle_is_scaled(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[int, int]]()
    resize = Image.Image.resize

    def noted(image: Image.Image, to: tuple[int, int], *more: Any) -> Image.Image:
        asked.append(to)
        assert to[0] * to[1] < 2**26, "which takes hundreds of megabytes"
        return resize(image, to, *more)

    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, size[1] // 2, size[0] // 2 + 1, size[1] // 2 + 1))
    monkeypatch.setattr(Image.Image, "resize", noted)
    (made,) = make(tmp_path, "a.png", image, width=512, height=512, flip=False)
    assert asked == [(512, 512)]
    assert opened(made).getpixel((40, 40))[0] > 200  # the end of the red half
    assert opened(made).getpixel((470, 470))[2] > 200  # the blue pixel behind it


def test_what_is_scaled_of_the_middle_alone_is_what_is_cut_out_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (333, 501, 3), dtype=np.uint8))
    (whole,) = make(tmp_path, "a.png", noise, width=512, height=512, flip=False)
    monkeypatch.setattr(preprocess_picture, "_MOST_SCALED", 1)
    (middle,) = make(tmp_path, "a.png", width=512, height=512, flip=False)
    difference = np.abs(np.asarray(opened(whole), dtype=int) - np.asarray(opened(middle), dtype=int))
    assert difference.max() <= 1


def test_tiles_run_down_a_tall_picture(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 192), RED)
    image.paste(BLUE, (0, 64, 64, 128))
    image.paste(GREEN, (0, 128, 64, 192))
    made = make(tmp_path, "a.png", image, split=True, split_overlap=0.0, flip=False)
    assert [opened(tile).getpixel((32, 32)) for tile in made] == [RED, BLUE, GREEN]
    assert {opened(tile).size for tile in made} == {(64, 64)}


def test_an_auto_sized_crop_keeps_the_middle_at_its_own_size(tmp_path: Path) -> None:
    (made,) = make(tmp_path, "a.png", halves((800, 600)), auto_crop=True, flip=False)
    image = opened(made)
    assert image.size == (704, 576)
    assert (image.getpixel((340, 300)), image.getpixel((364, 300))) == (RED, BLUE)


def test_keeping_the_size_changes_no_pixel(tmp_path: Path) -> None:
    image = halves((130, 70))
    (made,) = make(tmp_path, "a.png", image, keep_size=True, flip=False)
    assert opened(made).tobytes() == image.tobytes()


def test_a_photo_decoded_at_half_its_size_looks_the_same(tmp_path: Path) -> None:
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8))
    photo = smooth.resize((1600, 1200), Image.Resampling.BICUBIC)
    (tmp_path / "source").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    photo.save(tmp_path / "source" / "a.jpg", quality=95, exif=exif)
    (made,) = make(tmp_path, "a.jpg", width=256, height=256, flip=False)
    turned = Image.open(tmp_path / "source" / "a.jpg").transpose(Image.Transpose.ROTATE_270)
    whole = turned.resize((256, 341), Image.Resampling.LANCZOS).crop((0, 42, 256, 298))
    difference = np.abs(np.asarray(opened(made), dtype=int) - np.asarray(whole, dtype=int))
    assert difference.mean() < 1
    assert difference.max() < 12


def test_a_turned_photo_stands_upright(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    halves((64, 64)).save(tmp_path / "source" / "a.jpg", exif=exif, quality=95)
    (made,) = make(tmp_path, "a.jpg", flip=False)
    assert opened(made).getpixel((2, 30))[2] > 200


@pytest.mark.parametrize(("background", "shown"), [("white", WHITE), ("#00ff00", GREEN)])
def test_what_is_transparent_lets_the_background_through(
    tmp_path: Path, background: str, shown: tuple[int, int, int]
) -> None:
    image = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    image.paste((255, 0, 0, 255), (32, 0, 64, 64))
    (made,) = make(tmp_path, "a.png", image, flip=False, background=background)
    assert (opened(made).getpixel((5, 5)), opened(made).getpixel((60, 5))) == (shown, RED)


def palette() -> Image.Image:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, *GREEN])
    return image


@pytest.mark.parametrize(
    ("name", "image", "colour"),
    [
        ("palette.png", palette(), GREEN),
        ("deep.png", Image.fromarray(np.full((64, 64), 65535, dtype=np.uint16)), WHITE),
        ("printed.tif", Image.new("RGB", (64, 64), BLUE).convert("CMYK"), BLUE),
        ("new.avif", Image.new("RGB", (64, 64), GREEN), GREEN),
        ("grey.jpg", Image.new("L", (64, 64), 255), WHITE),
    ],
)
def test_pictures_of_every_make_become_rgb(
    tmp_path: Path, name: str, image: Image.Image, colour: tuple[int, int, int]
) -> None:
    (made,) = make(tmp_path, name, image, flip=False)
    assert np.abs(np.array(opened(made).getpixel((30, 30))) - colour).max() <= 4


def test_a_colour_profile_is_kept_only_where_it_still_fits(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cmyk = srgb[:16] + b"CMYK" + srgb[20:]
    for name, mode, profile, kept in (("a.png", "RGB", srgb, srgb), ("b.tif", "CMYK", cmyk, None)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "source").mkdir()
        Image.new(mode, (64, 64)).save(tmp_path / name / "source" / name, icc_profile=profile)
        (made,) = make(tmp_path / name, name, flip=False)
        assert opened(made).info.get("icc_profile") == kept


def test_of_a_moving_picture_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    (tmp_path / "source").mkdir()
    frames[0].save(tmp_path / "source" / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    (made,) = make(tmp_path, "a.gif", flip=False)
    assert opened(made).getpixel((30, 30)) == RED


def detailed_right(size: tuple[int, int] = (256, 64)) -> Image.Image:
    """Plain but for a checkered square at the right end, out of the way of the covered lowest tenth."""
    image = Image.new("RGB", size, (90, 90, 90))
    board = np.kron(np.indices((4, 4)).sum(0) % 2, np.ones((8, 8))).astype(np.uint8) * 255
    image.paste(Image.fromarray(board).convert("RGB"), (size[0] - 48, 8))
    return image


def test_a_focal_crop_goes_where_the_edges_are(tmp_path: Path) -> None:
    focus = {"focal_crop": True, "face_weight": 0.0, "entropy_weight": 0.0}
    first, _ = make(tmp_path, "a.png", detailed_right(), **focus)
    assert opened(first).getextrema()[0] == (0, 255)
    left = detailed_right().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    focal = find_focus(left, (64, 64), PreprocessSection(**focus))
    assert focal.crop == (0, 0, 64, 64)
    assert (set(focal.findings), focal.weights) == ({"edges"}, {"edges": 1.0})


def test_the_lowest_tenth_is_not_looked_at(tmp_path: Path) -> None:
    image = Image.new("RGB", (200, 200), (0x99, 0x99, 0x99))
    image.paste(Image.new("RGB", (20, 10), "black"), (20, 186))
    assert find_edges(image).points == ()


def test_a_picture_in_which_nothing_is_found_keeps_its_middle() -> None:
    section = PreprocessSection(focal_crop=True, entropy_weight=0.0)
    focus = find_focus(Image.new("RGB", (128, 64), "teal"), (64, 64), section)
    assert (focus.crop, focus.findings) == ((32, 0, 96, 64), {})


def test_a_focus_without_any_weight_keeps_the_middle() -> None:
    section = PreprocessSection(face_weight=0.0, entropy_weight=0.0, edges_weight=0.0)
    assert find_focus(detailed_right(), (64, 64), section).crop == (96, 0, 160, 64)


def test_entropy_slides_along_the_long_side() -> None:
    section = PreprocessSection(face_weight=0.0, edges_weight=0.0)
    picture = Image.new("RGB", (64, 256), "white")
    picture.paste((110, 110, 110), (0, 0, 64, 190))  # dithered half and half; below it nearly all is white
    focus = find_focus(picture, (64, 64), section)
    assert focus.weights == {"entropy": 1.0}
    assert focus.crop[1] > 100
    assert find_focus(picture.transpose(Image.Transpose.ROTATE_90), (64, 64), section).crop[0] > 100


def test_the_drawing_of_the_focus_goes_with_the_crop_and_not_with_the_mirror_image(tmp_path: Path) -> None:
    first, mirror = make(tmp_path, "a.png", detailed_right(), focal_crop=True, debug_image=True)
    assert mirror.drawing is None
    assert first.drawing is not None
    drawing = Image.open(io.BytesIO(first.drawing))
    assert drawing.size == (256, 64)
    assert (0, 255, 0) in {colour for _, colour in drawing.getcolors(100_000)}


def test_several_faces_pull_the_crop_to_their_middle(tmp_path: Path) -> None:
    picture = Image.new("RGB", (256, 64), "black")
    for left in (160, 208):
        picture.paste("white", (left, 16, left + 8, 24))
    model = str(save_yunet(tmp_path / "yunet.onnx"))
    assert len(find_faces(picture, model).points) == 2
    section = PreprocessSection(face_model=model, entropy_weight=0.0, edges_weight=0.0)
    focus = find_focus(picture, (64, 64), section)
    assert set(focus.findings) == {"face"}
    assert 148 <= focus.crop[0] <= 160  # the middle of both, 184, is the middle of the crop


def test_a_face_model_in_tinv_home_is_used_and_a_broken_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    save_yunet(folder / "face_detection_yunet_2023mar.onnx")
    picture = Image.new("RGB", (256, 64), "black")
    picture.paste("white", (160, 16, 168, 24))
    assert len(find_faces(picture, "").points) == 1
    (tmp_path / "broken.onnx").write_text("no model")
    with pytest.raises(InputError, match=r"broken\.onnx cannot be used"):
        find_faces(picture, str(tmp_path / "broken.onnx"))


def drawn_face() -> Image.Image:
    """Hair, skin, eyes, nose and mouth, blurred: enough for a cascade."""
    image = Image.new("RGB", (200, 200), (235, 235, 235))
    pen = ImageDraw.Draw(image)
    pen.ellipse((50, 30, 150, 170), fill=(205, 170, 140))
    pen.pieslice((46, 20, 154, 120), 180, 360, fill=(60, 40, 30))
    pen.rectangle((60, 70, 140, 80), fill=(205, 170, 140))
    for eye in (78, 122):
        pen.line((eye - 14, 80, eye + 14, 78), fill=(70, 50, 40), width=4)
        pen.ellipse((eye - 12, 86, eye + 12, 98), fill=(245, 245, 245))
        pen.ellipse((eye - 6, 86, eye + 6, 98), fill=(40, 30, 30))
    pen.polygon([(100, 95), (92, 122), (108, 122)], fill=(180, 140, 115))
    pen.ellipse((80, 134, 120, 146), fill=(150, 70, 70))
    return image.filter(ImageFilter.GaussianBlur(2))


def test_opencvs_own_cascades_see_a_face_and_several(tmp_path: Path) -> None:
    face = drawn_face()
    pair = Image.new("RGB", (face.width * 2, face.height), "white")
    pair.paste(face, (0, 0))
    pair.paste(face, (face.width, 0))
    one, two = find_faces(face, ""), find_faces(pair, "")
    assert one.points
    assert len(two.points) > len(one.points)
