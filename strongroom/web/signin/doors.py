"""The doors of logging in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.web.signin.first import first, first_form
from strongroom.web.signin.mailed import confirm, confirm_form, reset, reset_form
from strongroom.web.signin.merging import PAGES as MERGING
from strongroom.web.signin.passwords import (
    forgotten,
    forgotten_form,
    login,
    login_form,
    logout,
    register,
    register_form,
)
from strongroom.web.signin.providers import begin, callback

PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/login", login_form),
    ("POST", "/login", login),
    ("GET", "/login/new", first_form),
    ("POST", "/login/new", first),
    ("GET", "/login/{provider}", begin),
    ("GET", "/login/{provider}/callback", callback),
    ("POST", "/logout", logout),
    ("GET", "/register", register_form),
    ("POST", "/register", register),
    ("GET", "/forgotten", forgotten_form),
    ("POST", "/forgotten", forgotten),
    ("GET", "/confirm/{token}", confirm_form),
    ("POST", "/confirm/{token}", confirm),
    ("GET", "/reset/{token}", reset_form),
    ("POST", "/reset/{token}", reset),
    *MERGING,
]
