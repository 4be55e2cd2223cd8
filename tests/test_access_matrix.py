"""Who may do what: every route, every kind of record, everybody. A route that is not in the table fails the test."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import pytest

from strongroom import changes
from strongroom.app import API
from strongroom.http.representations import MEDIA_TYPES, REPRESENTATIONS
from strongroom.settings import Settings
from strongroom.web.render import static_url
from strongroom.web.routes import PAGES
from tests.app import PASSWORD, Answer, Reader, Site, running
from tests.cast import KINDS, READERS, Cast, Subject
from tests.conftest import PROVE

# Kinds (tests/cast.py) that stand together have the same line; `-` is a route that is about no record. 301 and
# 302 lead on: what is there decides for itself. `write` and `none` are tokens of the owner with that scope alone and
# with none, `session` is the owner in a browser. A request that is refused changes nothing.
TABLE = """
                                                     anonymous  other owner admin none write session
GET /api/records
  -                                                         200  200  200  200  200  200  200
GET /api/records/{id}
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
POST /api/records
  -                                                         403  201  201  201  403  201  201
GET /api/records/{id}/draft
  open embargoed restricted private withdrawn               404  404  404  404  404  404  404
  edit draft                                                403  403  200  200  200  200  200
PUT /api/records/{id}/draft
  open embargoed restricted private                         403  403  404  404  403  404  404
  withdrawn                                                 403  403  404  404  403  404  404
  edit draft                                                403  403  200  200  403  200  200
POST /api/records/{id}/draft
  open edit embargoed restricted private                    403  403  201  201  403  201  201
  withdrawn                                                 403  403  403  403  403  403  403
  draft                                                     403  403  201  201  403  201  201
DELETE /api/records/{id}/draft
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit draft                                                403  403  204  204  403  204  204
POST /api/records/{id}/draft/actions/publish
  open embargoed restricted private withdrawn               403  403  404  404  403  403  404
  edit draft                                                403  403  202  202  403  403  202
POST /api/records/{id}/draft/pids/{scheme}
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  400  400  403  400  400
  draft                                                     403  403  201  201  403  201  201
DELETE /api/records/{id}/draft/pids/{scheme}
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit draft                                                403  403  404  404  403  404  404
GET /api/records/{id}/draft/files
  open embargoed restricted private withdrawn               403  403  404  404  404  404  404
  edit                                                      403  403  200  200  200  200  200
  draft                                                     403  403  200  200  200  200  200
POST /api/records/{id}/draft/files
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  201  201  403  201  201
DELETE /api/records/{id}/draft/files
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  204  204  403  204  204
PUT /api/records/{id}/draft/files/{key:path}/content/{part:int}
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  400  400  403  400  400
GET /api/records/{id}/draft/files/{key:path}/content
  open embargoed restricted private withdrawn               403  403  404  404  404  404  404
  edit                                                      403  403  200  200  200  200  200
  draft                                                     403  403  200  200  200  200  200
PUT /api/records/{id}/draft/files/{key:path}/content
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  400  400  403  400  400
POST /api/records/{id}/draft/files/{key:path}/commit
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  200  200  403  200  200
GET /api/records/{id}/draft/files/{key:path}
  open embargoed restricted private withdrawn               403  403  404  404  404  404  404
  edit                                                      403  403  200  200  200  200  200
  draft                                                     403  403  200  200  200  200  200
PUT /api/records/{id}/draft/files/{key:path}
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  200  200  403  200  200
DELETE /api/records/{id}/draft/files/{key:path}
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  204  204  403  204  204
POST /api/records/{id}/draft/actions/files-import
  open embargoed restricted private withdrawn               403  403  404  404  403  404  404
  edit                                                      403  403  403  403  403  403  403
  draft                                                     403  403  400  400  403  400  400
GET /api/records/{id}/draft/files-archive
  open embargoed restricted private withdrawn               403  403  404  404  404  404  404
  edit                                                      403  403  200  200  200  200  200
  draft                                                     403  403  200  200  200  200  200
GET /api/records/{id}/draft/media-files
  open embargoed restricted private withdrawn               404  404  404  404  404  404  404
  edit draft                                                403  403  200  200  200  200  200
GET /api/records/{id}/media-files
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
POST /api/records/{id}/versions
  open edit embargoed restricted private                    403  403  201  201  403  201  201
  withdrawn                                                 403  403  403  403  403  403  403
  draft                                                     403  403  404  404  403  404  404
GET /api/records/{id}/revisions
  open edit embargoed restricted private                    403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/revisions/{n}
  open edit embargoed restricted private                    403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
DELETE /api/records/{id}/delete
  open edit embargoed restricted private                    403  403  403  204  403  403  403
  withdrawn                                                 403  403  403  410  403  403  403
  draft                                                     403  403  403  404  403  403  403
POST /api/records/{id}/restore
  open edit embargoed restricted private                    403  403  403  409  403  403  403
  withdrawn                                                 403  403  403  200  403  403  403
  draft                                                     403  403  403  404  403  403  403
GET /api/user/records
  -                                                         403  200  200  200  200  200  200
PUT /api/deposits/{key}
  -                                                         403  201  201  201  403  200  200
GET /api/records/{id}/versions
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/versions/latest
  open edit embargoed restricted private                    301  301  301  301  301  301  301
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/files
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/files-archive
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/files/{key:path}/content
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/records/{id}/files/{key:path}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/deposit/depositions
  -                                                         401  200  200  200  200  200  200
POST /api/deposit/depositions
  -                                                         401  201  201  201  403  201  201
GET /api/deposit/depositions/{id}
  open edit embargoed restricted private draft              401  403  200  200  200  200  200
  withdrawn                                                 401  410  410  410  410  410  410
PUT /api/deposit/depositions/{id}
  open embargoed restricted private withdrawn               401  403  404  404  403  404  404
  edit draft                                                401  403  200  200  403  200  200
DELETE /api/deposit/depositions/{id}
  open embargoed restricted private withdrawn               401  403  404  404  403  404  404
  edit draft                                                401  403  204  204  403  204  204
POST /api/deposit/depositions/{id}/actions/publish
  open embargoed restricted private withdrawn               401  403  404  404  403  403  404
  edit draft                                                401  403  202  202  403  403  202
POST /api/deposit/depositions/{id}/actions/edit
  open edit embargoed restricted private draft              401  403  201  201  403  403  201
  withdrawn                                                 401  403  403  403  403  403  403
POST /api/deposit/depositions/{id}/actions/discard
  open embargoed restricted private withdrawn               401  403  404  404  403  403  404
  edit                                                      401  403  201  201  403  403  201
  draft                                                     401  403  204  204  403  403  204
