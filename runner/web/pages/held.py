"""Held forms: where a form that was sent is not carried out, the page that says so holds it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runner.web.pages.languages import later
from runner.web.pages.names import ADD, REMOVE, field_of

MOST_HELD: Final = 5_000
"""Fields of a form that a page holds: more than a form of ours has. Who has no session can have it made."""
CSRF: Final = "csrf"
"""Field of a form: the value of its page's session, and the user it was made for (``Visit.seal``)."""

_UNSEEN: Final = re.compile(r"(csrf|key|basis|version|do|part|back|notes_before)$|(entry|zone|add|remove)/")
"""Names of fields that people do not see, or that say nothing without their form."""
_OF_TASK: Final = re.compile(r"/tasks/[^/]+/([^/]+)/(.+)")
_BULK: Final = "/inbox/bulk"


@dataclass(frozen=True)
class Held:
    """A form that was sent, to be sent again."""

    path: str
    pairs: Sequence[tuple[str, str]]
    """Its fields as they are sent again."""
    made_for: str
    """Whose page it was on; empty where that is not known."""
    sent_by: str = ""
    """Who sends it in another session; empty: nobody does."""

    def sealed(self, seal: str, sent_by: str = "") -> Held:
        """Return the same with another value of its field csrf."""
        pairs = [(CSRF, seal), *((name, value) for name, value in self.pairs if name != CSRF)]
        return replace(self, pairs=pairs, sent_by=sent_by)

    @property
    def deed(self) -> str:
        """What it does, in the words of its button, to be looked up; empty for what is no deed."""
        pressed = {name.partition("/")[0]: value for name, value in self.pairs}
        did = pressed.get("do", "")
        found = _OF_TASK.fullmatch(self.path)
        match found and found[2]:
            case None:
                return _DEEDS.get(did, "") if self.path == _BULK else ""
            case "answers" if ADD in pressed or REMOVE in pressed:
                return ""
            case "answers":
                return _DEEDS["finish" if "outcome" in pressed or did == "finish" else "save"]
            case verb if verb.startswith("comments/"):
                return _DEEDS["delete" if did == "delete" else "edit"]
            case verb:
                return _DEEDS.get(verb, "")

    @property
    def task(self) -> str:
        """The key of the one task that it is about; empty where there is none."""
        found = _OF_TASK.fullmatch(self.path)
        return "" if found is None else found[1]

    @property
    def typed(self) -> list[tuple[str, str]]:
        """Its fields that people know, and what is in them."""
        seen = [(name, text) for name, text in self.pairs if text.strip() and not _UNSEEN.match(name)]
        return [(field_of(name), text) for name, text in seen]


_DEEDS: Final[Mapping[str, str]] = {
    "claim": later("Claim"),
    "release": later("Give back"),
    "assign": later("Assign"),
    "update": later("Save changes"),
    "cancel": later("Cancel the task"),
    "timeout": later("Let the task time out now"),
    "comments": later("Comment"),
    "edit": later("Save"),
    "delete": later("Delete"),
    "save": later("Save draft"),
    "finish": later("Finish"),
}
