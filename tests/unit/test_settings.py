"""TINV_HOME/settings.toml: which folders hold models and embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinv_tui import paths, settings
from tinv_tui.app.look import Look, read_look
from tinv_tui.errors import InputError


def write(text: str) -> Path:
    paths.home().mkdir(parents=True, exist_ok=True)
    settings.settings_file().write_text(text)
    return settings.settings_file()


def test_without_a_file_there_are_the_folders_of_tinv_home() -> None:
    found = settings.load_settings()
    assert found.model_folders() == (paths.home() / "models",)
    assert found.embedding_folders() == (paths.home() / "embeddings",)
    assert (found.vae_folders(), found.a1111) == ((), None)


def test_the_folders_of_other_programs_follow_from_their_own() -> None:
    write(
        '[folders]\nmodels = ["more", "/disk/models"]\nembeddings = ["~/e"]\na1111 = "/srv/webui"\ncomfyui = "/srv/comfy"\n'
    )
    found, home = settings.load_settings(), paths.home()
    assert [str(p) for p in found.model_folders()] == [
        f"{home}/models",
        f"{home}/more",
        "/disk/models",
        "/srv/webui/models/Stable-diffusion",
        "/srv/comfy/models/checkpoints",
    ]
    assert [str(p) for p in found.embedding_folders()] == [
        f"{home}/embeddings",
        str(Path("~/e").expanduser()),
        "/srv/webui/embeddings",
        "/srv/comfy/models/embeddings",
    ]
    assert [str(p) for p in found.vae_folders()] == ["/srv/webui/models/VAE", "/srv/comfy/models/vae"]


@pytest.mark.parametrize(
    ("text", "code", "says", "hint"),
    [
        ('[folders]\nmodel = ["/x"]', "settings-unknown-key", "folders.model", "folders.models"),
        ('[folder]\nmodels = ["/x"]', "settings-unknown-key", "there is no key folder", "Did you mean folders?"),
        ('models = ["/x"]', "settings-unknown-key", "there is no key models", "folders.models"),
        ('[folders]\nmodels = "/x"', "settings-value", "folders.models = '/x' is not a list", "a list of folders"),
        ("[folders]\nmodels = [1]", "settings-value", "folders.models = [1] is not a list", "a list of folders"),
        ("[folders]\na1111 = 3", "settings-value", "folders.a1111 = 3 is not text", "text"),
        ("[cache]\nlatents_gib = -1", "settings-value", "cache.latents_gib = -1 is not a number", "from 0 up"),
        ('[cache]\nlatents_gib = "4"', "settings-value", "cache.latents_gib = '4' is not a number", "from 0 up"),
        ("[app]\nbell = 1", "settings-value", "app.bell = 1 is not true or false", "true or false"),
        ('on_end = "true"', "settings-unknown-key", "there is no key on_end", "Did you mean hooks.on_end?"),
        ('[hooks]\nonend = ""', "settings-unknown-key", "hooks.onend", "hooks.on_end"),
        ("folders = 3", "settings-value", "folders = 3 is not a table", "a table"),
        ("[folders", "settings-unreadable", "settings.toml", "TOML"),
        ("x = " + "[" * 5000, "settings-unreadable", "settings.toml", "TOML"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_what_is_right(text: str, code: str, says: str, hint: str) -> None:
    file = write(text)
    with pytest.raises(InputError) as caught:
        settings.load_settings()
    assert caught.value.code == code
    assert caught.value.message.startswith(str(file))
    assert says in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("models/Stable-diffusion/x.safetensors", "a1111"),
        ("models/checkpoints/x.safetensors", "comfyui"),
        ("model_index.json", "models"),
        ("sd/model_index.json", "models"),
        ("sd/unet/config.json", "models"),
        ("cat.pt", "embeddings"),
        ("style/cat.safetensors", "embeddings"),
    ],
)
def test_a_folder_is_known_by_its_layout(tmp_path: Path, inside: str, kind: str) -> None:
    (tmp_path / "it" / inside).parent.mkdir(parents=True)
    (tmp_path / "it" / inside).write_bytes(b"x")
    if inside.endswith("config.json"):
        (tmp_path / "it" / inside).with_name("model.safetensors").write_bytes(b"x")
    assert settings.kind_of_folder(tmp_path / "it") == kind


def test_large_files_are_models_not_embeddings(tmp_path: Path) -> None:
    with (tmp_path / "sd.safetensors").open("wb") as file:
        file.truncate(2_000_000_000)
    (tmp_path / "cat.pt").write_bytes(b"x")
    assert settings.kind_of_folder(tmp_path) == "models"


def test_a_folder_is_added_once_and_forgotten_and_comments_stay(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write('# mine\n[folders]\nmodels = ["/disk"]  # the big one\n')
    for _ in range(2):
        assert settings.add_folder(tmp_path / "m") == ("models", tmp_path / "m")
    assert settings.load_settings().folders.models == ("/disk", str(tmp_path / "m"))
    assert "# mine" in settings.settings_file().read_text()
    settings.forget_folder(tmp_path / "m")
    assert settings.load_settings().folders.models == ("/disk",)
    with pytest.raises(InputError) as caught:
        settings.forget_folder(tmp_path / "m")
    assert (caught.value.code, "/disk" in caught.value.hint) == ("folder-unknown", True)


def test_a_program_is_added_and_forgotten_and_a_second_one_does_not_push_it_out(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "models" / "Stable-diffusion").mkdir(parents=True)
    assert settings.add_folder(tmp_path / "one")[0] == "a1111"
    assert settings.load_settings().a1111 == tmp_path / "one"
    with pytest.raises(InputError) as caught:
        settings.add_folder(tmp_path / "two")
    assert (caught.value.code, settings.load_settings().a1111) == ("folder-taken", tmp_path / "one")
    settings.forget_folder(tmp_path / "one")
    assert settings.load_settings().a1111 is None


def test_a_broken_file_is_not_written_over(tmp_path: Path) -> None:
    file = write("[folders\n")
    with pytest.raises(InputError):
        settings.add_folder(tmp_path)
    assert file.read_text() == "[folders\n"


def test_a_folder_that_is_not_there_is_not_added(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        settings.add_folder(tmp_path / "none")
    assert not settings.settings_file().exists()


@pytest.mark.parametrize("below", ["", "deeper/down"])
def test_a_home_that_is_a_file_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    (tmp_path / "file").write_text("")
    with monkeypatch.context() as changed:
        changed.setenv("TINV_HOME", str(tmp_path / "file" / below))
        with pytest.raises(InputError) as caught:
            settings.load_settings()
    assert caught.value.message == f"TINV_HOME: {tmp_path / 'file'} is a file, not a folder"


def test_how_much_is_cached_is_told_in_bytes_and_nothing_is_where_the_settings_are_broken() -> None:
    assert settings.latent_cache_bytes() == 4 * 2**30
    write("[cache]\nlatents_gib = 0.5")
    assert settings.latent_cache_bytes() == 2**29
    write("[cache")
    assert settings.latent_cache_bytes() == 0


def test_the_app_comes_up_whatever_the_settings_nest() -> None:
    write("x = " + "[" * 5000)
    assert read_look() == Look()