POST /api/deposit/depositions/{id}/actions/newversion
  open edit embargoed restricted private                    401  403  201  201  403  403  201
  withdrawn                                                 401  403  403  403  403  403  403
  draft                                                     401  403  404  404  403  403  404
GET /api/deposit/depositions/{id}/files
  open edit embargoed restricted private draft              401  403  200  200  200  200  200
  withdrawn                                                 401  410  410  410  410  410  410
POST /api/deposit/depositions/{id}/files
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  201  201  403  201  201
PUT /api/deposit/depositions/{id}/files
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  200  200  403  200  200
GET /api/deposit/depositions/{id}/files/{file_id}
  open edit embargoed restricted private draft              401  403  200  200  200  200  200
  withdrawn                                                 401  410  410  410  410  410  410
PUT /api/deposit/depositions/{id}/files/{file_id}
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  200  200  403  200  200
DELETE /api/deposit/depositions/{id}/files/{file_id}
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  204  204  403  204  204
GET /api/files/{bucket}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private draft                        404  404  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
GET /api/files/{bucket}/{key:key}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private draft                        404  404  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
PUT /api/files/{bucket}/{key:key}
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  201  201  403  201  201
DELETE /api/files/{bucket}/{key:key}
  open edit embargoed restricted private withdrawn          401  403  403  403  403  403  403
  draft                                                     401  403  204  204  403  204  204
GET /api/me
  -                                                         401  200  200  200  200  200  200
GET /api/user
  -                                                         401  200  200  200  200  200  200
PUT /api/user
  -                                                         401  200  200  200  403  403  200
GET /api/user/tokens
  -                                                         401  200  200  200  403  403  200
POST /api/user/tokens
  -                                                         401  201  201  201  403  403  201
DELETE /api/user/tokens/{token_id}
  -                                                         401  404  404  404  403  403  404
GET /api/users
  -                                                         403  200  200  200  200  200  200
GET /api/users/all
  -                                                         403  403  403  200  403  403  403
GET /api/users/{user_id}
  -                                                         403  403  403  403  403  403  403
GET /api/users/{user_id}/avatar.svg
  -                                                         403  403  403  403  403  403  403
POST /api/users/{user_id}/approve
  -                                                         403  403  403  404  403  403  403
POST /api/users/{user_id}/block
  -                                                         403  403  403  404  403  403  403
POST /api/users/{user_id}/restore
  -                                                         403  403  403  404  403  403  403
POST /api/users/{user_id}/activate
  -                                                         403  403  403  404  403  403  403
POST /api/users/{user_id}/deactivate
  -                                                         403  403  403  404  403  403  403
POST /oauth/token
  -                                                         400  400  400  400  400  400  400
POST /oauth/revoke
  -                                                         401  401  401  401  401  401  401
GET /.well-known/oauth-authorization-server
  -                                                         200  200  200  200  200  200  200
GET /api/openapi.json
  -                                                         200  200  200  200  200  200  200
GET /api/docs
  -                                                         200  200  200  200  200  200  200
GET /oauth/authorize
  -                                                         302  302  302  302  302  302  400
POST /oauth/authorize
  -                                                         401  401  401  401  401  401  400
GET /account/settings/applications
  -                                                         401  401  401  401  401  401  200
GET /account/settings/applications/tokens/new
  -                                                         401  401  401  401  401  401  200
POST /account/settings/applications/tokens
  -                                                         401  401  401  401  401  401  200
POST /account/settings/applications/tokens/{token_id}/revoke
  -                                                         401  401  401  401  401  401  404
POST /account/settings/applications/grants/{grant_id}/revoke
  -                                                         401  401  401  401  401  401  404
GET /account/settings/applications/clients/new
  -                                                         401  401  401  401  401  401  200
POST /account/settings/applications/clients
  -                                                         401  401  401  401  401  401  400
GET /account/settings/applications/clients/{client_id}
  -                                                         401  401  401  401  401  401  404
POST /account/settings/applications/clients/{client_id}
  -                                                         401  401  401  401  401  401  404
POST /account/settings/applications/clients/{client_id}/reset
  -                                                         401  401  401  401  401  401  404
POST /account/settings/applications/clients/{client_id}/delete
  -                                                         401  401  401  401  401  401  404
GET /api/vocabularies
  -                                                         200  200  200  200  200  200  200
GET /api/vocabularies/{type}
  -                                                         200  200  200  200  200  200  200
GET /api/vocabularies/{type}/{term}
  -                                                         200  200  200  200  200  200  200
GET /api/languages
  -                                                         200  200  200  200  200  200  200
GET /api/languages/{term}
  -                                                         200  200  200  200  200  200  200
GET /api/licenses
  -                                                         200  200  200  200  200  200  200
GET /api/licenses/_suggest
  -                                                         400  400  400  400  400  400  400
GET /api/licenses/{term}
  -                                                         404  404  404  404  404  404  404
GET /api/affiliations
  -                                                         200  200  200  200  200  200  200
GET /api/affiliations/{term}
  -                                                         404  404  404  404  404  404  404
GET /api/funders
  -                                                         200  200  200  200  200  200  200
GET /api/funders/{term:path}
  -                                                         404  404  404  404  404  404  404
GET /api/awards
  -                                                         200  200  200  200  200  200  200
GET /api/awards/{term:path}
  -                                                         404  404  404  404  404  404  404
GET /api/subjects
  -                                                         200  200  200  200  200  200  200
GET /api/subjects/{term:path}
  -                                                         404  404  404  404  404  404  404
GET /api/names
  -                                                         403  200  200  200  200  200  200
GET /api/names/orcid/{orcid}
  -                                                         403  404  404  404  404  404  404
GET /api/names/{term}
  -                                                         403  404  404  404  404  404  404
GET /
  -                                                         200  200  200  200  200  200  200
GET /search
  -                                                         200  200  200  200  200  200  200
GET /search.atom
  -                                                         200  200  200  200  200  200  200
GET /search/suggest
  -                                                         200  200  200  200  200  200  200
GET /help/search
  -                                                         200  200  200  200  200  200  200
GET /about
  -                                                         200  200  200  200  200  200  200
GET /help
  -                                                         200  200  200  200  200  200  200
GET /policies
  -                                                         200  200  200  200  200  200  200
GET /terms
  -                                                         200  200  200  200  200  200  200
GET /pages/{name}
  -                                                         404  404  404  404  404  404  404
GET /branding/colours.css
  -                                                         200  200  200  200  200  200  200
GET /branding/logo
  -                                                         404  404  404  404  404  404  404
