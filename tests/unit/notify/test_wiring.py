"""From the configuration to routes, channels and texts; and what never gets out of it: secrets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.cli.wiring.notify import make_routes, prepare
from runner.config import Config, ConfigError, load
from runner.notify.channels import open_channel, same_service, silence_apprise
from runner.notify.notifier import NotifierSettings
from runner.notify.unusable import Unusable
from runner.notify.wording import Wording

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def config(tmp_path: Path, notify: dict[str, Any], **env: str) -> Config:
    file = tmp_path / "runner.yaml"
    file.write_text(yaml.safe_dump({"topics": {"notifications": "n"}, "notify": notify}))
    return load(file, env)


def test_an_address_may_stand_in_a_route_and_is_called_by_its_place(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        {"routes": [{"to": ["ops", SLACK], "event": ["created"]}], "channels": {"ops": "json://localhost"}},
    )
    [route] = make_routes(made)
    assert route.to == ("ops", "routes[0].to[1]")
    assert route.events == {"created"}
    planner, _ = prepare(made)
    assert set(planner._channels) == {"ops", "routes[0].to[1]"}


def test_addresses_are_secrets_wherever_they_are_shown(tmp_path: Path) -> None:
    secret = tmp_path / "chat"
    secret.write_text("json://hook.example.org/s3cr3t\n")
    made = config(
        tmp_path,
        {
            "routes": [{"to": ["ops", "chat", SLACK]}],
            "channelFiles": {"chat": str(secret)},
            "directory": {"userUrl": "https://people.example.org/{user}"},
        },
        RUNNER_NOTIFY__CHANNELS__OPS="json://u:s3cr3t@localhost",
        RUNNER_NOTIFY__DIRECTORY__TOKEN="s3cr3t",
    )
    assert made.notify.channels["chat"].get_secret_value() == "json://hook.example.org/s3cr3t"
    shown = made.describe()["notify"]
    assert shown["channels"] == {"chat": "json://******", "ops": "json://******"}
    assert shown["routes"][0]["to"] == ["ops", "chat", "slack://******"]
    assert shown["directory"]["token"] == "******"
    assert "s3cr3t" not in json.dumps(shown) + repr(made)


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"routes": [{"to": ["ops"]}]}, "notify.routes[0] leads to ops, which is not under notify.channels"),
        ({"routes": [{"to": ["recipients"]}]}, "notify.routes[0] leads to recipients, but nobody knows"),
        ({"routes": [{"to": []}]}, "notify.routes[0].to must not be empty"),
        ({"routes": [{"to": ["a b"]}]}, "is no name of a channel"),
        ({"routes": [{"to": ["slack://a b"]}]}, "is no address like"),
        ({"routes": [{"to": [7]}]}, "must be text"),
        ({"routes": [{"to": ["x"], "event": ["exploded"]}]}, "notify.routes[0].event[0]"),
        ({"routes": [{"to": ["x"], "domian": ["orders"]}]}, "notify.routes[0].domian is not a setting"),
        ({"routes": [{"to": ["x"], "template": "../x"}]}, "is no name of a template"),
        ({"channels": {"recipients": "json://x"}}, "is called recipients"),
        ({"channels": {"a b": "json://x"}}, "is no name of a channel"),
        ({"channels": {"ops": "s3cr3t"}}, "notify.channels.ops is no address like"),
        ({"zone": "Europe/Berln"}, "notify.zone is no time zone"),
        ({"link": "javascript://{id}"}, "notify.link is no http or https URL with {key}"),
        ({"link": "https://tasks"}, "notify.link is no http or https URL with {key}"),
        ({"directory": {"userUrl": "https://people/{usr}"}}, "with {user} in it"),
        ({"directory": {"userUrl": "file:///{user}"}}, "with {user} in it"),
        (
            {"directory": {"file": "x", "userUrl": "https://p/{user}"}},
            "notify.directory.file is set, and userUrl",
        ),
        ({"directory": {"roleUrl": "https://p/{role}"}}, "set userUrl as well"),
        ({"directory": {"token": "s3cr3t"}}, "no URL to send it to"),
        ({"retry": {"firstMs": 2000, "longestMs": 1000}}, "notify.retry.longestMs is less than firstMs"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_secret(
    tmp_path: Path, notify: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, notify)
    assert said in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        (
            {"channels": {"ops": "nosuch://s3cr3t"}},
            "notify.channels.ops is no address that Apprise understands",
        ),
        ({"channels": {"mail": "json://s3cr3t"}}, "notify.channels.mail is a json:// address"),
    ],
)
def test_an_address_that_apprise_does_not_know_is_refused_at_the_start(
    tmp_path: Path, notify: dict[str, Any], said: str
) -> None:
    made = config(tmp_path, {"routes": [{"to": list(notify["channels"])}], **notify})
    with pytest.raises(ConfigError) as refused:
        prepare(made)
    assert said in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RUNNER_TOPICS__NOTIFICATIONS": "null"}, "topics.notifications is null"),
        ({"RUNNER_NOTIFY__ROUTES": "[]"}, "notify.routes is empty"),
        ({"RUNNER_NOTIFY__TEMPLATES": "nowhere"}, "notify.templates names nowhere, which is no folder"),
        ({"RUNNER_NOTIFY__DIRECTORY__FILE": "nowhere.yaml"}, "names nowhere.yaml: cannot be read"),
        ({"RUNNER_NOTIFY__LANGUAGE": "xx"}, "notify.language is xx, which has no templates"),
    ],
)
def test_what_cannot_work_is_named_at_the_start(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    made = config(tmp_path, {"routes": [{"to": ["ops"]}], "channels": {"ops": "json://x"}}, **settings)
    with pytest.raises(ConfigError) as refused:
        prepare(made)
    assert said in str(refused.value)


def test_why_a_service_failed_is_told_without_its_secrets() -> None:
    silence_apprise()
    for url in ("json://user:s3cr3tpw@127.0.0.1:9/s3cr3t/path?+X-Token=s3cr3t", "form://127.0.0.1:9/s3cr3t"):
        reason = open_channel("ops", url, "channels.ops").send(Wording("subject", "text"))
        assert "Connection refused" in reason
        assert "s3cr3t" not in reason


def test_what_addresses_have_in_common_holds_no_secret() -> None:
    assert same_service(SLACK) == same_service(f"{SLACK}/more")
    assert "T1JJ3T3L2" not in same_service(SLACK)
    assert same_service("json://a:b@host/x") == same_service("json://c:d@HOST/y")


def test_kinds_that_are_not_allowed_are_refused(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    people.write_text("users: {}")
    made = config(
        tmp_path,
        {"routes": [{"to": ["recipients"]}], "directory": {"file": str(people), "kinds": ["slack"]}},
    )
    planner, _ = prepare(made)
    assert planner._personal(SLACK).kind == "slack"
    with pytest.raises(Unusable, match="is of a kind that is not allowed"):
        planner._personal("json://169.254.169.254/")


def test_the_bounds_have_the_defaults_of_the_configuration() -> None:
    usual, settings = NotifierSettings(), Config()
    assert usual.limit_bytes == settings.limits.event_bytes
    assert usual.most_waiting == settings.notify.waiting
    assert usual.memory == settings.notify.memory


@pytest.mark.parametrize(
    "module", ["runner.cli.worker_command", "runner.cli.wiring.worker", "runner.cli.app"]
)
def test_a_worker_imports_nothing_of_it(module: str) -> None:
    script = (
        f"import sys, {module}; "
        "print([n for n in sys.modules if n.split('.')[0] in {'apprise', 'jinja2', 'markdown'} "
        "or n.startswith('runner.notify')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_extra_the_command_names_it(tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise ImportError('no apprise here')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from runner.cli.app import run; sys.exit(run(['notify']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 3
    assert "pip install 'saga-task-runner[notify]'" in done.stderr
