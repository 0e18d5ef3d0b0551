"""The keys of lists, fields and other widgets, wherever they stand. Their ids begin with what the widget is."""

from __future__ import annotations

from tinv_tui.app.keys.key import Key

WIDGETS: tuple[Key, ...] = (
    Key("list.up", "up,k", "move(-1)", "up", "A row up"),
    Key("list.down", "down,j", "move(1)", "down", "A row down"),
    Key("list.page_up", "pageup", "move_page(-1)", "page up", "A page up"),
    Key("list.page_down", "pagedown", "move_page(1)", "page down", "A page down"),
    Key("list.first", "home", "go(0)", "first", "The first row"),
    Key("list.last", "end", "go(-1)", "last", "The last row"),
    Key("list.choose", "enter", "choose", "choose", "Take the row"),
    Key("log.older", "up,k", "back(1)", "older", "A line back in the log"),
    Key("log.newer", "down,j", "back(-1)", "newer", "A line on in the log"),
    Key("log.page_up", "pageup", "back_page(1)", "older", "A page back in the log"),
    Key("log.page_down", "pagedown", "back_page(-1)", "newer", "A page on in the log"),
    Key("log.oldest", "home", "back(100000)", "oldest", "The oldest line of the log"),
    Key("log.newest", "end", "back(-100000)", "newest", "The newest line of the log"),
    Key("tabs.previous", "left,h", "step(-1)", "previous", "The tab before"),
    Key("tabs.next", "right,l", "step(1)", "next", "The next tab"),
    Key("choice.previous", "left,h", "step(-1)", "previous", "The choice before"),
    Key("choice.next", "right,l,space", "step(1)", "next", "The next choice"),
    Key("tick.turn", "space,enter", "turn", "change", "Set the tick, or take it away"),
    Key("field.next", "down", "app.focus_next", "next field", "The next field"),
    Key("field.previous", "up", "app.focus_previous", "previous field", "The field before"),
    Key("finder.close", "escape", "close", "all fields", "All fields of the form again"),
    Key("filter.list", "down,up,enter", "app.focus('pictures')", "to the list", "From the filter to the pictures"),
    Key("walk.up", "up", "screen.move(-1)", "up", "A row up, while a name is typed"),
    Key("walk.down", "down", "screen.move(1)", "down", "A row down, while a name is typed"),
    Key("walk.page_up", "pageup", "screen.move_page(-1)", "page up", "A page up, while a name is typed"),
    Key("walk.page_down", "pagedown", "screen.move_page(1)", "page down", "A page down, while a name is typed"),
    Key("focus.next", "tab", "app.focus_next", "next", "The next field or list", priority=True),
    Key("focus.previous", "shift+tab", "app.focus_previous", "previous", "The field or list before", priority=True),
)