GET /records/{id}
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   401  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /records/{id}/latest
  open edit embargoed restricted private                    302  302  302  302  302  302  302
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /records/{id}/export/{format}
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /records/{id}/citation
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   401  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /records/{id}/preview/{key:path}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /uploads/{id}/preview/{key:path}
  open embargoed restricted private withdrawn               403  403  404  404  404  404  404
  edit draft                                                403  403  200  200  200  200  200
GET /records/{id}/files-archive
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /records/{id}/files/{key:path}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /record/{id}/files/{key:path}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /record/{id}
  open edit embargoed restricted private withdrawn draft    301  301  301  301  301  301  301
GET /record/{id}/{rest:path}
  open edit                                                 200  200  200  200  200  200  200
  embargoed restricted private                              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /doi/{doi:path}
  open edit embargoed restricted private withdrawn          302  302  302  302  302  302  302
  draft                                                     404  404  404  404  404  404  404
GET /badge/doi/{doi:path}
  open edit embargoed restricted private withdrawn draft    200  200  200  200  200  200  200
GET /badge/DOI/{doi:path}
  open edit embargoed restricted private withdrawn draft    200  200  200  200  200  200  200
GET /login
  -                                                         200  200  200  200  200  200  200
POST /login
  -                                                         403  403  403  403  403  403  403
GET /login/new
  -                                                         302  302  302  302  302  302  302
POST /login/new
  -                                                         403  403  403  403  403  403  403
GET /login/{provider}
  -                                                         404  404  404  404  404  404  404
GET /login/{provider}/callback
  -                                                         404  404  404  404  404  404  404
POST /logout
  -                                                         303  303  303  303  303  303  303
GET /register
  -                                                         200  200  200  200  200  200  200
POST /register
  -                                                         403  403  403  403  403  403  403
GET /forgotten
  -                                                         200  200  200  200  200  200  200
POST /forgotten
  -                                                         403  403  403  403  403  403  403
GET /confirm/{token}
  -                                                         404  404  404  404  404  404  404
POST /confirm/{token}
  -                                                         403  403  403  403  403  403  403
GET /reset/{token}
  -                                                         404  404  404  404  404  404  404
POST /reset/{token}
  -                                                         403  403  403  403  403  403  403
GET /account/settings
  -                                                         302  302  302  302  302  302  302
GET /account/settings/profile
  -                                                         401  401  401  401  401  401  200
POST /account/settings/profile
  -                                                         401  401  401  401  401  401  303
GET /account/settings/identities
  -                                                         401  401  401  401  401  401  200
POST /account/settings/identities/link
  -                                                         401  401  401  401  401  401  404
POST /account/settings/identities/{linked_id}/unlink
  -                                                         401  401  401  401  401  401  404
GET /account/settings/merge
  -                                                         401  401  401  401  401  401  200
POST /account/settings/merge/password
  -                                                         401  401  401  401  401  401  401
POST /account/settings/merge/provider
  -                                                         401  401  401  401  401  401  404
GET /account/settings/merge/confirm
  -                                                         401  401  401  401  401  401  403
POST /account/settings/merge/confirm
  -                                                         401  401  401  401  401  401  403
GET /account/settings/security
  -                                                         401  401  401  401  401  401  200
POST /account/settings/security/password
  -                                                         401  401  401  401  401  401  400
POST /account/settings/security/address
  -                                                         401  401  401  401  401  401  400
POST /account/settings/security/sessions
  -                                                         401  401  401  401  401  401  404
GET /me/uploads
  -                                                         401  200  200  200  200  200  200
GET /uploads/{id}
  open embargoed restricted private                         401  404  302  302  302  302  302
  withdrawn                                                 401  404  404  404  404  404  404
  edit draft                                                401  403  200  200  200  200  200
GET /uploads/new
  -                                                         401  200  200  200  200  200  200
GET /uploads
  -                                                         303  303  303  303  303  303  303
POST /uploads
  -                                                         401  401  401  401  401  401  303
POST /uploads/{id}
  open embargoed restricted private withdrawn               401  401  401  401  401  401  404
  edit draft                                                401  401  401  401  401  401  303
POST /uploads/{id}/prefill
  open embargoed restricted private withdrawn               401  401  401  401  401  401  404
  edit draft                                                401  401  401  401  401  401  400
GET /uploads/{id}/preview
  open embargoed restricted private withdrawn               401  404  404  404  404  404  404
  edit draft                                                401  403  200  200  200  200  200
GET /uploads/{id}/publish
  open embargoed restricted private withdrawn               401  404  404  404  404  404  404
  edit draft                                                401  403  200  200  200  200  200
POST /uploads/{id}/publish
  open embargoed restricted private withdrawn               401  401  401  401  401  401  404
  edit draft                                                401  401  401  401  401  401  303
GET /uploads/{id}/delete
  open embargoed restricted private withdrawn               401  404  404  404  404  404  404
  edit draft                                                401  403  200  200  200  200  200
POST /uploads/{id}/delete
  open embargoed restricted private withdrawn               401  401  401  401  401  401  404
  edit draft                                                401  401  401  401  401  401  303
GET /uploads/{id}/share
  open edit embargoed restricted private withdrawn draft    302  302  302  302  302  302  302
GET /records/{id}/share
  open edit embargoed restricted private draft              401  401  401  401  401  401  200
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/share/links
  open edit embargoed restricted private draft              401  401  401  401  401  401  303
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/share/links/{link_id}/delete
  open edit embargoed restricted private draft              401  401  401  401  401  401  404
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/share/people
  open edit embargoed restricted private draft              401  401  401  401  401  401  303
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/share/people/{grant_id}/delete
  open edit embargoed restricted private draft              401  401  401  401  401  401  404
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/share/requests
  open edit embargoed restricted private draft              401  401  401  401  401  401  303
  withdrawn                                                 401  401  401  401  401  401  410
POST /records/{id}/edit
  open edit embargoed restricted private                    401  401  401  401  401  401  303
  withdrawn                                                 401  401  401  401  401  401  403
  draft                                                     401  401  401  401  401  401  303
POST /records/{id}/new-version
  open edit embargoed restricted private                    401  401  401  401  401  401  303
  withdrawn                                                 401  401  401  401  401  401  403
  draft                                                     401  401  401  401  401  401  404
GET /deposit
  -                                                         301  301  301  301  301  301  301
GET /deposit/{id}
  open edit embargoed restricted private withdrawn draft    301  301  301  301  301  301  301
GET /static/{version}/{path:path}
  -                                                         200  200  200  200  200  200  200
