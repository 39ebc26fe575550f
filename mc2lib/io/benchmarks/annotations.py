"""Reading annotation files, with the place of every fault."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mc2lib.errors import InputError

REMEDY = "Fetch the set again."


def read_text_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, cut at newlines alone: captions may hold other separators.

    Raises:
        InputError: the file is missing or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", REMEDY) from error
    except (OSError, UnicodeError) as error:
        raise InputError(str(path), f"cannot be read ({error})", REMEDY) from error
    return [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def read_json_lines(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file.

    Args:
        path: of the file.
        keys: that each object must have.

    Raises:
        InputError: the file is missing, or a line is no object with these keys.
    """
    rows = []
    for number, line in enumerate(read_text_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}", f"not JSON ({error})", REMEDY) from error
        lost = [key for key in keys if not isinstance(row, dict) or key not in row]
        if lost:
            raise InputError(f"{path}, line {number}", f"no '{lost[0]}'", REMEDY)
        rows.append(row)
    return rows


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object; InputError if it is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", REMEDY) from error
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"not JSON ({error})", REMEDY) from error
    if not isinstance(content, dict):
        raise InputError(str(path), f"holds a {type(content).__name__}, not an object", REMEDY)
    return content


def read_csv_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header.

    Args:
        path: of the file.
        columns: that the header must have.

    Raises:
        InputError: the file is missing, a column is, or a row has fewer fields than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lost = [column for column in columns if column not in (reader.fieldnames or ())]
            if lost:
                found = ", ".join(reader.fieldnames or ()) or "none"
                raise InputError(str(path), f"no column '{lost[0]}' (it has {found})", REMEDY)
            rows = []
            for number, row in enumerate(reader, 2):
                if any(row[column] is None for column in columns):
                    raise InputError(f"{path}, row {number}", "has fewer fields than the header", REMEDY)
                rows.append({column: str(row[column]) for column in reader.fieldnames or () if row[column] is not None})
            return rows
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", REMEDY) from error
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(str(path), f"cannot be read ({error})", REMEDY) from error
