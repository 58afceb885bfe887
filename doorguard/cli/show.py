"""How values look on a terminal and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinity are refused, not invented."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def resident_table(people: Iterable[Mapping[str, Any]]) -> None:
    """Print residents, one row each."""
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "templates", "enrolled", "consent"):
        table.add_column(heading, justify="right" if heading == "templates" else "left")
    for person in people:
        table.add_row(
            person["name"],
            "enabled" if person["enabled"] else "disabled",
            str(person["templates"]),
            person["created"][:10],
            person["consent"] or "none recorded",
        )
    Console().print(table, markup=False)
