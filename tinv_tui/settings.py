"""The user's own settings, ``TINV_HOME/settings.toml``: folders of models, the bell, the end of a run, the cache."""

from __future__ import annotations

import difflib
import os
import tomllib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from tinv_tui import paths
from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError, why_unreadable
from tinv_tui.sections import Section

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Kind = Literal["models", "embeddings", "a1111", "comfyui"]
"""The keys of [folders]."""
KINDS: dict[Kind, str] = {
    "models": "a folder of models",
    "embeddings": "a folder of embeddings",
    "a1111": "an A1111 or Forge installation",
    "comfyui": "a ComfyUI installation",
}
"""What each is, in words."""

_LARGEST_EMBEDDING_BYTES = 5_000_000
_LOOK_AT_FILES = 500


class FoldersSection(Section):
    models: tuple[str, ...] = Field((), strict=False)  # TOML has lists
    """Further folders that hold base models, diffusers folders or .safetensors and .ckpt files, at any depth.
    TINV_HOME/models is always looked through."""
    embeddings: tuple[str, ...] = Field((), strict=False)
    """Further folders of embeddings for the library to list. Results are still written to TINV_HOME/embeddings."""
    a1111: str = ""
    """The folder of an A1111 or Forge installation: its models/Stable-diffusion, models/VAE and embeddings."""
    comfyui: str = ""
    """The folder of a ComfyUI installation: its models/checkpoints, models/vae and models/embeddings."""


class HooksSection(Section):
    on_end: str = ""
    """A command that a run's worker starts when the run has ended, split as a shell would, but not run by one. What it is
    told is in its environment: TINV_RUN, TINV_NAME, TINV_STATE, TINV_STEP, TINV_REASON, TINV_EMBEDDING. It has 60 s; what it
    prints goes to the run's worker.log."""


class AppSection(Section):
    bell: bool = True
    """Ring the terminal's bell when the run that is watched, here or by train --headless, has ended."""
    theme: str = "textual-dark"
    """The app's colours; its palette lists the themes, and writes the chosen one here. ansi-dark and ansi-light use the
    terminal's own colours."""
    glyphs: Literal["auto", "unicode", "ascii"] = "auto"
    """What frames, charts, marks and pictures are drawn with; auto is ascii where the locale is not UTF-8."""
    pictures: Literal["half-cells", "sixel", "kitty"] = "half-cells"
    """What pictures are drawn as: half cells everywhere, sixels where the terminal takes them, though not in tmux, kitty
    graphics in kitty and Ghostty. What the terminal cannot do is told, and half cells are drawn."""


class CacheSection(Section):
    latents_gib: float = Field(4.0, ge=0)
    """How many GiB of encoded pictures are kept in TINV_HOME/cache/latents, so that no run encodes again what an earlier one
    has. The longest unused go first; 0 keeps none."""


class Settings(Section):
    """Everything in settings.toml. Relative folders start at TINV_HOME."""

    folders: FoldersSection = FoldersSection()
    hooks: HooksSection = HooksSection()
    app: AppSection = AppSection()
    cache: CacheSection = CacheSection()
    keys: dict[str, Any] = {}
    """The user's own keys, as ``"run.start" = "f10"``; which ids there are is the app's to say."""

    def model_folders(self) -> tuple[Path, ...]:
        """Where base models are looked for, TINV_HOME/models first; any of them may not exist."""
        return self._all(paths.home() / "models", self.folders.models, "models/Stable-diffusion", "models/checkpoints")

    def vae_folders(self) -> tuple[Path, ...]:
        """Where the other programs keep their VAEs; any of them may not exist."""
        return self._all(None, (), "models/VAE", "models/vae")

    def embedding_folders(self) -> tuple[Path, ...]:
        """The library's folders, TINV_HOME/embeddings first; any of them may not exist."""
        return self._all(paths.embeddings_folder(), self.folders.embeddings, "embeddings", "models/embeddings")

    @property
    def a1111(self) -> Path | None:
        return _absolute(self.folders.a1111) if self.folders.a1111 else None

    def _all(self, own: Path | None, listed: tuple[str, ...], a1111: str, comfyui: str) -> tuple[Path, ...]:
        found = [own] if own is not None else []
        found += [_absolute(folder) for folder in listed]
        found += [_absolute(self.folders.a1111) / a1111] if self.folders.a1111 else []
        found += [_absolute(self.folders.comfyui) / comfyui] if self.folders.comfyui else []
        return tuple(dict.fromkeys(found))


_SECTIONS: dict[str, type[Section]] = {
    "folders": FoldersSection,
    "hooks": HooksSection,
    "app": AppSection,
    "cache": CacheSection,
}
_KINDS_OF_VALUE: dict[type, str] = {
    str: "text",
    bool: "true or false",
    tuple: 'a list of folders, as ["/models"]',
    float: "a number from 0 up",
}
_CHOICES = {"app.glyphs": "auto, unicode or ascii", "app.pictures": "half-cells, sixel or kitty"}


def settings_file() -> Path:
    """May not exist: then every setting has its default."""
    return paths.home() / "settings.toml"


def load_settings() -> Settings:
    """The settings, or the defaults where there is no file. Raises InputError naming the file and the key."""
    return _checked(_read())


