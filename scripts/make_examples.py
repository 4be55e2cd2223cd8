"""Makes strongroom/api/data/examples.json, the examples of the OpenAPI document.

    python scripts/make_examples.py [../shared/golden/live]

They are requests and answers that Zenodo's own code gave to the same requests, recorded with invented people
(golden/live): the smallest of each address, verb and status, with long lists cut. Only those that fit the shapes of
api/schemas.py are taken.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from strongroom.api.openapi import document
from strongroom.app import API
from strongroom.settings import Settings

ROOT = Path(__file__).parents[1]
OUT = ROOT / "strongroom/api/data/examples.json"
LARGEST = 4000  # characters of one example
HOST = "https://repository.example"
# A search of everything and the record with all its parts would be long and say nothing more.
LISTS = 1


def main(source: Path) -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("{}\n")
    said = json.loads(json.dumps(document(API, Settings(base_url=HOST))))
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(source.glob("*/*.json")):
        golden = json.loads(path.read_text(encoding="utf-8"))
        request, response = golden["request"], golden["response"]
        template = _template(said, request["method"], request["path"].partition("?")[0].rstrip("/"))
        status = str(response["status"])
        if template is None or status[0] != "2" or template.endswith("/communities"):
            continue
        operation = said["paths"][template][request["method"].lower()]
        name = f"{request['method']} {template}"
        for part, value, where in (
            ("body", request.get("body"), operation.get("requestBody", {})),
            (status, response.get("body"), operation["responses"].get(status, {})),
        ):
            schema = where.get("content", {}).get("application/json", {}).get("schema")
            if schema is None or not isinstance(value, dict | list) or not value:
                continue
            value = _short(value)
            text = json.dumps(value)
            known = found.get(name, {}).get(part)
            if len(text) > LARGEST or (known is not None and not _better(text, json.dumps(known), part)):
                continue
            if _fits(said, schema, value):
                found.setdefault(name, {})[part] = value
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False).replace(HOST, "{base}")
    OUT.write_text(text + "\n", encoding="utf-8")
    print(f"{len(found)} operations, {len(text)} characters")


def _better(text: str, known: str, part: str) -> bool:
    """The shortest that says something."""
    return 120 < len(text) < len(known) or (len(known) <= 120 < len(text))


def _template(said: dict[str, Any], method: str, path: str) -> str | None:
    for template, verbs in said["paths"].items():
        if method.lower() in verbs and re.fullmatch(
            re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path
        ):
            return str(template)
    return None


def _short(value: Any) -> Any:
    """Long lists cut, secrets and the block for pages left out."""
    if isinstance(value, dict):
        return {
            k: "…" if k == "token" else _short(v)
            for k, v in value.items()
            if k not in ("ui", "aggregations", "expanded")
        }
    if isinstance(value, list):
        return [_short(v) for v in value[:LISTS]]
    return value


def _fits(said: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    whole = {**schema, "components": said["components"]}
    return Draft202012Validator(whole).is_valid(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/golden/live")