PUT /api/records/{id}/access
  open edit embargoed restricted private draft              403  403  200  200  403  200  200
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/links
  open edit embargoed restricted private draft              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
POST /api/records/{id}/access/links
  open edit embargoed restricted private draft              403  403  201  201  403  201  201
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/links/{link_id}
  open edit embargoed restricted private draft              403  403  404  404  404  404  404
  withdrawn                                                 410  410  410  410  410  410  410
PATCH /api/records/{id}/access/links/{link_id}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
DELETE /api/records/{id}/access/links/{link_id}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/grants
  open edit embargoed restricted private draft              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
POST /api/records/{id}/access/grants
  open edit embargoed restricted private draft              403  403  201  201  403  201  201
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/grants/{index}
  open edit embargoed restricted private draft              403  403  404  404  404  404  404
  withdrawn                                                 410  410  410  410  410  410  410
PUT /api/records/{id}/access/grants/{index}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
PATCH /api/records/{id}/access/grants/{index}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
DELETE /api/records/{id}/access/grants/{index}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/users
  open edit embargoed restricted private draft              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
GET /api/records/{id}/access/users/{user_id}
  open edit embargoed restricted private draft              403  403  404  404  404  404  404
  withdrawn                                                 410  410  410  410  410  410  410
PATCH /api/records/{id}/access/users/{user_id}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
DELETE /api/records/{id}/access/users/{user_id}
  open edit embargoed restricted private draft              403  403  404  404  403  404  404
  withdrawn                                                 403  410  410  410  403  410  410
GET /api/records/{id}/access/groups
  open edit embargoed restricted private draft              403  403  403  403  403  403  403
  withdrawn                                                 410  410  410  410  410  410  410
GET /api/records/{id}/access/groups/{group_id}
  open edit embargoed restricted private draft              403  403  403  403  403  403  403
  withdrawn                                                 410  410  410  410  410  410  410
POST /api/records/{id}/access/request
  open edit embargoed private                               403  403  403  403  403  403  403
  restricted                                                200  200  403  403  403  403  403
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
POST /api/records/{id}/request-deletion
  open edit embargoed restricted private                    403  403  200  200  403  200  200
  withdrawn                                                 403  410  410  410  403  410  410
  draft                                                     403  403  404  404  403  404  404
POST /api/records/{id}/quota-increase
  open embargoed restricted private                         403  403  404  404  403  404  404
  edit draft                                                403  403  400  400  403  400  400
  withdrawn                                                 403  410  410  410  403  410  410
POST /api/records/{id}/quota
  open edit embargoed restricted private draft              403  403  403  200  403  403  403
  withdrawn                                                 403  403  403  410  403  403  403
POST /api/users/{user_id}/quota
  -                                                         403  403  403  404  403  403  403
GET /api/records/{id}/requests
  open edit embargoed restricted private draft              403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
GET /api/records/{id}/communities
  open edit embargoed restricted                            200  200  200  200  200  200  200
  private                                                   403  403  200  200  200  200  200
  withdrawn                                                 410  410  410  410  410  410  410
  draft                                                     404  404  404  404  404  404  404
GET /api/requests
  -                                                         403  200  200  200  200  200  200
GET /api/user/requests
  -                                                         403  200  200  200  200  200  200
GET /api/user/communities
  -                                                         403  200  200  200  200  200  200
GET /api/user/notifications
  -                                                         403  200  200  200  200  200  200
GET /api/communities
  -                                                         200  200  200  200  200  200  200
PUT /api/user/notifications
  -                                                         403  200  200  200  403  200  200
GET /api/requests/{request_id}
  -                                                         403  404  404  404  404  404  404
GET /api/requests/{request_id}/timeline
  -                                                         403  404  404  404  404  404  404
GET /api/requests/{request_id}/timeline_focused
  -                                                         403  404  404  404  404  404  404
GET /api/requests/{request_id}/comments/{comment_id}
  -                                                         403  404  404  404  404  404  404
GET /api/requests/{request_id}/comments/{comment_id}/replies
  -                                                         403  404  404  404  404  404  404
GET /api/requests/{request_id}/comments/{comment_id}/replies_focused
  -                                                         403  404  404  404  404  404  404
PUT /api/requests/{request_id}
  -                                                         403  404  404  404  403  404  404
DELETE /api/requests/{request_id}
  -                                                         403  404  404  404  403  404  404
POST /api/requests/{request_id}/actions/{action}
  -                                                         403  404  404  404  403  404  404
GET /api/requests/{request_id}/lock
  -                                                         403  404  404  404  403  404  404
POST /api/requests/{request_id}/lock
  -                                                         403  404  404  404  403  404  404
GET /api/requests/{request_id}/unlock
  -                                                         403  404  404  404  403  404  404
POST /api/requests/{request_id}/unlock
  -                                                         403  404  404  404  403  404  404
POST /api/requests/{request_id}/comments
  -                                                         403  404  404  404  403  404  404
PUT /api/requests/{request_id}/comments/{comment_id}
  -                                                         403  404  404  404  403  404  404
DELETE /api/requests/{request_id}/comments/{comment_id}
  -                                                         403  404  404  404  403  404  404
POST /api/requests/{request_id}/comments/{comment_id}/reply
  -                                                         403  404  404  404  403  404  404
GET /me/requests
  -                                                         401  401  401  401  401  401  200
GET /me/requests/{request_id}
  -                                                         401  401  401  401  401  401  404
POST /me/requests/{request_id}/comments
  -                                                         401  401  401  401  401  401  404
POST /me/requests/{request_id}/actions/{action}
  -                                                         401  401  401  401  401  401  404
POST /records/{id}/request-access
  open edit embargoed restricted private                    403  403  403  403  403  403  403
  withdrawn                                                 403  403  403  403  403  403  410
  draft                                                     403  403  403  403  403  403  404
GET /access/requests/confirm
  -                                                         404  404  404  404  404  404  404
POST /access/requests/confirm
  -                                                         403  403  403  403  403  403  403
GET /admin
  -                                                         401  401  401  401  401  401  403
GET /admin/users
  -                                                         401  401  401  401  401  401  403
POST /admin/users/{user_id}/{action}
  -                                                         401  401  401  401  401  401  403
GET /admin/records
  -                                                         401  401  401  401  401  401  403
POST /admin/records/{id}/withdraw
  open edit embargoed restricted private withdrawn draft    401  401  401  401  401  401  403
POST /admin/records/{id}/restore
  open edit embargoed restricted private withdrawn draft    401  401  401  401  401  401  403
GET /admin/jobs
  -                                                         401  401  401  401  401  401  403
POST /admin/jobs/{job_id}/retry
  -                                                         401  401  401  401  401  401  403
