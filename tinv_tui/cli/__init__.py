"""The command line. Each command's module is imported only when it is called: starting must not cost a second."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING

import click

from tinv_tui import paths

if TYPE_CHECKING:
    from tinv_tui.app.graphics import Pictures

_COMMANDS = {
    "demo": "training",
    "preprocess": "preprocessing",
    "train": "training",
    "resume": "training",
    "runs": "watching",
    "show": "watching",
    "attach": "watching",
    "tail": "watching",
    "compare": "comparing",
    "stop": "steering",
    "pause": "steering",
    "unpause": "steering",
    "save": "steering",
    "preview": "steering",
    "set": "steering",
    "create": "embeddings",
    "check": "dataset",
    "generate": "generating",
    "use": "using",
    "import-a1111": "importing",
    "plan": "checking",
    "inspect": "files",
    "convert": "files",
    "embeddings": "embeddings",
    "models": "models",
    "serve": "serving",
    "doctor": "doctor",
    "bench": "benching",
}


class _LazyGroup(click.Group):
    """Finds a command in the module that declares it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"tinv_tui.cli.{_COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        asked = args[0]
        if asked not in _COMMANDS and not asked.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(asked, _COMMANDS, n=1)
            raise click.UsageError(f"there is no command {asked!r}." + (f" Did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)


def _say_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from tinv_tui.cli.output import say
        from tinv_tui.version import own_version

        say(f"tinv-tui, version {own_version()}")
        ctx.exit()


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version, help="Show the version."
)
@click.option("--slow-link", is_flag=True, help="The app: look less often, draw pictures only when asked.")
@click.option(
    "--pictures", type=click.Choice(["half-cells", "sixel", "kitty"]), help="The app: what pictures are drawn as."
)
@click.pass_context
def commands(ctx: click.Context, slow_link: bool, pictures: Pictures | None) -> None:
    """Teach Stable Diffusion a new word from a few pictures. Without a command: the app."""
    if ctx.invoked_subcommand is None:
        from tinv_tui.cli.output import require_terminal

        require_terminal("tinv-tui --help lists the commands that need none.")
        paths.check_home()
        from tinv_tui.app.opening import run_app

        run_app(slow_link=slow_link, pictures=pictures)


def main() -> None:
    """The console script. Errors of usage are said as all others are, under ``--json`` as JSON."""
    from tinv_tui.cli.output import EXIT_INPUT, EXIT_INTERRUPTED, say_error
    from tinv_tui.errors import InputError

    _open_missing_streams()
    _say_what_can_be_said()
    try:
        sys.exit(commands(standalone_mode=False))
    except click.ClickException as error:
        asked = getattr(getattr(error, "ctx", None), "info_name", None)
        of = f" {asked}" if asked in _COMMANDS else ""
        say_error("usage", error.format_message(), f"See tinv-tui{of} --help.", "--json" in sys.argv)
        sys.exit(EXIT_INPUT)
    except InputError as error:
        say_error(error.code, error.message, error.hint, "--json" in sys.argv)
        sys.exit(EXIT_INPUT)
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)


def _open_missing_streams() -> None:
    """Who starts a program may close its standard streams (``<&-``): Python has none then, and a file would get the number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  open as long as the program runs


def _say_what_can_be_said() -> None:
    """In a locale that has not all of Unicode (Latin-1, say) what it has no letter for is a question mark, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
