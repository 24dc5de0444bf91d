"""The words of pages in other languages: ``python -m tests.catalogues`` brings the catalogues up to date.

Texts are those of templates, of calls of ``words(...)`` and ``later(...)``, and the sentences about answers.
What is new stands in the catalogue without a translation, and a test fails until it has one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import runner
from runner.forms.words import sentence_templates
from runner.web.pages.languages import LANGUAGES, USUAL
from runner.web.pages.posted import NOT_JSON

WEB: Final = Path(runner.__file__).parent / "web"
PAGES: Final = WEB / "pages"
SIGN_IN: Final = (WEB / "sign_in" / "signing_in.py", WEB / "routes" / "sign_in.py")
OTHERS: Final = [language for language in LANGUAGES if language != USUAL]
_LOOKED_UP: Final = frozenset({"later", "words"})
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


def texts() -> Iterator[str | tuple[str, str]]:
    """Give every text that is looked up; of those that count the singular and the plural."""
    found = extract_from_dir(
        PAGES / "templates",
        [("**.html", "jinja2")],
        {"**.html": {"trimmed": "true"}},
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    for _file, _line, message, _comments, _context in found:
        yield message if isinstance(message, str) else (message[0], message[1])
    for path in (*sorted(PAGES.glob("*.py")), *SIGN_IN):
        yield from _called(ast.parse(path.read_text()))
    yield from sentence_templates()
    yield NOT_JSON
    yield " or "


def _called(tree: ast.AST) -> Iterator[str | tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        literals = [
            each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        is_self = isinstance(node.func, ast.Name) and name == "self"
        if literals and (name in _LOOKED_UP or is_self):
            yield literals[0]
        if name == "count" and len(literals) == 2:
            yield literals[0], literals[1]


def path_of(language: str, ending: str) -> Path:
    """Return where a catalogue is: its source (po), or what the program reads (mo)."""
    return WEB / "locale" / language / "LC_MESSAGES" / f"inbox.{ending}"


def updated(language: str) -> Catalog:
    """Return the catalogue of a language with every text there is, and none besides."""
    template = Catalog(domain="inbox", creation_date=_LONG_AGO, fuzzy=False)
    for text in texts():
        template.add(text)
    with path_of(language, "po").open("rb") as file:
        found = read_po(file, locale=language, domain="inbox")
    found.update(template, no_fuzzy_matching=True)
    found.obsolete.clear()
    found.creation_date = found.revision_date = _LONG_AGO
    found.fuzzy = False
    return found


def source_of(catalog: Catalog) -> bytes:
    """Return a catalogue as its source has it."""
    written = BytesIO()
    write_po(
        written,
        catalog,
        width=110,
        sort_output=True,
        omit_header=False,
        include_lineno=False,
        no_location=True,
    )
    return written.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return a catalogue as the program reads it."""
    written = BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def main() -> None:
    """Bring all catalogues up to date and say what is missing in them."""
    for language in OTHERS:
        catalog = updated(language)
        path_of(language, "po").write_bytes(source_of(catalog))
        path_of(language, "mo").write_bytes(compiled(catalog))
        missing = [
            message.id
            for message in catalog
            if message.id
            and not all(message.string if isinstance(message.string, tuple) else (message.string,))
        ]
        print(f"{language}: {len(missing)} of {len(catalog)} texts without a translation")
        for each in missing:
            print(f"  {each!r}")


if __name__ == "__main__":
    main()
