"""Deeds: what people do on pages. Each form leads to a page that only reads: reloading sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from runner.forms.words import Violation
from runner.tasks.record import Record
from runner.web.acting import Deed, act_on, task_key_of
from runner.web.bodies import Body, Bulk
from runner.web.pages.addresses import AFTER, DID, InboxPlace, place_of
from runner.web.pages.answering import Answers, FilledForm, answers_in, basis_of, definition_of
from runner.web.pages.fields_sent import BadField, values_of
from runner.web.pages.frame import framed
from runner.web.pages.inbox import HOME, InboxLook, Listed, form_part, inbox_page, look_of
from runner.web.pages.notices import refused_notice
from runner.web.pages.permissions import permitted
from runner.web.pages.rendering import HEADERS
from runner.web.pages.routing import PageRoute
from runner.web.pages.task_page import Notice, read_task, view_of
from runner.web.pages.views import VIEWS
from runner.web.pages.visit import Sending, Sent, Visit
from runner.web.problems import Refused, problem, respond
from runner.web.routes.bulk import carry_out
from runner.web.routing import Domain, Key, as_json
from runner.web.showing import version_of
from runner.web.violations import violations_of
from runner.web.ways import WAYS, deed

_VERBS: Final = frozenset({"claim", "release", "assign", "cancel", "timeout", "update", "comments"})
_LEAVES: Final = frozenset({"proceed", "cancel", "timeout"})
"""What ends a task: the list is shown afterwards."""
_SAID: Final = frozenset({"comments", "edit", "delete"})
"""What is about a comment: the page is shown where they are."""
_MOST_AFTER: Final = 10
Number = Annotated[int, Path(ge=1, le=1000)]

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Errand:
    """A form about a task that somebody has sent, and the task as it was read then."""

    sent: Sent
    place: InboxPlace
    look: InboxLook
    record: Record

    @property
    def visit(self) -> Visit:
        return self.sent.visit

    async def done(
        self, verb: str, body: Body | None, did: str, version: str | None = None, **more: Any
    ) -> Response:
        """Do something to the task and lead to the page that shows it; Refused where it is not done."""
        answer = await self.act(deed(verb, body, version, **more))
        return self.leave(answer, did)

    async def act(self, wanted: Deed) -> Mapping[str, Any]:
        visit = self.visit
        return await act_on(visit.parts, visit.caller, self.sent.asked, self.record.key, wanted, self.record)

    def leave(self, answer: Mapping[str, Any], did: str) -> Response:
        """Lead to the page that shows what was done."""
        told = [(AFTER, answer["after"])] if "after" in answer else []
        told.append((DID, did))
        if did in _LEAVES:
            return redirection(self.place.list_address(*told))
        task = answer["task"]
        place = self.place.task_address(task["domain"], task["key"], *told)
        return redirection(f"{place}#comments" if did in _SAID else place)

    async def again(self) -> Errand:
        """Return the same with the task as it is now."""
        return replace(self, record=await read_task(self.visit, self.record.key))

    async def shown(self, notice: Notice | None, status: int, form: FilledForm | None = None) -> Response:
        """Return the page of the task, with what was typed."""
        visit = self.visit
        task = await view_of(visit, self.record, form)
        if self.sent.field("part") == "form":
            return form_part(visit, task, self.place, status)
        return await inbox_page(visit, self.look, task, notice=notice, status=status)

    async def refused(self, refused: Refused) -> Response:
        """Return the page of the task as it is now, and why nothing was done."""
        if refused.status == 404 or refused.status >= 500:
            # Its page holds what was typed, to be sent again.
            raise refused
        errand = await self.again()
        return await errand.shown(refused_notice(self.visit.words, refused), refused.status)


async def errand_of(sent: Sending, in_domain: Domain, key: Key, query: Listed) -> Errand:
    """Return a form about a task; Refused with 404 where its sender does not see the task."""
    record = await read_task(sent.visit, task_key_of(sent.visit.caller, in_domain, key))
    place = place_of(sent.visit.query, VIEWS, HOME)
    return Errand(sent, place, look_of(sent.visit, place.view, query, place.query), record)


OnTask = Annotated[Errand, Depends(errand_of)]


@router.post("/tasks/{in_domain}/{key}/answers")
async def send_answers(errand: OnTask) -> Response:
    """Save the answers to a task, or finish it with them; or one entry more or less of a list."""
    definition = await definition_of(errand.visit.parts, errand.record)
    is_same = errand.sent.field("basis") == basis_of(errand.record)
    answers = answers_in(definition, errand.record, errand.sent.pairs, is_same=is_same)
    return await Answering(errand, answers, is_same=is_same).done()


@router.post("/tasks/{in_domain}/{key}/comments/{number}")
async def change_comment(errand: OnTask, number: Number) -> Response:
    """Change a comment of one's own, or take it back."""
    if errand.sent.field("do") == "delete":
        return await _attempted(errand, "comments", "delete", commentId=number, delete=True)
    return await _attempted(errand, "comments", "edit", commentId=number)


@router.post("/tasks/{in_domain}/{key}/{verb}")
async def do_verb(errand: OnTask, verb: str) -> Response:
    """Do one thing to a task."""
    if verb not in _VERBS:
        raise Refused(404, "there is nothing under this path")
    return await _attempted(errand, verb, verb)


