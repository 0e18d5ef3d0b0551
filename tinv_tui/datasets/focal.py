"""Finds the point of a picture that a crop should keep: faces, edges and detail, each with its weight (a1111.md §3.4).

Needs OpenCV for faces and edges; without it, :func:`require_opencv` says how to get it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from tinv_tui import paths
from tinv_tui.datasets.geometry import Box, Size, box_around
from tinv_tui.errors import InputError
from tinv_tui.sections import PreprocessSection

if TYPE_CHECKING:
    import cv2

Point = tuple[float, float]
"""(x, y) in pixels of the scaled picture."""

_COLOURS = {"face": "red", "entropy": "yellow", "edges": "blue"}
_CROP_COLOUR = "lime"
_ENTROPY_STEP = 4
_MOST_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE = 100, 0.04, 0.06
_CASCADES = (  # file, least size as a part of the short side; the first that finds something is believed
    ("haarcascade_eye.xml", 0.01),
    ("haarcascade_frontalface_default.xml", 0.05),
    ("haarcascade_profileface.xml", 0.05),
    ("haarcascade_frontalface_alt.xml", 0.05),
    ("haarcascade_frontalface_alt2.xml", 0.05),
    ("haarcascade_frontalface_alt_tree.xml", 0.05),
    ("haarcascade_eye_tree_eyeglasses.xml", 0.05),
    ("haarcascade_upperbody.xml", 0.05),
)
_YUNET_SCORE, _YUNET_OVERLAP, _YUNET_MOST = 0.9, 0.3, 5000


@dataclass(frozen=True)
class Finding:
    """What one detector found: points of interest, and the boxes they come from where it has any."""

    points: tuple[Point, ...]
    boxes: tuple[Box, ...] = ()

    @property
    def centre(self) -> Point:
        xs, ys = zip(*self.points, strict=True)
        return sum(xs) / len(xs), sum(ys) / len(ys)


@dataclass(frozen=True)
class Focus:
    """Where to crop, and why. ``findings`` and ``weights`` hold the detectors that found something."""

    point: Point
    crop: Box
    findings: dict[str, Finding]
    weights: dict[str, float]
    """Adding up to 1."""


def require_opencv() -> None:
    """Raise InputError where OpenCV is missing."""
    if importlib.util.find_spec("cv2") is None:
        raise InputError(
            "preprocess-extra",
            "preprocess.focal_crop needs OpenCV, which is not installed",
            "Get it with: pip install 'tinv-tui[preprocess]'",
        )


def find_focus(picture: Image.Image, target: Size, section: PreprocessSection) -> Focus:
    """The crop of an RGB picture, already scaled to cover ``target``; its middle where no detector finds anything.

    Raises InputError when the face model cannot be used.
    """
    detectors: dict[str, tuple[float, Callable[[], Finding]]] = {
        "face": (section.face_weight, lambda: find_faces(picture, section.face_model)),
        "entropy": (section.entropy_weight, lambda: find_detail(picture, target)),
        "edges": (section.edges_weight, lambda: find_edges(picture)),
    }
    findings = {name: look() for name, (weight, look) in detectors.items() if weight > 0}
    findings = {name: found for name, found in findings.items() if found.points}
    whole = sum(detectors[name][0] for name in findings)
    weights = {name: detectors[name][0] / whole for name in findings}
    point = (picture.width / 2, picture.height / 2)
    if findings:
        centres = [(weights[name], *found.centre) for name, found in findings.items()]
        point = sum(w * x for w, x, _ in centres), sum(w * y for w, _, y in centres)
    return Focus(point, box_around(point, picture.size, target), findings, weights)


def find_edges(picture: Image.Image) -> Finding:
    """Corners worth looking at (Shi and Tomasi). The lowest tenth is covered: captions and watermarks are there."""
    import cv2

    grey = picture.convert("L")
    ImageDraw.Draw(grey).rectangle((0, grey.height * 0.9, grey.width, grey.height), fill=0x99)
    corners = cv2.goodFeaturesToTrack(
        np.asarray(grey),
        maxCorners=_MOST_CORNERS,
        qualityLevel=_CORNER_QUALITY,
        minDistance=min(grey.size) * _CORNER_DISTANCE,
        useHarrisDetector=False,
    )
    if corners is None:
        return Finding(())
    return Finding(tuple((float(x), float(y)) for x, y in np.asarray(corners).reshape(-1, 2)))


def find_detail(picture: Image.Image, target: Size) -> Finding:
    """The middle of the stretch, of the crop's size, with the highest score.

    The score is A1111's: minus the sum of log2 of the shares of black and white in a dithered copy.
    """
    grey, best, at = picture.convert("L"), 0.0, None
    along = 0 if picture.width - target[0] >= picture.height - target[1] else 1
    for start in range(0, picture.size[along] - target[along], _ENTROPY_STEP):
        corner = (start, 0) if along == 0 else (0, start)
        window = grey.crop((*corner, corner[0] + target[0], corner[1] + target[1])).convert("1")
        shares = np.bincount(np.asarray(window, dtype=np.uint8).ravel(), minlength=2) / (target[0] * target[1])
        score = float(-np.log2(shares[shares > 0]).sum())
        if score > best:
            best, at = score, corner
    if at is None:
        return Finding(())
    return Finding(((at[0] + target[0] / 2, at[1] + target[1] / 2),))


def find_faces(picture: Image.Image, model: str) -> Finding:
    """Faces, by YuNet where its model is at hand, else by OpenCV's cascades."""
    file = Path(os.path.expanduser(model)) if model else _own_face_model()
    return _faces_by_yunet(picture, file) if file is not None else _faces_by_cascades(picture)