GET /robots.txt
  -                                                         200  200  200  200  200  200  200
"""

FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="new.txt"\r\n\r\nnew\r\n--x--\r\n'
DESCRIBED = {"metadata": {"title": "Changed", "upload_type": "dataset", "creators": [{"name": "Doe, J"}]}}


EXPECTED: dict[tuple[str, str], dict[str, list[int]]] = {}
for _line in TABLE.strip().splitlines()[1:]:
    if not _line.startswith(" "):
        _verb, _path = _line.split()
        EXPECTED[_verb, _path] = {}
    else:
        _words = _line.split()
        for _kind in _words[: -len(READERS)]:
            EXPECTED[_verb, _path][_kind] = [int(w) for w in _words[-len(READERS) :]]

ROUTES = [(verb, path) for verb, path, _ in [*API, *PAGES]]
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="new.txt"\r\n\r\nnew\r\n--x--\r\n'
DESCRIBED = {"metadata": {"title": "Changed", "upload_type": "dataset", "creators": [{"name": "Doe, J"}]}}
# The same for everybody, and about nothing that anybody could hide.
SHARED = ("/static/", "/branding/", "/badge/", "/robots.txt", "/.well-known/", "/api/openapi.json")


class Ears(logging.Handler):
    """Keeps all that is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    """What the application (and what it is made of, but for each statement) says at the log level debug."""
    ears = Ears()
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(ears)
    root.setLevel(logging.DEBUG)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    yield ears
    root.removeHandler(ears)
    root.setLevel(level)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ears: Ears) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


@dataclass(frozen=True)
class Request:
    """A request that would be right, if one may."""

    verb: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


def request_of(verb: str, path: str, subject: Subject | None) -> Request:
    values = {"format": "json", "doi": "10.5072/strongroom.1", "rest": "files"}
    # Of nobody: what happens to one that is there, tests/http says (test_users, test_oauth).
    values |= {"scheme": "doi", "n": "1", "key": "run-1", "part": "1"}
    nobodys = "00000000-0000-4000-8000-000000000000"
    values |= dict.fromkeys(("link_id", "request_id", "comment_id", "group_id"), nobodys)
    values |= {"index": "0", "action": "accept"}
    values |= {"user_id": "999999", "token_id": "999999", "grant_id": "999999", "client_id": "none"}
    values |= {"provider": "orcid", "token": "none", "linked_id": "999999"}
    values |= {"name": "none", "job_id": "999999"}
    values |= {"type": "languages", "term": "eng", "orcid": "0000-0002-1825-0097"}
    _, _, values["version"], values["path"] = static_url("site.css").split("/", 3)
    if subject is not None:
        values |= {
            "id": str(subject.id),
            "bucket": subject.bucket,
            "key": subject.key,
            "file_id": subject.file_id,
            "doi": f"10.5072/strongroom.{subject.id}",
            "rest": f"files/{subject.key}",
        }
    filled = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: values[m[1]], path)
    match verb, path.removeprefix("/api/deposit/depositions"):
        case "POST", "/{id}/files":
            return Request(verb, filled, FORM, (("content-type", "multipart/form-data; boundary=x"),))
        case "PUT", "/{id}/files":
            return Request(verb, filled, [{"id": subject.file_id}] if subject else [])
        case "PUT", "/{id}/files/{file_id}":
            return Request(verb, filled, {"filename": "renamed.txt"})
        case "PUT", "/{id}":
            return Request(verb, filled, DESCRIBED)
        case "POST", "/api/records/{id}/draft/files":
            return Request(verb, filled, [{"key": "new.txt"}])
        case "PUT", "/api/records/{id}/draft/files/{key:path}":
            return Request(verb, filled, {"metadata": {"role": "data"}})
        case "PUT", "/api/user":
            return Request(verb, filled, {"profile": {"affiliations": "CERN"}})
        case "PUT", "/api/deposits/{key}":
            return Request(verb, filled, {"record": {}, "publish": False})
        case ("PUT", "/api/records/{id}/draft") | ("POST", "/api/records"):
            return Request(verb, filled, {"metadata": {"title": "Changed"}})
        case "DELETE", "/api/records/{id}/delete":
            return Request(verb, filled, {"removal_reason": {"id": "test-record"}})
        case "PUT", "/api/records/{id}/access":
            return Request(verb, filled, {"allow_user_requests": True, "secret_link_expiration": 7})
        case "POST", "/api/records/{id}/access/links":
            return Request(verb, filled, {"permission": "view"})
        case "POST", "/api/records/{id}/access/grants":
            other = {"permission": "view", "subject": {"type": "user", "id": "other@example.org"}}
            return Request(verb, filled, {"grants": [other]})
        case (("PUT" | "PATCH"), _) if "/access/" in path:
            return Request(verb, filled, {"permission": "edit"})
        case "POST", "/api/records/{id}/access/request":
            said = {"email": "other@example.org", "full_name": "O", "consent_to_share_personal_data": "true"}
            return Request(verb, filled, said | {"message": "Please"})
        case "POST", "/api/records/{id}/request-deletion":
            return Request(verb, filled, {"reason": "test-record"})
        case "POST", ("/api/records/{id}/quota" | "/api/users/{user_id}/quota"):
            return Request(verb, filled, {"quota_size": 10**9, "max_file_size": 10**8, "notes": "Ok"})
        case "POST", "/api/records/{id}/quota-increase":
            # Refused with its reason: this repository sets no limit that could be raised.
            return Request(verb, filled, {"quota_size": "60"})
        case "PUT", "/api/user/notifications":
            return Request(verb, filled, {"enabled": True})
        case (("PUT" | "POST"), _) if path.startswith("/api/requests/"):
            return Request(verb, filled, {"payload": {"content": "x", "format": "html"}})
        case "PUT", _:
            return Request(verb, filled, b"new bytes")
        case "POST", "/api/user/tokens":
            return Request(verb, filled, {"name": "made", "scopes": []})
        case "POST", ("/records/{id}/share/links" | "/records/{id}/share/people"):
            said = b"permission=view&who=other@example.org"
            return Request(verb, filled, said, (("content-type", "application/x-www-form-urlencoded"),))
        case "POST", "/account/settings/applications/tokens":
            return Request(
                verb, filled, b"name=made", (("content-type", "application/x-www-form-urlencoded"),)
            )
        case "POST", ("/login" | "/logout" | "/register" | "/forgotten" | "/account/settings/profile"):
            return Request(verb, filled, b"", (("content-type", "application/x-www-form-urlencoded"),))
    return Request(verb, filled)


