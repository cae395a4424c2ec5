"""YAML read safely and checked against the JSON schemas in `workflow/schemas`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from breakeven.errors import UserError, did_you_mean
from breakeven.plugins import REPOSITORY

SCHEMAS = REPOSITORY / "workflow" / "schemas"
RENAMED = {"config": {"training": "training_cells", "trained_by": "trained_as", "timing": "mode"}}  # keys


def read_yaml(path: Path, schema: str) -> dict[str, Any]:
    """The mapping in a YAML file, valid by the named schema.

    Raises:
        UserError: unreadable, not YAML, or breaking the schema; with file, line or key, and remedy.
    """
    return check(load_yaml(path), schema, str(path))


def load_yaml(path: Path) -> Any:
    """The content of a YAML file, read safely.

    Raises:
        UserError: unreadable, or not YAML; with file, line and remedy.
    """
    try:
        return yaml.safe_load(path.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file: name a YAML file") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: check the path") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}, line {line}: not valid YAML ({error.problem}): correct the line") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML ({str(error).splitlines()[0]}): correct the file") from error


def keys(schema: str) -> set[str]:
    """The keys that the named schema knows."""
    return set(_schema(schema)["properties"])


def check(content: Any, schema: str, where: str) -> dict[str, Any]:
    """`content`, if it keeps the named schema; else a UserError that begins with `where`."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import best_match

    definition = _schema(schema)
    if isinstance(content, dict):
        for key in content.keys() - definition["properties"].keys():
            if new := RENAMED.get(schema, {}).get(key):
                raise UserError(f"{where}: {key}: is now called {new}")
            raise UserError(f"{where}: unknown key '{key}': {did_you_mean(str(key), definition['properties'])}")
    error = best_match(Draft202012Validator(definition, format_checker=FormatChecker()).iter_errors(content))
    if error is None:
        return content
    key = re.sub(r"^\$\.?", "", error.json_path)
    about = definition["properties"].get(next(iter(error.absolute_path), None), definition).get("description", "")
    raise UserError(f"{where}: {key + ': ' if key else ''}{error.message} ({about})")


@cache
def _schema(name: str) -> dict[str, Any]:
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())
