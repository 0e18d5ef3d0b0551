"""``python -m tinv_tui`` is ``tinv-tui``."""

from tinv_tui.cli import main

main()