def ask(site: Site, reader: Reader, request: Request, **more: str) -> Answer:
    """Ask, and check what holds for every answer there is."""
    headers = dict(request.headers) | {k.replace("_", "-"): v for k, v in more.items()}
    answer = site.ask(request.verb, request.path, reader, request.body, headers)
    assert answer.status < 500, (request, reader.name, answer)
    assert answer.headers["x-content-type-options"] == "nosniff"
    if request.path not in ("/login", "/logout", "/register", "/forgotten"):
        assert answer.cookies == (), (request, reader.name)
    keep = answer.headers["cache-control"]
    if not request.path.startswith(SHARED):
        if reader.headers or answer.status >= 400 or request.verb not in ("GET", "HEAD"):
            assert "no-store" in keep, (request, reader.name, answer.status, keep)
        if "public" in keep and request.path.startswith(("/records", "/api/records/")):
            assert {"cookie", "authorization"} <= {
                v.strip().lower() for v in answer.headers["vary"].split(",")
            }
    return answer


# The table -------------------------------------------------------------------------------------------------


def test_the_table_names_every_route_and_no_other() -> None:
    """Who adds an address says here who may use it."""
    assert set(EXPECTED) == set(ROUTES)
    for (verb, path), lines in EXPECTED.items():
        about_one = any(f"{{{name}" in path for name in ("id", "bucket", "doi"))
        assert set(lines) == (set(KINDS) if about_one else {"-"}), (verb, path)


@pytest.fixture(scope="module")
def subjects() -> dict[str, Subject]:
    """Those that nobody has changed yet."""
    return {}


@pytest.mark.parametrize(("verb", "path"), EXPECTED, ids=lambda part: part)
def test_who_may(site: Site, cast: Cast, subjects: dict[str, Subject], verb: str, path: str) -> None:
    for kind, expected in EXPECTED[verb, path].items():
        got = []
        for name in READERS:
            if kind != "-" and kind not in subjects:
                subjects[kind] = cast.make(kind)
            before = newest(site)
            answer = ask(site, cast.readers[name], request_of(verb, path, subjects.get(kind)))
            got.append(answer.status)
            if verb == "GET" or answer.status >= 400:
                assert newest(site) == before, f"{name} changed something: {answer}"
            else:
                subjects.pop(kind, None)
            if path == "/logout" and name == "session":
                cast.fresh_session()
        assert dict(zip(READERS, got, strict=True)) == dict(zip(READERS, expected, strict=True)), kind


def newest(site: Site) -> int:
    with site.ctx.db.read() as session:
        return changes.newest(session)


@pytest.mark.parametrize("path", [path for verb, path in ROUTES if verb == "GET"])
def test_head_tells_what_get_tells(site: Site, cast: Cast, subjects: dict[str, Subject], path: str) -> None:
    # Tokens and times of the form are new each time.
    for kind in EXPECTED["GET", path]:
        if kind != "-" and kind not in subjects:
            subjects[kind] = cast.make(kind)
        for name in ("anonymous", "owner"):
            request = request_of("GET", path, subjects.get(kind))
            got = ask(site, cast.readers[name], request)
            head = ask(site, cast.readers[name], Request("HEAD", request.path))
            assert head.status == got.status
            assert head.headers == got.headers, (kind, name)


# What may not be seen --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_kinds(cast: Cast) -> dict[str, Subject]:
    return {kind: cast.make(kind) for kind in KINDS}


def _looks(all_kinds: dict[str, Subject]) -> Iterator[tuple[Request, dict[str, str]]]:
    """Every way to look at everything: routes, formats, media types, lists, searches."""
    for verb, path in ROUTES:
        if verb != "GET":
            continue
        for subject in all_kinds.values():
            if "{format}" in path:
                for name in REPRESENTATIONS:
                    yield request_of("GET", path.replace("{format}", name), subject), {}
            elif path in ("/api/records/{id}", "/records/{id}"):
                for media_type in MEDIA_TYPES:
                    yield request_of("GET", path, subject), {"accept": media_type}
            elif path == "/doi/{doi:path}":
                yield Request("GET", f"/doi/10.5072/strongroom.{subject.id - 1}"), {}
            yield request_of("GET", path, subject), {}
    for subject in all_kinds.values():
        yield Request("GET", f"/records/{subject.id - 1}"), {}
        yield Request("GET", f"/api/records/{subject.id - 1}"), {}
        yield Request("GET", f"/api/records/{subject.id - 1}/versions"), {}
        yield Request("GET", f"/records/{subject.id}?preview=1"), {}
        yield Request("GET", f"/api/files/{subject.bucket}?versions"), {}
    for place in ("/api/records", "/search", "/search.atom", "/search/suggest"):
        for query in (
            "",
            "q=rose",
            "q=title:*",
            "size=25&all_versions=1",
            "sort=oldest",
            "q=NOT+nothing",
            "access_status=restricted",
        ):
            yield Request("GET", f"{place}?{query}"), {}
    for query in ("", "q=rose", "status=draft", "all_versions=1"):
        yield Request("GET", f"/api/deposit/depositions?{query}"), {}


def looks(all_kinds: dict[str, Subject]) -> list[tuple[Request, dict[str, str]]]:
    return list(
        {(str(request), str(headers)): (request, headers) for request, headers in _looks(all_kinds)}.values()
    )


def told(site: Site, reader: Reader, all_kinds: dict[str, Subject]) -> dict[tuple[str, str], set[str]]:
    """Everything hidden that this reader is told: (kind, what) and where."""
    found: dict[tuple[str, str], set[str]] = {}
    for request, headers in looks(all_kinds):
        for verb in ("GET",) if headers else ("GET", "HEAD"):
            answer = ask(site, reader, Request(verb, request.path), **headers)
            for subject in all_kinds.values():
                for what in subject.given_away_by(answer.text):
                    # What one knows one may hear again: a redirect repeats the address.
                    if subject.hidden[what] not in unquote(request.path):
                        found.setdefault((subject.kind, what), set()).add(f"{verb} {request.path} {headers}")
    return found


@pytest.mark.parametrize("name", ["anonymous", "other"])
def test_nothing_hidden_is_told_anywhere(
    site: Site, cast: Cast, all_kinds: dict[str, Subject], name: str
) -> None:
    assert told(site, cast.readers[name], all_kinds) == {}


@pytest.mark.parametrize("name", ["owner", "session", "no-scope"] if PROVE else ["owner"])
def test_the_hunt_finds_what_there_is_to_find(
    site: Site, cast: Cast, all_kinds: dict[str, Subject], name: str
) -> None:
    """The same looks by who may see it all: else the test above could not fail."""
    found = set(told(site, cast.readers[name], all_kinds))
    expected = {(s.kind, what) for s in all_kinds.values() for what in s.hidden if s.kind != "withdrawn"}
    # The bytes of a file are asked for by its name, its facet is of public records only.
    assert expected - found <= {(kind, "type of a file") for kind in KINDS}


