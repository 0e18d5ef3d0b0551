"""Lists the base models of this machine: what each is, or why it cannot be trained on. Weights are not read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.file_facts import FileFacts, stamp_of
from tinv_tui.models.hashes import KnownHashes
from tinv_tui.models.hub import cached_models
from tinv_tui.models.identify import identify
from tinv_tui.models.prediction import configurations_of
from tinv_tui.settings import load_settings
from tinv_tui.version import own_version

SUFFIXES = (".safetensors", ".ckpt")
_MOST_FOLDERS, _MOST_MODELS, _DEEPEST = 20_000, 5_000, 12


@dataclass(frozen=True)
class ModelEntry:
    """A base model, or a file that looks like one with the reason why it cannot be trained on."""

    value: str
    """What ``model.path`` of a recipe says to train on it: "bundled", a hub id or a path."""
    path: Path
    name: str
    family: str | None
    """The family's label; this and the next two are None where it cannot be trained on."""
    native_size: int | None
    prediction_type: str | None
    bytes: int
    modified: datetime
    hash: str | None
    """Ten hex digits, as far as they are known without reading the file."""
    reason: str = ""


@dataclass(frozen=True)
class _Told:
    """The part of an entry that has to be found out."""

    family: str | None = None
    native_size: int | None = None
    prediction_type: str | None = None
    bytes: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Listing:
    entries: tuple[ModelEntry, ...]
    notes: tuple[str, ...]
    """What could not be looked at, in words."""


def list_models(folders: Sequence[Path] | None = None) -> Listing:
    """Every base model of some folders, by name; with None those of the settings, the bundled one and the Hub's cache.

    Links to folders are followed, each folder once. A folder that is not there is a note, unless it is our own.
    Raises InputError when the settings are wrong.
    """
    everywhere = folders is None
    looked = _of_the_settings() if folders is None else tuple(folders)
    walk, known = _Walk(), _Known()
    found = [_entry(str(path), path, path.stem if path.is_file() else path.name, known) for path in walk.models(looked)]
    found.sort(key=lambda entry: (entry.name.lower(), str(entry.path)))
    if everywhere:
        found += [_entry(hub_id, folder, hub_id, known) for hub_id, folder in cached_models()]
        found.insert(0, _entry(bundled.NAME, bundled.FOLDER, bundled.NAME, known))
    known.save()
    return Listing(tuple(found), tuple(walk.notes))


def list_vaes() -> list[Path]:
    """VAE files, and diffusers VAE folders, where other programs keep theirs. Raises InputError as above."""
    folders = [folder for folder in load_settings().vae_folders() if folder.is_dir()]
    found = (path for folder in folders for path in _inside(folder) if _may_be_a_vae(path))
    return list(islice(found, _MOST_MODELS))


def _inside(folder: Path) -> Iterator[Path]:
    """What lies in a folder, at any depth within reason."""
    for count, (root, folders, files) in enumerate(os.walk(folder)):
        if count >= _MOST_FOLDERS:
            return
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted((*folders, *files)))
        if len(Path(root).parts) - len(folder.parts) >= _DEEPEST:
            folders.clear()


def _may_be_a_vae(path: Path) -> bool:
    if path.is_dir():
        return (path / "config.json").is_file()
    return path.suffix.lower() in (*SUFFIXES, ".pt") and not (path.parent / "config.json").is_file()


def _of_the_settings() -> tuple[Path, ...]:
    """The folders of the settings; that our own is not there yet is nothing to tell."""
    own, *others = load_settings().model_folders()
    return (own, *others) if own.is_dir() else tuple(others)


