"""An inbox with people, forms and tasks of every kind in it, as tests and screenshots show it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.e2e.site import Site, session_ms
from tests.e2e.web import Office, Web, create_topics, office, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.waiting import until

PEOPLE: Final = {
    "carla": ["clerk"],
    "max": ["manager", "clerk"],
    "ada": ["admin"],
    "sam": ["starter"],
}
"""A clerk, a manager and an admin; sam is the program that starts tasks."""

SETTINGS: Final = {
    "RUNNER_WEB__USERS": json.dumps(PEOPLE),
    "RUNNER_PROJECTION__ATTRIBUTES": json.dumps({"amount": "amount", "customer": "customer.name"}),
}

PATIENCE_MS: Final = 30_000
"""How long a page may take to show something."""
expect.set_options(timeout=PATIENCE_MS)

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

INVOICE: Final = {
    "description": "Check the invoice against the order before it is paid.",
    "schema": {
        "type": "object",
        "required": ["approvedAmount", "reason"],
        "properties": {
            "approvedAmount": {
                "type": "number",
                "title": "Approved amount",
                "description": "In euros; no more than the invoice says.",
                "minimum": 0,
                "maximum": 100000,
            },
            "reason": {
                "type": "string",
                "title": "Reason",
                "enum": ["as ordered", "partly delivered", "price agreed later"],
            },
            "payOn": {"type": "string", "format": "date", "title": "Pay on"},
            "remark": {"type": "string", "maxLength": 400, "title": "Remark for the supplier"},
            "urgent": {"type": "boolean", "title": "Pay at once", "default": False},
        },
    },
    "uiOrder": ["approvedAmount", "reason", "payOn", "urgent", "remark"],
    "uiWidgets": {"urgent": "checkbox"},
    "outcomes": ["approve", "reject"],
}
ACCOUNT: Final = {
    "description": "Know your customer: who they are, and who stands behind them.",
    "schema": {
        "type": "object",
        "required": ["name", "risk"],
        "properties": {
            "name": {"type": "string", "minLength": 2, "title": "Full name"},
            "born": {"type": "string", "format": "date", "title": "Date of birth"},
            "email": {"type": "string", "format": "email", "title": "E-mail"},
            "risk": {"type": "string", "enum": ["low", "medium", "high"], "title": "Risk"},
            "address": {
                "type": "object",
                "title": "Address",
                "required": ["city"],
                "properties": {
                    "street": {"type": "string", "title": "Street"},
                    "city": {"type": "string", "title": "City"},
                },
            },
            "owners": {
                "type": "array",
                "title": "Owners",
                "items": {
                    "type": "object",
                    "title": "Owner",
                    "required": ["name", "share"],
                    "properties": {
                        "name": {"type": "string", "title": "Name"},
                        "share": {"type": "integer", "minimum": 1, "maximum": 100, "title": "Share in %"},
                    },
                },
            },
        },
    },
}


def define(web: Web) -> None:
    """Define the forms, and wait until lists have them."""
    for spec, form in {"check-invoice": INVOICE, "open-account": ACCOUNT}.items():
        answer = web.ask("ada", "PUT", f"/definitions/default/{spec}", json=form)
        assert answer.status_code == 200, answer.text
    until(
        lambda: len(web.get("ada", "/definitions").json()["definitions"]) == 2, "the definitions in the list"
    )


def invoice(number: int, amount: float, customer: str, **more: Any) -> dict[str, Any]:
    """Return the body of a StartTask of an invoice."""
    return {
        "name": f"Check invoice {number}",
        "spec": "check-invoice",
        "taskId": f"invoice-{number}",
        "roles": ["clerk"],
        "data": {
            "amount": amount,
            "customer": {"name": customer, "since": "2019-04-01"},
            "order": f"PO-{number * 7}",
            "lines": [
                {"item": "Paper, A4", "count": 40, "price": 3.2},
                {"item": "Toner", "count": 2, "price": 89.9},
            ],
        },
        **more,
    }


def furnish(office: Office, web: Web) -> None:
    """Start tasks of every kind, and do a few things to them."""
    now = int(time.time() * 1000)
    for body in (
        invoice(4711, 307.8, "Miller & Sons", dueOn=now - 3 * HOUR, priority=80),
        invoice(4712, 1289.5, "Atelier Brandt", dueOn=now + 5 * HOUR),
        invoice(4713, 88.0, "Nordlicht GmbH", dueOn=now + 3 * DAY),
        invoice(4714, 12999.99, "Hafen Logistik", roles=["manager"], priority=90, timeout=2 * DAY),
        invoice(4715, 45.5, "Café Amsel", notes="The supplier called: they need an answer this week."),
        invoice(4716, 512.0, "Miller & Sons"),
    ):
        office.started(web, **body)
    for number, name in enumerate(("Jane Doe", "Yusuf Kaya", "Ada King", "Old Harbour Ltd")):
        office.started(
            web,
            name=f"Open account: {name}",
            spec="open-account",
            taskId=f"account-{number}",
            roles=["clerk", "manager"],
            data={"customer": {"name": name}, "branch": "Hamburg"},
            **({"timeout": 6 * HOUR} if number == 1 else {}),
        )
    office.started(
        web, name="Call the customer back", taskId="call-1", user="carla", data={"phone": "+49 40 555"}
    )
    done("carla", web, "invoice-4711", "claim")
    done(
        "carla", web, "invoice-4711", "comments", {"text": "The toner was not delivered. I have asked them."}
    )
    done(
        "max", web, "invoice-4711", "comments", {"text": "Pay the paper only, then.\nThe rest when it comes."}
    )
    done(
        "carla", web, "invoice-4711", "draft", {"data": {"approvedAmount": 128, "reason": "partly delivered"}}
    )
    done("carla", web, "account-0", "claim")
    done("max", web, "account-2", "claim")
    done("max", web, "account-2", "release")
    done("max", web, "account-2", "claim")
    done("carla", web, "invoice-4716", "claim")
    done(
        "carla",
        web,
        "invoice-4716",
        "proceed",
        {"answers": {"approvedAmount": 512, "reason": "as ordered"}, "outcome": "approve"},
    )
    done("ada", web, "account-3", "cancel", {"reason": "The customer has withdrawn."})


def done(who: str, web: Web, key: str, verb: str, body: Any = None) -> None:
    """Do something to a task, and wait until lists have it."""
    answer = web.post(who, f"/tasks/default/{key}/{verb}", body)
    assert answer.status_code in {200, 201}, answer.text
    web.get(who, "/tasks", params={"after": answer.json()["after"]})


class Person:
    """Somebody in a browser of their own."""

    def __init__(self, context: BrowserContext, web: Web, who: str) -> None:
        self.context = context
        self.web = web
        self.who = who
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(f"{web.url}/sign-in?next=/inbox/mine")
        self.page.get_by_role("button", name=who, exact=True).click()
        expect(self.page).to_have_url(f"{web.url}/inbox/mine")

    def _hear(self, message: ConsoleMessage) -> None:
        # What the policy of a page refuses is told here as well.
        # What a server answers, or whether one does, is no fault of the page.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.troubles.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page of the inbox."""
        self.page.goto(self.web.url + path)
        return self.page

    def row(self, title: str) -> Locator:
        """The row of a task in the list that is shown."""
        return self.page.locator(".row-item").filter(has_text=title)

    def is_live(self) -> None:
        """Return once the page hears of changes."""
        expect(self.page.locator("body.streaming")).to_be_attached()


Enters = Callable[..., Person]


@contextmanager
def inbox(kafka: KafkaServer, redis_url: str, folder: Path) -> Iterator[Office]:
    """Give a worker and a process of the inbox with definitions, for the length of the block."""
    site = Site(kafka, redis_url, folder, session_ms(kafka), settings=web_settings())
    create_topics(site)
    with office(site) as opened:
        define(opened.open(**SETTINGS))
        yield opened


@contextmanager
def entrance(browser: Browser, web: Web) -> Iterator[Enters]:
    """Let people in, each with a browser of their own: ``enter("carla")``. No page may have had an error."""
    with ExitStack() as leaving:
        people: list[Person] = []

        def enters(who: str, **options: Any) -> Person:
            settings = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
            context = leaving.enter_context(browser.new_context(**settings))
            people.append(Person(context, web, who))
            return people[-1]

        yield enters
        assert [each.troubles for each in people if each.troubles] == []
