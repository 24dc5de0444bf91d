"""Frame: what stands round every page: the lists that can be gone to, who is there, a notice."""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse

from runner.web.pages.addresses import list_path
from runner.web.pages.listing import Tab, tabs_of
from runner.web.pages.rendering import page
from runner.web.pages.task_page import Notice, new_key
from runner.web.pages.views import VIEWS
from runner.web.pages.visit import Visit

Values = dict[str, Any]


async def framed(
    visit: Visit,
    template: str,
    values: Values,
    *,
    here: str,
    notice: Notice | None = None,
    status: int = 200,
) -> HTMLResponse:
    """Return a page; ``here``: the list, or the page beside the lists, that is shown."""
    tabs: list[Tab] = await tabs_of(visit, here)
    everything = {
        "visit": visit,
        "tabs": tabs,
        "here": here,
        "notice": notice,
        "csrf": visit.seal,
        "new_key": new_key,
        "users": {} if visit.parts.sign_in is None else visit.parts.sign_in.users,
        # Who somebody becomes may not see this page, but has the same list.
        "as_other": list_path(here) if here in VIEWS and not VIEWS[here].is_of_admins else "/",
        "has_stylesheet": visit.parts.stylesheet is not None,
        **values,
    }
    return page(template, visit.manner, everything, status)
