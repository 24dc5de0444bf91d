"""Client of the HTTP API of ``runner web``, for programs: ``Client``, and ``AsyncClient`` for asyncio.

Needs the extra ``web`` for httpx, and nothing else of the runner. docs/api.md says what each endpoint does.
"""

from runner.client.asynchronous import AsyncClient
from runner.client.problem import ApiProblem, ApiUnavailable
from runner.client.synchronous import Client
from runner.client.values import Change, Comment, HistoryEntry, Task

__all__ = [
    "ApiProblem",
    "ApiUnavailable",
    "AsyncClient",
    "Change",
    "Client",
    "Comment",
    "HistoryEntry",
    "Task",
]