def test_nobody_searches_for_what_is_hidden(site: Site, cast: Cast, all_kinds: dict[str, Subject]) -> None:
    """A hit, a total or a facet would tell that a guess was right."""
    fields = {
        "title": ("title", ""),
        "description": ("description", ""),
        "keyword": ("keywords", ""),
        "name of a file": ("filename", "files.entries.key", ""),
        "type of a file": ("filetype", "files.types", ""),
        "md5": ("checksum", "files.entries.checksum", ""),
        "title of the edit": ("title", ""),
    }
    for reader in (cast.readers["anonymous"], cast.readers["other"]):
        for subject in all_kinds.values():
            for what, names in fields.items():
                marker = subject.hidden.get(what)
                if marker is None:
                    continue
                for field in names:
                    query = quote(f'{field}:"{marker}"' if field else f'"{marker}"')
                    for place in ("/api/records", "/api/deposit/depositions"):
                        if reader.name == "anonymous" and place != "/api/records":
                            continue
                        said = site.ask("GET", f"{place}?q={query}&all_versions=1", reader)
                        hits = said.json()["hits"]["total"] if place == "/api/records" else len(said.json())
                        assert (said.status, hits) == (200, 0), (reader.name, subject.kind, what, field)
    # The same words find what is public.
    open_one = cast.site.ask("GET", f'/api/records?q="{all_kinds["open"].key}"', cast.readers["anonymous"])
    assert [h["id"] for h in open_one.json()["hits"]["hits"]] == [all_kinds["open"].id]


def test_facets_and_totals_count_only_what_one_may_see(
    site: Site, cast: Cast, all_kinds: dict[str, Subject]
) -> None:
    totals = {}
    # `other` was given access to some by the requests above.
    readers = cast.readers | {"stranger": site.reader("stranger")}
    for name in ("anonymous", "stranger", "other", "owner", "admin"):
        said = site.ask("GET", "/api/records?all_versions=1", readers[name]).json()
        totals[name] = said["hits"]["total"]
        counted = sum(b["doc_count"] for b in said["aggregations"]["access_status"]["buckets"])
        assert counted == totals[name]
        types = {b["key"] for b in said["aggregations"]["file_type"]["buckets"]}
        assert not types & {s.hidden.get("type of a file") for s in all_kinds.values()}
    assert totals["anonymous"] == totals["stranger"] <= totals["other"] < totals["owner"]


def test_manifests_are_behind_no_address(site: Site, cast: Cast, all_kinds: dict[str, Subject]) -> None:
    """They lie in the store beside the bytes; no path, however spelled, leads there."""
    site.desk.work()
    stored = [e.location for e in site.ctx.store.list("manifests/")]
    assert stored
    marker = all_kinds["restricted"].key
    assert any(marker.encode() in site.ctx.store.get(location) for location in stored)
    inside = next(location for location in stored if marker.encode() in site.ctx.store.get(location))
    subject = all_kinds["open"]
    ways = [
        inside,
        f"../{inside}",
        f"../../{inside}",
        f"../../../files/{inside}",
        f"/{inside}",
        "../../strongroom.db",
    ]
    for way in ways:
        for spelled in (way, quote(way, safe=""), way.replace("/", "%2f"), way.replace("..", "%2e%2e")):
            for base in (
                "/", "/static/", "/static/x/", "/files/", f"/records/{subject.id}/files/", f"/api/records/{subject.id}/files/",
                f"/api/files/{subject.bucket}/", "/api/files/", f"/records/{subject.id}/export/", "/record/",
            ):  # fmt: skip
                for tail in ("", "/content"):
                    for reader in (cast.readers["anonymous"], cast.readers["admin"]):
                        answer = site.ask("GET", f"{base}{spelled}{tail}", reader)
                        assert answer.status in (301, 302, 400, 403, 404), (base, spelled, answer.status)
                        assert marker not in answer.text


# Credentials -----------------------------------------------------------------------------------------------

# Programs prove themselves there by what they send; nobody looks at cookies.
COOKIELESS = ("/oauth/token", "/oauth/revoke")
UNSAFE = [(verb, path) for verb, path in ROUTES if verb != "GET" and path not in COOKIELESS]


@pytest.mark.parametrize(("verb", "path"), UNSAFE, ids=lambda part: part)
def test_a_cookie_alone_writes_nothing(site: Site, cast: Cast, verb: str, path: str) -> None:
    """What a browser sends along by itself when another site makes it ask."""
    subject = cast.make("draft")
    request = request_of(verb, path, subject)
    own = cast.readers["session"].headers
    cookie = {"cookie": own["cookie"]}
    token = {"x-csrf-token": own["x-csrf-token"]}
    attempts: dict[str, dict[str, str]] = {
        "nothing but the cookie": cookie,
        "same origin, no token": cookie | {"sec-fetch-site": "same-origin"},
        "same origin, wrong token": cookie | {"sec-fetch-site": "same-origin", "x-csrf-token": "x" * 32},
        "token, cross site": cookie | token | {"sec-fetch-site": "cross-site"},
        "token, same site": cookie | token | {"sec-fetch-site": "same-site"},
        "token, typed address": cookie | token | {"sec-fetch-site": "none"},
        "token, other origin": cookie | token | {"origin": "http://evil.example"},
        "token, null origin": cookie | token | {"origin": "null"},
        "token, no origin": cookie | token,
        "an origin that only begins like ours": cookie | token | {"origin": "http://testserver.evil.example"},
    }
    before = newest(site)
    for what, headers in attempts.items():
        answer = ask(site, Reader("forged", headers=headers), request)
        # A record has no verbs for cookies either; what else refuses may come first.
        assert answer.status == 403, (what, answer)
    assert newest(site) == before
    with site.ctx.db.read() as session:
        from strongroom.accounts import service

        assert service.by_session(session, own["cookie"].partition("=")[2]).is_user, "nobody was logged out"


def test_an_old_browser_says_its_origin(site: Site, cast: Cast) -> None:
    own = dict(cast.readers["session"].headers)
    del own["sec-fetch-site"]
    made = site.ask(
        "POST", "/api/deposit/depositions", Reader("old", headers=own | {"origin": "http://testserver"}), {}
    )
    assert made.status == 201