def wants_bell() -> bool:
    """Whether to ring at a run's end; settings that cannot be read are told elsewhere."""
    try:
        return load_settings().app.bell
    except InputError:
        return AppSection().bell


def latent_cache_bytes() -> int:
    """How large the cache of encoded pictures may grow; 0 for none, also where the settings cannot be read."""
    try:
        return int(load_settings().cache.latents_gib * 2**30)
    except InputError:
        return 0


def keep_theme(name: str) -> None:
    """Write the app's theme down. Raises InputError or OSError; the rest of the file stays as it is."""
    document = _document()
    document.setdefault("app", {})["theme"] = name
    _write(document)


def add_folder(folder: Path) -> tuple[Kind, Path]:
    """Name a folder in the settings, by what it looks like; what it was taken for. Raises InputError or OSError.

    The rest of the file, comments included, stays as it is.
    """
    folder = Path(os.path.expanduser(folder)).absolute()
    kind = kind_of_folder(folder)
    document = _document()
    folders = document.setdefault("folders", {})
    known = load_settings().folders
    if kind == "models" or kind == "embeddings":
        if folder not in [_absolute(text) for text in getattr(known, kind)]:
            folders[kind] = [*getattr(known, kind), str(folder)]
    else:
        other = getattr(known, kind)
        if other and _absolute(other) != folder:
            raise InputError(
                "folder-taken",
                f"{settings_file()}: folders.{kind} is {other} already",
                f"There is one {kind} folder: tinv-tui models --forget {other} makes room for {folder}.",
            )
        folders[kind] = str(folder)
    _write(document)
    return kind, folder


def forget_folder(folder: Path) -> Path:
    """Take a folder out of the settings, whatever it was named as. Raises InputError when it is not there, or OSError."""
    folder = Path(os.path.expanduser(folder)).absolute()
    known, document, found = load_settings().folders, _document(), False
    for key in FoldersSection.model_fields:
        value = getattr(known, key)
        if isinstance(value, str):
            if value and _absolute(value) == folder:
                document["folders"][key], found = "", True
        elif folder in [_absolute(text) for text in value]:
            document["folders"][key] = [text for text in value if _absolute(text) != folder]
            found = True
    if not found:
        named = [*known.models, *known.embeddings, *filter(None, (known.a1111, known.comfyui))]
        raise InputError(
            "folder-unknown",
            f"{settings_file()} does not name {folder}",
            f"It names: {', '.join(named)}." if named else "It names no folder.",
        )
    _write(document)
    return folder


def kind_of_folder(folder: Path) -> Kind:
    """What a folder is, by its layout and by how large its files are; nothing is read. Raises InputError."""
    if not folder.is_dir():
        raise InputError("folder-missing", f"there is no folder {folder}", "Give a folder that is there.")
    if (folder / "models" / "Stable-diffusion").is_dir():
        return "a1111"
    if (folder / "models" / "checkpoints").is_dir():
        return "comfyui"
    if (folder / "model_index.json").is_file():
        return "models"
    try:
        files = list(
            islice((p for p in folder.rglob("*") if p.suffix in (".safetensors", ".pt", ".bin")), _LOOK_AT_FILES)
        )
        small = [p.stat().st_size <= _LARGEST_EMBEDDING_BYTES for p in files]
    except OSError as error:
        raise InputError("folder-unreadable", f"{folder}: {error.strerror}", "Choose a folder you can read.") from None
    looks_so = all(small) and not any((p.parent / "config.json").is_file() for p in files)
    return "embeddings" if (files and looks_so) or (not files and folder.name == "embeddings") else "models"


def _absolute(text: str) -> Path:
    return Path(os.path.normpath(paths.home() / os.path.expanduser(text)))


def _read() -> dict[str, Any]:
    file = settings_file()
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        paths.check_home()
        raise
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise InputError(
            "settings-unreadable", f"{file}: {why_unreadable(error)}", "It is a TOML file; mend or remove it."
        ) from None


def _document() -> TOMLDocument:
    import tomlkit  # with the first that is written: most who open the app only look

    _checked(_read())
    file = settings_file()
    return tomlkit.parse(file.read_text(encoding="utf-8")) if file.exists() else tomlkit.document()


def _write(document: TOMLDocument) -> None:
    import tomlkit

    paths.home().mkdir(parents=True, exist_ok=True)
    write_atomic(settings_file(), tomlkit.dumps(document))


def _checked(values: dict[str, Any]) -> Settings:
    file = settings_file()
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    if first["type"] == "extra_forbidden":
        raise InputError("settings-unknown-key", f"{file}: there is no key {key}", _nearest(key))
    allowed = _CHOICES.get(key) or (_KINDS_OF_VALUE[type(_default(key))] if "." in key else "a table")
    value: Any = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else value
    raise InputError("settings-value", f"{file}: {key} = {value!r} is not {allowed}", f"{key} takes {allowed}.")


def _default(key: str) -> Any:
    section, _, name = key.partition(".")
    return _SECTIONS[section].model_fields[name].default


def _nearest(key: str) -> str:
    known = [*_SECTIONS, *(f"{name}.{field}" for name, section in _SECTIONS.items() for field in section.model_fields)]
    owner = next((name for name, section in _SECTIONS.items() if "." not in key and key in section.model_fields), None)
    if owner is not None:
        return f"Did you mean {owner}.{key}? Write [{owner}] above it."
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
