"""Opens a page of the dashboard without a browser; reads its tables and texts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
PAGES = {
    "Leaderboard": "views/leaderboard.py",
    "Overall": "views/overall.py",
    "Pareto front": "views/pareto.py",
    "Curves": "views/curves.py",
    "Scaling": "views/scaling.py",
    "Break-even": "views/calculator.py",
    "Method": "views/methods.py",
    "Task": "views/tasks.py",
    "Row": "views/row.py",
    "Protocol": "views/protocol.py",
}
READING = [title for title in PAGES if title != "Protocol"]  # pages that read rows
TIMEOUT = 600  # s; ends a hanging page, and no page on a slow machine


def page(title: str, **address: str) -> AppTest:
    """Open the dashboard at a page with an address."""
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    at(app, address).run()
    return app if title == "Leaderboard" else at(app.switch_page(PAGES[title]), address).run()


def at(app: AppTest, address: dict[str, str]) -> AppTest:
    """Set the app's address again, because a change of page clears it."""
    for name, value in address.items():
        app.query_params[name] = value
    return app


def tables(app: AppTest) -> list[pd.DataFrame]:
    """Read the tables of a page: the text of each cell, or the list of its labels."""
    return [_texts(json.loads(element.proto.json)) for element in app.get("bidi_component")]


def _texts(data: dict) -> pd.DataFrame:
    heads = [column["label"] for column in data["columns"]]
    cells = [[_text(cell) for cell in row["cells"]] for row in data["rows"]]
    return pd.DataFrame(cells, columns=heads)


def _text(cell: dict) -> object:
    return [label["text"] for label in cell["labels"]] if "labels" in cell else cell.get("text", "")


def cells(app: AppTest, table: int, line: str) -> dict[str, dict]:
    """Return whole cells, with texts, intervals and reasons, of the row with `line` in one of its first two columns."""
    data = json.loads(app.get("bidi_component")[table].proto.json)
    heads = [column["label"] for column in data["columns"]]
    (found,) = [row for row in data["rows"] if line in [cell.get("text") for cell in row["cells"][:2]]]
    return dict(zip(heads, found["cells"], strict=True))


def texts(elements: object) -> str:
    return "\n".join(str(element.value) for element in elements)  # type: ignore[attr-defined]
