"""Every key of the app, once: bindings, the line at the bottom, the help, the palette and README come from here.

No printable key starts, stops or deletes anything by itself: a terminal's own answers can arrive as key presses. The keys
that terminals, tmux and browsers keep for themselves are not used.
"""

from __future__ import annotations

from tinv_tui.app.keys.dialogs import DIALOGS, TYPED_IN
from tinv_tui.app.keys.groups import Group, groups_in, groups_on
from tinv_tui.app.keys.key import Key, is_text, key_named, shown_name, use_keys
from tinv_tui.app.keys.table import (
    ALL_KEYS,
    KEYS,
    LEAVE,
    bindings,
    bindings_of,
    fitting,
    foot_keys,
    hint,
    name_of,
    pair,
    with_keys,
)

__all__ = [
    "ALL_KEYS",
    "DIALOGS",
    "KEYS",
    "LEAVE",
    "TYPED_IN",
    "Group",
    "Key",
    "bindings",
    "bindings_of",
    "fitting",
    "foot_keys",
    "groups_in",
    "groups_on",
    "hint",
    "is_text",
    "key_named",
    "name_of",
    "pair",
    "shown_name",
    "use_keys",
    "with_keys",
]