async def _attempted(errand: Errand, verb: str, did: str, **more: Any) -> Response:
    try:
        body = None if did == "delete" else _body(verb, values_of(verb, errand.sent, errand.record))
        return await errand.done(verb, body, did, **more)
    except BadField as error:
        return await errand.shown(Notice("bad", errand.visit.words(str(error))), 400)
    except Refused as refused:
        return await errand.refused(refused)


@router.post("/inbox/bulk")
async def do_many(sent: Sending) -> Response:
    """Do the same to many tasks; what was not done is told task by task."""
    place = place_of(sent.visit.query, VIEWS, HOME)
    verb = sent.field("do")
    named = [value.partition("/") for name, value in sent.pairs if name == "task"]
    if verb not in _VERBS or not named:
        raise Refused(400, "choose tasks, and what is to be done to them")
    body = _bulk(sent, verb, [{"domain": domain, "key": key} for domain, _, key in named])
    results = await carry_out(sent.visit.parts, sent.visit.caller, sent.asked, body)
    done = [each for each in results if "done" in each]
    tokens = [each["done"]["after"] for each in done if "after" in each["done"]][-_MOST_AFTER:]
    after = [(AFTER, token) for token in tokens]
    if len(done) == len(results):
        return redirection(place.list_address(*after, (DID, "bulk"), ("n", str(len(done)))))
    refused = [each for each in results if "problem" in each]
    values = {"refused": refused, "done": len(done), "href": place.list_address(*after)}
    return await framed(sent.visit, "bulk.html", values, here=place.view, status=207)


def _body(verb: str, values: Mapping[str, Any]) -> Body:
    """Return the body of a verb; Refused with 400 where these values are none."""
    try:
        return WAYS[verb].body.model_validate(values)
    except ValidationError as error:
        first = violations_of(error.errors())[0]
        raise Refused(400, f"{first['pointer'].lstrip('/')}: {first['message']}") from error


def _bulk(sent: Sent, verb: str, tasks: list[dict[str, str]]) -> Bulk:
    try:
        return Bulk.model_validate({"verb": verb, "tasks": tasks, "values": values_of(verb, sent, None)})
    except ValidationError as error:
        raise Refused(400, "these are too many tasks at once, or none that there could be") from error
    except BadField as error:
        raise Refused(400, str(error)) from error


class Answering:
    """One form of answers that was sent."""

    def __init__(self, errand: Errand, answers: Answers, *, is_same: bool) -> None:
        """``is_same``: whether the task is still what the answers were given upon."""
        self._errand = errand
        self._answers = answers
        self._is_same = is_same

    async def done(self) -> Response:
        """Do what its button says."""
        sent, posted = self._errand.sent, self._answers.posted
        outcome = sent.field("outcome") or None
        if posted.changed is not None:
            return await self._errand.shown(None, 200, self._answers.form())
        if outcome is None and sent.field("do") != "finish":
            return await self._save()
        return await self._finish(outcome)

    async def _save(self) -> Response:
        if self._answers.posted.violations:
            return await self._wrong(self._answers.posted.violations)
        return await self._act("draft", {"data": self._answers.data or {}}, "save")

    async def _finish(self, outcome: str | None) -> Response:
        wrong = self._answers.wrong()
        if wrong:
            return await self._wrong(wrong)
        named = {} if outcome is None else {"outcome": outcome}
        return await self._act("proceed", {"answers": self._answers.data, **named}, "proceed")

    async def _act(self, verb: str, values: Mapping[str, Any], did: str) -> Response:
        sent, record = self._errand.sent, self._errand.record
        # What else has changed since the page was made, such as a comment, does not matter.
        version = version_of(record) if self._is_same else sent.field("version")
        try:
            answer = await self._errand.act(deed(verb, _body(verb, values), version))
        except Refused as refused:
            return await self._refused(refused)
        return await self._saved() if sent.by_script else self._errand.leave(answer, did)

    async def _saved(self) -> Response:
        """Tell the script what later answers are given upon."""
        visit, record = self._errand.visit, (await self._errand.again()).record
        said = visit.words("Saved at %(time)s", time=visit.dates.time(visit.now_ms))
        return as_json({"basis": basis_of(record), "version": version_of(record), "said": said})

    async def _refused(self, refused: Refused) -> Response:
        notice = refused_notice(self._errand.visit.words, refused)
        if self._errand.sent.by_script:
            return as_json(refused.body() | {"said": notice.title}, refused.status)
        errand = await self._errand.again()
        if "proceed" not in permitted(errand.visit.parts, errand.visit.caller, errand.record):
            # There is no form any more that could have it: the page of the refusal shows what was typed.
            raise refused
        told = [Violation(each["pointer"], each["rule"], each["message"]) for each in refused.violations]
        form = self._answers.upon(errand.record).form(told)
        return await errand.shown(notice, refused.status, form)

    async def _wrong(self, violations: Sequence[Violation]) -> Response:
        if self._errand.sent.by_script:
            return respond(problem(422, "the answers do not fit the form"))
        return await self._errand.shown(None, 422, self._answers.form(violations))


def redirection(address: str) -> Response:
    """Lead a browser to a page that it reads."""
    return RedirectResponse(address, 303, dict(HEADERS))
