"""Whether a worker tells a changelog: what the configuration says, and how the key space was begun.

    topics.tasks     key space new     begun without        begun with it     served lists only
    tasks (default)  with it           without, and says so with it           lists, or without
    another topic    with it           refused              with it           lists, or refused
    null             without           without              refused           without

"Lists, or …": while ``delivery`` is at_least_once, or once it is exactly_once. A key space that was
begun without a changelog gets one by ``runner restore --fill-changelog``.
"""

from __future__ import annotations

from typing import Final

from runner import log
from runner.config import Config
from runner.errors import StoreMismatch
from runner.store.calls import LISTS, KeySpace
from runner.store.redis_store import RedisStore

WAY_OUT: Final = (
    'stop the workers and run "runner restore --fill-changelog", which writes topic {topic} from Redis '
    "and turns it on"
)
_ONLY_COPY: Final = "Redis holds the only copy of the tasks, and what it loses is lost"

_log: Final = log.get("worker")


def settle_changelog(config: Config, store: RedisStore) -> Config:
    """Return the settings, with ``topics.tasks`` null where the key space goes on without; says so.

    StoreUnavailable where it does not answer, StoreMismatch where the settings ask for what it cannot have.
    """
    settled = with_changelog_of(config, store.key_space())
    topic = config.topics.tasks
    if settled.topics.tasks is not None:
        if not settled.restores:
            _log.warning("changelog_for_lists", topic=topic, reason=_lists(config))
    elif topic is None:
        _log.warning("without_changelog", reason=f"topics.tasks is null: {_ONLY_COPY}")
    else:
        way_out = WAY_OUT.format(topic=topic) if config.restores else "set topics.tasks to null"
        _log.warning("without_changelog", reason=f"{_begun_without(config)}: {_ONLY_COPY}; {way_out}")
    return settled


def with_changelog_of(config: Config, space: KeySpace | None) -> Config:
    """Return the settings as they hold for this key space; None: it is new. Raises StoreMismatch."""
    topic, is_given = config.topics.tasks, config.topics.are_tasks_given
    if topic is None or space is None:
        return config
    if space.changelog not in {"", LISTS}:
        if config.restores:
            return config
        raise StoreMismatch(
            f"the tasks under redis.prefix {config.redis.prefix} have a changelog from which Redis is "
            f"restored, which takes transactions, and delivery is {config.delivery}; set it to exactly_once"
        )
    if space.changelog == LISTS and not config.restores:
        return config
    if is_given:
        without = "set topics.tasks to null, to go on without"
        way_out = f"{WAY_OUT.format(topic=topic)}; or {without}" if config.restores else without
        raise StoreMismatch(f"topics.tasks is {topic}, but {_begun_without(config)}: {way_out}")
    return config.without_changelog()


def _begun_without(config: Config) -> str:
    return f"the tasks under redis.prefix {config.redis.prefix} were begun without a changelog"


def _lists(config: Config) -> str:
    return f"delivery is {config.delivery}: it serves lists, and Redis is not restored from it"
