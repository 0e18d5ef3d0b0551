"""What can be done about a picture of the dataset, the most helpful first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_HELPS = {
    "caption-missing": "caption",
    "caption-long": "caption",
    "caption-placeholder": "caption",
    "not-square": "preprocess",
    "size-differs": "preprocess",
    "turned": "preprocess",
    "format": "preprocess",
}
"""By the code of a finding; about anything else there is only one thing to do here: leave the picture out."""
_MOST_SAID = 2


def fixes(picture: PictureEntry, findings: Sequence[Finding], *, is_left_out: bool) -> list[tuple[str, str]]:
    """(id, label) of what can be done; ``findings`` the worst first."""
    labels = {
        "caption": "Edit its caption",
        "exclude": "Take it back into the training" if is_left_out else "Leave it out of the training; the file stays",
        "preprocess": "Preprocess the folder into another one; nothing is written yet",
    }
    if picture.problem is not None:
        del labels["caption"]
    wanted = ["exclude"] if is_left_out else [_HELPS.get(finding.code, "exclude") for finding in findings]
    order = [fix for fix in dict.fromkeys([*wanted, *labels]) if fix in labels]
    return [(fix, labels[fix]) for fix in order]


def in_words(picture: PictureEntry, findings: Sequence[Finding], *, is_left_out: bool) -> str:
    """What is wrong, and what the check says to do."""
    if is_left_out:
        return "It is left out of the training."
    if not findings:
        return "Nothing is wrong with it." if picture.caption else "It has no caption; the template asks for none."
    said = [f"{finding.message[:1].upper()}{finding.message[1:]}. {finding.hint}" for finding in findings[:_MOST_SAID]]
    more = f" And {len(findings) - _MOST_SAID} more." if len(findings) > _MOST_SAID else ""
    return "\n".join(said) + more
