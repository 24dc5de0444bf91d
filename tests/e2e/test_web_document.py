"""Schemathesis against a real process: whatever is sent, every answer is one of the document's."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.site import Site, session_ms
from tests.e2e.web import Office, create_topics, office, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.waiting import WAIT_SECONDS

CASES: Final = 8
"""Requests for each operation at most; the whole takes less than a minute."""

CHECKS: Final = (
    *("status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth"),
)
CONFIGURATION: Final = """
[dictionaries.domains]
values = ["default", "care"]

[dictionaries.keys]
values = [{keys}]

[dictionaries.specs]
values = ["form", "none"]

[parameters]
"path.domain" = {{dictionary = "domains", probability = 0.9}}
"path.key" = {{dictionary = "keys", probability = 0.9}}
"path.spec" = {{dictionary = "specs", probability = 0.9}}
"body.domain" = {{dictionary = "domains", probability = 0.9}}

[checks]
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 431, 503, 504,
]
"""


@pytest.fixture(scope="module")
def desk(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("document")
    site = Site(kafka, valkey.url, folder, session_ms(kafka), settings=web_settings())
    create_topics(site)
    with office(site) as opened:
        opened.open()
        yield opened


@pytest.mark.parametrize("who", ["root", "ann"])
def test_every_answer_is_in_the_document(desk: Office, tmp_path: Path, who: str) -> None:
    [web] = desk.webs
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
    put = web.ask("root", "PUT", "/definitions/default/form", json={"schema": schema})
    assert put.status_code == 200, put.text
    keys = [desk.started(web).rsplit("/", 1)[1] for _ in range(20)]
    file = tmp_path / "schemathesis.toml"
    file.write_text(CONFIGURATION.format(keys=", ".join(f'"{key}"' for key in keys)))

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(file)),
            *("run", f"{web.url}/openapi.json", "-H", f"Authorization: Bearer {who}"),
            *("--phases", "fuzzing", "-n", str(CASES), "--continue-on-failure", "--warnings", "off"),
            *("--checks", ",".join(CHECKS), "--exclude-path", "/api/v1/events"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    counted = web.get(who, "/metrics").text
    statuses = set(re.findall(r'runner_web_requests_total\{[^}]*status="(\d+)"\}', counted))
    assert {"200", "201", "404", "400"} <= statuses
    assert {each for each in statuses if each.startswith("5")} <= {"503", "504"}
