"""Secrets come from the environment or from files, and are never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config import ConfigError, load, producer_properties, redis_arguments, redis_url
from runner.config.secrets import is_secret, mask_url

SECRET = "hunter2"


def test_no_secret_is_described_or_printed(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(
        f"""
        redis: {{url: "redis://someone:{SECRET}@host:1/0"}}
        kafka:
          properties: {{sasl.password: {SECRET}, sasl.username: someone}}
          consumer: {{ssl.key.pem: {SECRET}, sasl.oauthbearer.client.secret: {SECRET}}}
          producer: {{ssl.keystore.password: {SECRET}, sasl.oauthbearer.config: "a={SECRET}"}}
        """
    )

    config = load(file, {})

    assert SECRET not in repr(config)
    assert SECRET not in str(config.kafka)
    assert SECRET not in repr(config.describe())
    described = config.describe()
    assert described["redis"]["url"] == "redis://someone:******@host:1/0"
    assert described["kafka"]["properties"] == {"sasl.password": "******", "sasl.username": "someone"}
    assert producer_properties(config)["sasl.password"] == SECRET


@pytest.mark.parametrize(
    "content",
    [
        f'redis: {{url: "redis://:{SECRET}/x@host:1/0"}}',
        f'redis: {{url: "http://:{SECRET}@host"}}',
        f'redis: "redis://:{SECRET}@host:1/0"',
        f"redis: {{pasword: {SECRET}}}",
        f"redis: {{password: [{SECRET}]}}",
        f"kafka: {{properties: 'sasl.password={SECRET}'}}",
        f"kafka: {{properties: {{sasl.password: [{SECRET}]}}}}",
        f"kafka: {{properties: [sasl.password={SECRET}]}}",
        f"http: {{port: 'http://a:{SECRET}@b'}}",
        f"kafka: {{properties: {{sasl.password: {SECRET} : }}}}",
    ],
)
def test_no_secret_is_in_a_refusal(content: str, tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(content)

    with pytest.raises(ConfigError) as refused:
        load(file, {})

    assert SECRET not in str(refused.value)


def test_a_secret_may_come_from_the_environment() -> None:
    env = {"RUNNER_REDIS__PASSWORD": SECRET, "RUNNER_KAFKA__PROPERTIES__SASL_PASSWORD": "0042"}

    config = load(None, env)

    assert redis_arguments(config)["password"] == SECRET
    assert producer_properties(config)["sasl.password"] == "0042"
    assert config.describe()["redis"]["password"] == "******"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    for name, text in (("url", f"redis://:{SECRET}@host:1/3\n"), ("kafka", "k\r\n")):
        (tmp_path / name).write_text(text)
    env = {
        "RUNNER_REDIS__URL_FILE": str(tmp_path / "url"),
        "RUNNER_KAFKA__SECRETFILES__SASL_PASSWORD": str(tmp_path / "kafka"),
    }

    config = load(None, env)

    assert redis_url(config) == f"redis://:{SECRET}@host:1/3"
    assert producer_properties(config)["sasl.password"] == "k"
    assert SECRET not in repr(config.describe())
    assert config.describe()["redis"]["urlFile"] == str(tmp_path / "url")


def test_a_password_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)

    config = load(None, {"RUNNER_REDIS__PASSWORD_FILE": str(tmp_path / "password")})

    assert redis_arguments(config)["password"] == SECRET


def test_a_url_that_spells_out_the_default_may_stand_beside_a_file(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(f"redis: {{url: 'redis://127.0.0.1:6379/0', urlFile: {tmp_path / 'url'}}}")
    (tmp_path / "url").write_text("redis://other:1/0")

    assert redis_url(load(file, {})) == "redis://other:1/0"


def test_what_is_wrong_with_a_secret_file_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff")
    env = {
        "RUNNER_REDIS__URLFILE": str(tmp_path / "nowhere"),
        "RUNNER_REDIS__PASSWORDFILE": str(tmp_path / "empty"),
        "RUNNER_KAFKA__SECRETFILES": json.dumps(
            {"a": f"{tmp_path}/large", "b": f"{tmp_path}/binary", "c": f"{tmp_path}"}
        ),
    }

    with pytest.raises(ConfigError) as refused:
        load(None, env)

    assert str(refused.value).replace(str(tmp_path), "DIR").splitlines() == [
        (
            "environment RUNNER_REDIS__URLFILE: redis.urlFile names DIR/nowhere: it does not exist; "
            "correct the path or make the file"
        ),
        (
            "environment RUNNER_REDIS__PASSWORDFILE: redis.passwordFile names DIR/empty: it is empty; "
            "put the secret into it"
        ),
        (
            "environment RUNNER_KAFKA__SECRETFILES: kafka.secretFiles.a names DIR/large: "
            "it is larger than 65536 bytes; put the secret into it as text"
        ),
        (
            "environment RUNNER_KAFKA__SECRETFILES: kafka.secretFiles.b names DIR/binary: "
            "it is not UTF-8 (byte 0); put the secret into it as text"
        ),
        (
            "environment RUNNER_KAFKA__SECRETFILES: kafka.secretFiles.c names DIR: it is a directory; "
            "name a file in it"
        ),
    ]


def test_a_wrong_url_in_a_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(SECRET)

    with pytest.raises(ConfigError) as refused:
        load(None, {"RUNNER_REDIS__URLFILE": str(tmp_path / "url")})

    [problem] = refused.value.problems
    assert problem.where == str(tmp_path / "url")
    assert problem.key == "redis.url"
    assert SECRET not in str(problem)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("redis: {url: 'redis://a:1/0', urlFile: FILE}", "redis.urlFile"),
        ("redis: {password: a, passwordFile: FILE}", "redis.passwordFile"),
        (
            "kafka: {properties: {sasl.password: a}, secretFiles: {sasl.password: FILE}}",
            "kafka.secretFiles.sasl.password",
        ),
        ("redis: {url: 'redis://:a@b:1/0', password: c}", "redis.password"),
        ("redis: {url: 'redis://a@b:1/0', username: c}", "redis.username"),
    ],
)
def test_a_secret_is_given_once(content: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    file = tmp_path / "runner.yaml"
    file.write_text(content.replace("FILE", str(tmp_path / "secret")))

    with pytest.raises(ConfigError) as refused:
        load(file, {})

    [problem] = refused.value.problems
    assert problem.key == key
    assert problem.remedy == "keep one of them"


def test_a_user_in_the_url_may_have_its_password_elsewhere() -> None:
    env = {"RUNNER_REDIS__URL": "redis://someone@host:1/0", "RUNNER_REDIS__PASSWORD": SECRET}

    config = load(None, env)

    assert (redis_url(config), redis_arguments(config)["password"]) == ("redis://someone@host:1/0", SECRET)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:a@h:1/0", "redis://:******@h:1/0"),
        ("rediss://u:p@ss:w@h", "rediss://u:******@h"),
        ("unix:///x?db=0&password=a&x=1", "unix:///x?db=0&password=******&x=1"),
        ("failed: redis://u:p@h, then redis://u:q@h", "failed: redis://u:******@h, then redis://u:******@h"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("no url: a@b", "no url: a@b"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, masked: str) -> None:
    assert mask_url(text) == masked


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("sasl.password", True),
        ("ssl.key.pem", True),
        ("ssl_key", True),
        ("sasl.oauthbearer.assertion.private.key.passphrase", True),
        ("clientSecret", True),
        ("passwordFile", False),
        ("secretFiles", False),
        ("ssl.key.location", False),
        ("sasl.username", False),
        ("key", False),
    ],
)
def test_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