class _Walk:
    """Goes through folders, and notes what it could not look at."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._seen = set[tuple[int, int]]()
        self._models = set[Path]()

    def models(self, folders: Sequence[Path]) -> Iterator[Path]:
        """Diffusers folders and model files, each once."""
        for folder in folders:
            if folder.is_file():
                yield from self._once(folder)
            elif not folder.is_dir():
                self.notes.append(f"{folder}: it is not there")
            else:
                yield from self._below(folder, 0)

    def _below(self, folder: Path, depth: int) -> Iterator[Path]:
        if len(self._seen) >= _MOST_FOLDERS or len(self._models) >= _MOST_MODELS or depth > _DEEPEST:
            said = f"{folder}: not looked through, there is too much here"
            if not self.notes or not self.notes[-1].endswith("too much here"):
                self.notes.append(said)
            return
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in self._seen:  # a link back, or two ways to one folder
                return
            self._seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
            names = {entry.name for entry in inside}
            if "model_index.json" in names:
                yield from self._once(folder)
                return
        except OSError as error:
            self.notes.append(f"{folder}: {error.strerror or error}")
            return
        inside = [entry for entry in inside if self._leads_somewhere(entry)]
        folders = [Path(entry) for entry in inside if entry.is_dir()]
        files = [Path(entry) for entry in inside if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
        if "config.json" in names and files:
            return  # a single part, such as a VAE: its configuration lies beside its weights
        for file in files:
            yield from self._once(file)
        for below in folders:
            yield from self._below(below, depth + 1)

    def _leads_somewhere(self, entry: os.DirEntry[str]) -> bool:
        """False for a link without a target, and with a note for one to itself or into a closed folder."""
        try:
            if entry.is_symlink():
                entry.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            self.notes.append(f"{entry.path}: {error.strerror or error}")
            return False
        return True

    def _once(self, path: Path) -> Iterator[Path]:
        real = path.resolve()
        if real not in self._models:
            self._models.add(real)
            yield path


def _entry(value: str, path: Path, name: str, known: _Known) -> ModelEntry:
    modified = datetime.fromtimestamp(0).astimezone()
    try:
        modified = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        told = known.told(value, path) if path.is_file() else _tell(value, path)[0]
    except OSError as error:
        told = _Told(reason=error.strerror or str(error))
    return ModelEntry(value=value, path=path, name=name, modified=modified, hash=known.hashes.of(path), **asdict(told))


class _Known:
    """What was found out before. A header of a thousand tensors takes 20 ms, and folders hold hundreds of files."""

    def __init__(self) -> None:
        self.hashes = KnownHashes()
        self._files = FileFacts(f"models-{own_version()}")  # the next version may know more of them
        self._is_new = False

    def told(self, value: str, path: Path) -> _Told:
        """Raises OSError."""
        files = [path, *(beside for beside in configurations_of(path) if beside.is_file())]
        known = self._files.get(files)
        try:
            return _Told(**known)
        except TypeError:  # not known, or by a broken file
            stamp = stamp_of(files)
            told, trouble = _tell(value, path)
            if not _may_pass(trouble):
                self._files.keep(files, stamp, asdict(told))
                self._is_new = True
            return told

    def save(self) -> None:
        if self._is_new:
            self._files.save()


def _tell(value: str, path: Path) -> tuple[_Told, InputError | None]:
    """What it is, and the error that says why it is none. Raises OSError."""
    try:
        model = identify(value, path.parent)
    except InputError as error:
        size = path.stat().st_size if path.is_file() else 0
        return _Told(bytes=size, reason=_without_path(error.message, path, value)), error
    return _Told(model.family.label, model.native_size, model.prediction_type or None, model.weight_bytes), None


def _may_pass(trouble: BaseException | None) -> bool:
    """Whether an error came of the system (permissions, a disk, memory) and not of what the file holds."""
    while trouble is not None:
        if isinstance(trouble, OSError | MemoryError):
            return True
        trouble = trouble.__context__
    return False


def _without_path(message: str, path: Path, value: str) -> str:
    """An error of ``identify`` beside the name of the file it is about."""
    said = message.removeprefix("model.path: ")
    for start in (str(path), value):
        said = said.removeprefix(start)
    return said.lstrip(": ").strip() or message
