"""Which widgets a class of their screen concerns: a form has a hundred that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from textual.css.model import RuleSet, SelectorType
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.screen import Screen


def concerned(screen: Screen[None], classes: AbstractSet[str], stylesheet: Stylesheet) -> Iterator[DOMNode]:
    """The screen, and what is on it that a rule which names one of the classes may be about."""
    about = {name for rule in stylesheet.rules if _names(rule, classes) for name in rule.selector_names}
    for node in screen.walk_children(with_self=True):
        if node is screen or not about.isdisjoint(node._selector_names):
            yield node


def _names(rule: RuleSet, classes: AbstractSet[str]) -> bool:
    return any(
        selector.type is SelectorType.CLASS and selector.name in classes
        for selectors in rule.selector_set
        for selector in selectors.selectors
    )
