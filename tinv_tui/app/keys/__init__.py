"""Every key of the app, once: bindings, the line at the bottom, the help screen and the command palette come from here.

No printable key starts, stops or deletes anything by itself: a terminal's own answers can arrive as key presses. The keys
that terminals, tmux and browsers keep for themselves are not used.
"""

from __future__ import annotations

from tinv_tui.app.keys.key import Key, shown_name, use_keys
from tinv_tui.app.keys.table import KEYS, LEAVE, bindings, foot_keys, name_of

__all__ = ["KEYS", "LEAVE", "Key", "bindings", "foot_keys", "name_of", "shown_name", "use_keys"]