def _own_face_model() -> Path | None:
    return next(iter(sorted(paths.models_folder().glob("face_detection_yunet*.onnx"), reverse=True)), None)


def _faces_by_yunet(picture: Image.Image, model: Path) -> Finding:
    import cv2

    try:
        detector = cv2.FaceDetectorYN.create(str(model), "", picture.size, _YUNET_SCORE, _YUNET_OVERLAP, _YUNET_MOST)
        _, found = detector.detect(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
    except cv2.error as error:
        raise InputError(
            "face-model", f"preprocess.face_model: {model} cannot be used ({error.err})", "Give a YuNet ONNX file."
        ) from None
    rows = [] if found is None else [[float(value) for value in row[:4]] for row in found]
    return Finding(
        tuple((x + w / 2, y + h / 3) for x, y, w, h in rows),  # a third down are the eyes
        tuple((round(x), round(y), round(x + w), round(y + h)) for x, y, w, h in rows),
    )


def _faces_by_cascades(picture: Image.Image) -> Finding:
    grey = np.asarray(picture.convert("L"))
    for file, least in _CASCADES:
        cascade = _cascade(file)
        side = max(1, int(min(picture.size) * least))
        rows = [
            [int(value) for value in row]
            for row in cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=7, minSize=(side, side))
        ]
        if rows:
            points = tuple((x + w / 2, y + h / 2) for x, y, w, h in rows)
            return Finding(points, tuple((x, y, x + w, y + h) for x, y, w, h in rows))
    return Finding(())


_loaded_cascades: dict[str, cv2.CascadeClassifier] = {}


def _cascade(file: str) -> cv2.CascadeClassifier:
    import cv2

    if file not in _loaded_cascades:
        folder = Path(cv2.__file__).parent / "data"
        _loaded_cascades[file] = cv2.CascadeClassifier(str(folder / file))
    return _loaded_cascades[file]


def draw_focus(picture: Image.Image, focus: Focus) -> Image.Image:
    """The scaled picture with everything that was found: edges blue, detail yellow, faces red, crop green."""
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    for line, (name, finding) in enumerate(focus.findings.items()):
        colour = _COLOURS[name]
        for box in finding.boxes:
            pen.rectangle(box, outline=colour)
        for x, y in finding.points:
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), outline=colour)
        x, y = finding.centre
        pen.ellipse((x - 8, y - 8, x + 8, y + 8), outline=colour, width=2)
        pen.text((6, 6 + 14 * line), f"{name} {focus.weights[name]:.2f}", fill=colour)
    left, top, right, bottom = focus.crop
    pen.rectangle((left, top, right - 1, bottom - 1), outline=_CROP_COLOUR, width=2)
    x, y = focus.point
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=_CROP_COLOUR)
    return drawn
