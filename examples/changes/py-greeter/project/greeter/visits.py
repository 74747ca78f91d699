"""Whom we greeted, in SQLite."""

import sqlite3
from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class Visits:
    """Counts visits by name."""

    def __init__(self, path: str = ":memory:") -> None:
        self._database = sqlite3.connect(path)
        for migration in sorted(MIGRATIONS.glob("*.sql")):
            self._database.executescript(migration.read_text(encoding="utf-8"))

    def add(self, name: str) -> int:
        """Counts one visit and returns how many it are now."""
        with self._database:
            self._database.execute(
                "INSERT INTO visits (name, count) VALUES (?, 1)"
                " ON CONFLICT (name) DO UPDATE SET count = count + 1",
                (name,),
            )
        return self.count(name)

    def count(self, name: str) -> int:
        """How often somebody came."""
        query = "SELECT count FROM visits WHERE name = ?"
        row = self._database.execute(query, (name,)).fetchone()
        return row[0] if row else 0

    def names(self) -> list:
        """Everybody who came, in order."""
        rows = self._database.execute("SELECT name FROM visits ORDER BY name")
        return [name for (name,) in rows]
