"""Batch processing: messages of a batch become changes in the store and messages to send.

Steps 2 to 5 of the loop, without Kafka: decode, load, decide, apply. Everything in the result has been
applied; the loop delivers it and commits. If that fails, the same events are redelivered and get
their kept decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.actions.policy import TopicCatalog
from runner.changelog.writer import Changelog
from runner.clock import Ticker, monotonic_seconds
from runner.kafka.message import Message
from runner.store.calls import Store
from runner.worker.answers import Answers
from runner.worker.assignment import Batch
from runner.worker.attempts import Attempts
from runner.worker.batch_state import BatchState
from runner.worker.dead_letters import DeadLetters
from runner.worker.decider import Decider
from runner.worker.decoder import BatchDecoder, Prefetch, honour_kept_decisions
from runner.worker.in_flight import InFlight
from runner.worker.overlap import Step
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.result import BatchResult, PhaseEnded, Send


class TaskProcessor:
    """Processes batches against one store; only prefetched events are kept between batches."""

    def __init__(
        self,
        settings: ProcessingSettings,
        store: Store,
        topics: TopicCatalog,
        dead_letters: str,
        changelog: Changelog | None = None,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``changelog`` makes a message for every change of a task; None: there is no changelog."""
        self._prefetch = Prefetch(settings, ticker)
        self._settings = settings
        self._store = store
        self._ticker = ticker
        letters = DeadLetters(dead_letters, settings.policy.requests, topics)
        self._decider = Decider(settings, topics, letters, changelog)
        self._attempts = Attempts(
            settings,
            store,
            self._decider,
            ticker,
            keeps_applied_offsets=changelog is not None and changelog.restores,
        )
        self._answers = Answers(settings.policy, store, self._decider, letters)

    def run(
        self,
        batch: Batch,
        poison_runs: Mapping[int, int],
        phase_ended: PhaseEnded = lambda _: None,
        send: Send | None = None,
    ) -> BatchResult:
        """Return the result of a batch, applied, with the messages that ``send`` has not sent yet.

        ``poison_runs`` are the consecutive poison messages before the batch, by home. Raises
        StoreUnavailable, Superseded, or an error of ``send``: nothing of the batch may be delivered then.
        """
        batch_state = BatchState(batch, poison_runs, self._settings.poison_limit)
        all_items: list[InFlight] = []
        result = BatchResult(all_items)
        budget = self._settings.budget(self._ticker)
        decoder = BatchDecoder(_by_home(batch), self._settings, budget, self._prefetch)
        while not decoder.is_over:
            if send is not None and result.outgoing:
                messages, result.outgoing = result.outgoing, []
                send(messages)
            items = decoder.take()
            completeness = self._attempts.completeness(batch_state)
            honour_kept_decisions(items, self._settings, self._store, completeness)
            batch_state.count_poison(items)
            phase_ended("decode")
            self._attempts.run(items, batch_state, phase_ended, decoder.prefetch, is_last=decoder.is_over)
            self._answers.add_all(items, batch_state, result)
            phase_ended("decide")
            all_items += items
        batch_state.defer_all(decoder.remaining)
        batch_state.complete(result)
        phase_ended("decide")
        return result

    def prefetch(self, messages: Sequence[Message]) -> Step:
        return self._prefetch.start(messages)


def _by_home(batch: Batch) -> list[Message]:
    """Return the messages ordered by home, so that fewer keys of the store are touched by two slices.

    Order matters within a home only. The home that has waited longest comes first: events that earlier
    batches deferred must not wait for ever.
    """
    turns = {home: turn for turn, home in enumerate(batch.base_offsets)}
    return sorted(batch.messages, key=lambda message: turns[message.partition])
