"""What a page shows is what comes back: valid answers, through HTML and a browser, are the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings

from runner.actions.answers import completed
from runner.envelope import plain
from runner.envelope.values import deep_merge
from runner.forms.form import Form
from runner.forms.tree import escaped
from runner.web.pages.controls import shown
from runner.web.pages.fields import fields_of, initial
from runner.web.pages.posted import read_posted, wrong_with
from tests.unit.web.pages.browser import page, posts
from tests.unit.web.pages.forms import Case, cases

_SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def exact(value: Any) -> bytes:
    """Return JSON that tells numbers apart by how they are written, not fields by their order."""
    if isinstance(value, dict):
        return (
            b"{" + b",".join(plain.encode(name) + b":" + exact(value[name]) for name in sorted(value)) + b"}"
        )
    if isinstance(value, list):
        return b"[" + b",".join(map(exact, value)) + b"]"
    return plain.encode(value)


def pointers_of(sought: bool | None, value: Any, pointer: str = "") -> Iterator[str]:
    """Give the pointers of fields that are this."""
    if value is sought:
        yield pointer
    for name, part in value.items() if isinstance(value, dict) else ():
        yield from pointers_of(sought, part, f"{pointer}/{escaped(name)}")


@given(cases())
@_SLOW
def test_a_saved_draft_comes_back_from_the_page_as_it_was(case: Case) -> None:
    form, root = Form(case.schema), fields_of(case.definition)
    assert form.violations(case.answers) == ()
    posted = read_posted(root, posts(page(shown(root, case.answers))), case.answers)
    assert (posted.violations, posted.typed, posted.changed) == ((), {}, None)
    assert exact(deep_merge(case.answers, posted.data)) == exact(case.answers)
    assert exact(completed(case.answers, posted.data, form)) == exact(case.answers)
    assert wrong_with(posted, form, case.answers) == ()


@given(cases())
@_SLOW
def test_what_is_posted_without_a_draft_is_shown_again_and_posted_again_alike(case: Case) -> None:
    form, root = Form(case.schema), fields_of(case.definition)
    first = read_posted(root, posts(page(shown(root, case.answers))))
    assert wrong_with(first, form) == ()
    assert form.draft_violations(first.data) == ()
    second = read_posted(root, posts(page(shown(root, first.data))))
    assert exact(second.data) == exact(first.data)


@given(cases())
@_SLOW
def test_a_page_that_is_blanked_takes_all_back_that_was_saved(case: Case) -> None:
    form, root = Form(case.schema), fields_of(case.definition)
    made = page(shown(root, {}))
    pairs = [(each.attributes["name"], "") for each in made if each.tag in {"input", "select", "textarea"}]
    draft, fresh = read_posted(root, pairs, case.answers), read_posted(root, pairs)
    wrong = {each.pointer for each in form.violations(completed(case.answers, draft.data, form))}
    # Null is an answer where the schema takes it; once something else is wrong, it is taken out there, too.
    nulls = set(pointers_of(None, deep_merge(case.answers, draft.data)))
    # A box that is not ticked says no, which may be what was saved.
    unticked = set(pointers_of(False, case.answers))
    expected = {each.pointer for each in form.violations(fresh.data)}
    assert expected - nulls - unticked <= wrong <= expected | nulls


def test_an_entry_without_an_answer_yet_keeps_its_place() -> None:
    entry = {"type": "object", "required": ["yes"], "properties": {"yes": {"type": "boolean"}}}
    schema = {"properties": {"l": {"type": "array", "items": entry}}}
    root = fields_of(plain.encode({"schema": schema}))
    answers = {"l": [{}, {"yes": True}, {}]}
    assert read_posted(root, posts(page(shown(root, answers)))).data == answers


@given(cases())
@_SLOW
def test_ids_differ_and_every_label_and_description_has_its_element(case: Case) -> None:
    root = fields_of(case.definition)
    made = page(shown(root, initial(root)))
    ids = [each.attributes["id"] for each in made if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    used = [label.attributes["for"] for label in made.all("label")]
    used += [each for e in made for each in e.attributes.get("aria-describedby", "").split()]
    assert set(used) <= set(ids)
    shown_to_people = [each for each in made if each.tag in {"input", "select", "textarea"}]
    assert all(
        each.attributes.get("type") == "hidden"
        or "aria-label" in each.attributes
        or each.attributes["id"] in used
        for each in shown_to_people
    )