def test_a_token_speaks_alone(site: Site, cast: Cast) -> None:
    """With a token, cookies are not looked at, not even when the token is wrong."""
    cookie = {"cookie": cast.readers["session"].headers["cookie"]}
    other = cast.readers["other"]
    both = Reader("both", headers={**other.headers, **cookie})
    made = site.ask("POST", "/api/deposit/depositions", both, {})
    assert (made.status, made.json()["owner"]) == (201, other.actor.user_id)
    for wrong in ("Bearer wrong", "Bearer:wrong"):
        answer = site.ask(
            "GET", "/api/deposit/depositions", Reader("x", headers={"authorization": wrong, **cookie})
        )
        assert answer.status == 401
    answer = site.ask("GET", "/api/deposit/depositions?access_token=wrong", Reader("x", headers=cookie))
    assert answer.status == 401


def test_ways_to_send_a_token(site: Site, cast: Cast) -> None:
    token = cast.readers["owner"].secrets[0]
    for headers, query in (
        ({"authorization": f"Bearer {token}"}, ""),
        ({"authorization": f"Bearer:{token}"}, ""),
        ({"authorization": f"bearer {token}"}, ""),
        ({}, f"?access_token={token}"),
        ({}, f"?%61ccess_token={token}"),
    ):
        answer = ask(
            site,
            Reader("x", headers=headers or {"x": "x"}),
            Request("GET", f"/api/deposit/depositions{query}"),
        )
        assert answer.status == 200
        # Also where the answer to a guest may be kept by anybody.
        assert (
            "no-store"
            in site.ask("GET", f"/api/records{query}", Reader("x", headers=headers)).headers["cache-control"]
        )


def test_log_in_needs_the_form_it_came_with(site: Site, cast: Cast) -> None:
    shown = site.ask("GET", "/login")
    (cookie,) = (c.partition(";")[0] for c in shown.cookies)
    csrf = cookie.partition("=")[2]
    assert csrf in shown.text
    form = {"email": "owner@example.org", "password": PASSWORD, "csrf": csrf, "next": "/me/uploads"}

    def log_in(send: dict[str, str], **headers: str) -> Answer:
        body = "&".join(f"{k}={quote(v)}" for k, v in send.items()).encode()
        return site.ask(
            "POST",
            "/login",
            None,
            body,
            {"content-type": "application/x-www-form-urlencoded"}
            | {k.replace("_", "-"): v for k, v in headers.items()},
        )

    good = {"cookie": cookie, "sec_fetch_site": "same-origin"}
    for refused in (
        log_in(form, **(good | {"sec_fetch_site": "cross-site"})),
        log_in(form, cookie=cookie, origin="http://evil.example"),
        log_in(form, sec_fetch_site="same-origin"),
        log_in(form | {"csrf": "x"}, **good),
    ):
        assert refused.status == 403
        assert not [c for c in refused.cookies if c.startswith("strongroom=")]
    wrong = log_in(form | {"password": "wrong horse"}, **good)
    assert wrong.status == 401
    done = log_in(form, **good)
    assert (done.status, done.headers["location"]) == (303, "http://testserver/me/uploads")
    (session,) = (c for c in done.cookies if c.startswith("strongroom="))
    attributes = {part.strip().lower() for part in session.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"):
        assert log_in(form | {"next": elsewhere}, **good).headers["location"] == "http://testserver/"


def test_over_https_the_cookie_is_for_this_host_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("https") / "data",
        base_url="https://testserver",
        rate_limits="off",
        disk_reserve_bytes=0,
    )
    site = Site(settings).start()
    try:
        site.reader("owner")
        shown = site.ask("GET", "/login")
        cookie = shown.cookies[0].partition(";")[0]
        assert "secure" in shown.cookies[0].lower()
        body = f"email=owner@example.org&password={quote(PASSWORD)}&csrf={cookie.partition('=')[2]}".encode()
        done = site.ask("POST", "/login", None, body, {"cookie": cookie, "sec-fetch-site": "same-origin"})
        (session,) = (c for c in done.cookies if c.startswith("__Host-strongroom="))
        assert {"secure", "path=/"} <= {part.strip().lower() for part in session.split(";")[1:]}
        assert "domain" not in session.lower()
    finally:
        site.stop()


def test_an_answer_may_be_kept_only_if_everybody_gets_it(
    site: Site, cast: Cast, all_kinds: dict[str, Subject]
) -> None:
    anonymous = cast.readers["anonymous"]
    for kind in ("open", "embargoed", "restricted"):
        for path in (f"/api/records/{all_kinds[kind].id}", f"/records/{all_kinds[kind].id}"):
            answer = ask(site, anonymous, Request("GET", path))
            assert answer.headers["cache-control"].startswith("public")
            again = ask(site, anonymous, Request("GET", path), if_none_match=answer.headers["etag"])
            assert (again.status, again.body) == (304, b"")
            # Whoever shows who he is gets his own answer, not that a guest's is still right.
            etags = {answer.headers["etag"]}
            for name in ("other", "owner", "admin"):
                own = ask(
                    site, cast.readers[name], Request("GET", path), if_none_match=answer.headers["etag"]
                )
                assert own.status == 200, (path, name)
                etags.add(own.headers["etag"])
            assert len(etags) == 4, "nor for another who does"


def test_a_guest_never_gets_what_was_made_for_another(
    site: Site, cast: Cast, all_kinds: dict[str, Subject]
) -> None:
    """The cache of rendered answers, asked in every order."""
    paths: list[Callable[[Subject], str]] = [
        lambda s: f"/api/records/{s.id}",
        lambda s: f"/records/{s.id}",
        lambda s: f"/records/{s.id}/export/json",
        lambda s: "/",
        lambda s: "/search",
    ]
    for subject in (all_kinds["restricted"], all_kinds["embargoed"]):
        for path in paths:
            answers = [
                site.ask("GET", path(subject), cast.readers[name])
                for name in ("owner", "anonymous", "session", "anonymous", "admin", "other", "anonymous")
            ]
            for guest in (answers[1], answers[3], answers[6], answers[5]):
                assert subject.given_away_by(guest.text) == []
                assert "owner@example.org" not in guest.text
                assert "csrf" not in guest.text.lower() or guest.status == 401


def test_no_secret_was_logged(site: Site, cast: Cast, ears: Ears) -> None:
    """Runs last: all that the tests above made the application say."""
    token = cast.readers["owner"].secrets[0]
    site.ask("GET", f"/record/1?access_token={token}")
    site.ask("PUT", f"/api/deposit/depositions?access_token={token}")
    said = "\n".join(ears.heard)
    assert "/api/deposit/depositions" in said, "something was logged"
    for secret in cast.secrets:
        assert secret not in said
