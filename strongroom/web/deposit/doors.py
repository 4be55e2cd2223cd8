"""The doors of the deposit form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.web.deposit.form import form_page, post
from strongroom.web.deposit.prefilling import prefilled
from strongroom.web.deposit.steps import (
    ask_delete,
    begin,
    create,
    delete,
    edit,
    look_again,
    new,
    new_version,
    preview,
    publish,
)

PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/uploads/new", new),
    ("GET", "/uploads", begin),
    ("POST", "/uploads", create),
    ("GET", "/uploads/{id}", form_page),
    ("POST", "/uploads/{id}", post),
    ("GET", "/uploads/{id}/preview", preview),
    ("POST", "/uploads/{id}/prefill", prefilled),
    ("GET", "/uploads/{id}/publish", look_again),
    ("POST", "/uploads/{id}/publish", publish),
    ("GET", "/uploads/{id}/delete", ask_delete),
    ("POST", "/uploads/{id}/delete", delete),
    ("POST", "/records/{id}/edit", edit),
    ("POST", "/records/{id}/new-version", new_version),
]
