"""The tables of the lists as a reader of the database alone has them."""

import sqlite3
from typing import Any, Protocol

import psycopg


class ListTables(Protocol):
    def rows(self, query: str) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...


class _Sqlite:
    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.row_factory = sqlite3.Row

    def rows(self, query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(query)]

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, row_factory=psycopg.rows.dict_row)

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self._connection.execute(query).fetchall()

    def close(self) -> None:
        self._connection.close()


def open_tables(url: str) -> ListTables:
    return _Sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else _Postgres(url)
