"""Every setting: name, type, default and one line of help. Nothing else reads the environment.

Values come from the environment (`STRONGROOM_<NAME>`) or from a TOML file named by `STRONGROOM_CONFIG`;
the environment wins. `docs/operators/settings.md` is generated from this class (`make docs`), and a
test fails when it is out of date.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

GB = 10**9


class Settings(BaseSettings):
    """The settings of one repository; frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix="STRONGROOM_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    # where things are
    data_dir: Path = Field(
        Path(".data"), description="Folder of everything embedded: database, files, index."
    )
    base_url: str = Field(
        "http://127.0.0.1:8000",
        description="Address under which users reach the site; every link starts with it.",
    )
    content_url: str = Field(
        "", description="Second address for deposited bytes, on another host name (empty: the base URL)."
    )
    database_url: str = Field("", description="postgresql://… (empty: SQLite at <data_dir>/strongroom.db).")
    storage_url: str = Field("", description="s3://bucket/prefix (empty: local files at <data_dir>/files).")
    storage_endpoint: str = Field("", description="Address of the S3 service, when it is not AWS.")
    storage_region: str = Field("us-east-1", description="Region of the S3 service.")
    storage_access_key: str = Field("", description="S3 access key (empty: the machine's role).")
    storage_secret_key: str = Field("", description="S3 secret key.", json_schema_extra={"secret": True})

    # what the site is
    site_name: str = Field(
        "Strongroom", description="Name shown in pages, citations and as default publisher."
    )
    contact_email: str = Field("admin@localhost", description="Where users and harvesters write to.")
    site_logo: str = Field(
        "", description="Path of an SVG or PNG file shown beside the name (empty: the archive box)."
    )
    accent_colour: str = Field(
        "", description="Colour of links and buttons, #rrggbb; darkened until text in it can be read."
    )
    accent_colour_dark: str = Field(
        "", description="The same on dark ground (empty: the accent colour, lightened)."
    )
    footer_text: str = Field(
        "", description="What the foot of each page says of this site (empty: a sentence)."
    )
    footer_links: str = Field(
        "",
        description="Further links in the foot of each page: `Legal notice /pages/legal, Status https://…`.",
    )
    pages_dir: str = Field(
        "",
        description="Folder of your own about.md, help.md, policies.md, terms.md (empty: <data_dir>/pages).",
    )

    # mail
    smtp_host: str = Field(
        "", description="Mail server (empty: mails are kept as files in <data_dir>/mail for the operator)."
    )
    smtp_port: int = Field(25, ge=1, le=65535, description="Its port; 587 with starttls, 465 with tls.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "none", description="How the connection to it is protected."
    )
    smtp_username: str = Field("", description="Account at the mail server (empty: none is needed).")
    smtp_password: str = Field("", description="Its password.", json_schema_extra={"secret": True})
    mail_from: str = Field("", description="Sender of mails (empty: the contact's address).")

    # logging in
    accounts: Literal["open", "closed", "off"] = Field(
        "open",
        description="Accounts with a password of our own: anybody registers, only the operator makes them "
        "(`strongroom user add`), or none can log in by password.",
    )
    orcid_client_id: str = Field("", description="Client id at ORCID (empty: no log-in by ORCID).")
    orcid_client_secret: str = Field("", description="Its secret.", json_schema_extra={"secret": True})
    orcid_url: str = Field(
        "https://orcid.org", description="ORCID's address; the sandbox is https://sandbox.orcid.org."
    )
    github_client_id: str = Field("", description="Client id at GitHub (empty: no log-in by GitHub).")
    github_client_secret: str = Field("", description="Its secret.", json_schema_extra={"secret": True})
    github_url: str = Field(
        "https://github.com", description="GitHub's address, or that of a GitHub Enterprise Server."
    )
    github_api_url: str = Field("https://api.github.com", description="Address of its API.")
    oidc_issuer: str = Field(
        "",
        description="Issuer of another OpenID Connect provider, for instance the institution's (empty: none).",
    )
    oidc_client_id: str = Field("", description="Client id there.")
    oidc_client_secret: str = Field("", description="Its secret.", json_schema_extra={"secret": True})
    oidc_name: str = Field("your institution", description="Its name on the button “Continue with …”.")
    oidc_icon: Path | None = Field(
        None,
        description="File with the picture on its button: SVG, PNG or WebP, 50 kB at most (empty: a building).",
    )

    # identifiers
    doi_prefix: str = Field(
        "10.5072", description="DOI prefix; the default is the test prefix, whose DOIs nobody can register."
    )
    doi_name: str = Field("strongroom", description="A DOI reads <prefix>/<name>.<id>.")
    registrar: Literal["local", "datacite"] = Field(
        "local", description="Who registers DOIs; 'local' registers nothing and says so."
    )
    datacite_url: str = Field("https://api.datacite.org", description="DataCite REST API.")
    datacite_username: str = Field("", description="DataCite repository account.")
    datacite_password: str = Field("", description="Its password.", json_schema_extra={"secret": True})
    doi_resolver: str = Field("https://doi.org", description="Prefix of DOI links.")

    # limits
    limits: Literal["none", "zenodo"] = Field(
        "none", description="Profile of limits: 'zenodo' is 50 GB and 100 files a record."
    )
    quota_record_bytes: int = Field(0, ge=0, description="Bytes a record (0: no limit).")
    quota_record_files: int = Field(0, ge=0, description="Files a record (0: no limit).")
    quota_user_bytes: int = Field(0, ge=0, description="Bytes a user, over all records (0: no limit).")
    quota_increase_bytes: int = Field(
        0,
        ge=0,
        description="Bytes beyond the quota of a record that a user gets by asking, over all records "
        "(0: an administrator decides).",
    )
    disk_reserve_bytes: int = Field(1 * GB, ge=0, description="Free disk space that uploads leave untouched.")
    trash_days: float = Field(
        7,
        ge=0,
        description="Days that bytes nobody names any more are kept: longer than the time between two backups.",
    )
    upload_idle_hours: float = Field(
        1, gt=0, description="An upload without a byte for so long is given up and swept."
    )
    transfer_days: float = Field(
        14, gt=0, description="Days after which an upload in parts that was never finished is swept."
    )
    s3_direct_parts: bool = Field(
        False,
        description="Parts of large files go straight to S3, by signed addresses (needs the S3 access key).",
    )
    fetch_hosts: str = Field(
        "",
        description="Hosts (comma between, *.example.org for all below) that files may be fetched from; empty: none.",
    )
    fetch_private: bool = Field(
        False, description="Fetch from private and loopback addresses too; for tests and closed networks."
    )
    request_body_max: int = Field(20_000_000, gt=0, description="Largest JSON body in bytes.")
    deletion_grace_days: int = Field(
        30,
        ge=0,
        description="Days after publication in which an owner's request to delete is granted at once.",
    )

    # traffic
    rate_limits: str = Field(
        "on", description="'off', 'on' (600/min a guest address, 6,000/min a token, 60/min guest searches)."
    )
    trusted_proxies: str = Field(
        "", description="Addresses (comma between) whose X-Forwarded-For is believed."
    )
    oauth_access_minutes: float = Field(
        60, gt=0, description="How long an access token of an application (OAuth 2) lives."
    )
    oauth_refresh_days: float = Field(
        60, gt=0, description="How long an application may stay away before it must ask its user again."
    )
    enforce_scopes: bool = Field(
        True, description="Tokens need deposit:write and deposit:actions (Zenodo's code does not check)."
    )
    anonymous_status: Literal[401, 403] = Field(
        401,
        description="Answer to requests without credentials at /api/deposit, /api/files and /api/user; the records API answers 403.",
    )
    discard_status: Literal[201, 204] = Field(
        201, description="Answer to actions/discard: 201 with the deposition, or 204."
    )
    accel_redirect: str = Field(
        "",
        description="Prefix of an internal nginx location over <data_dir>/files; downloads then go by X-Accel-Redirect.",
    )
    cache_bytes: int = Field(64_000_000, ge=0, description="Memory a process may use for rendered answers.")

    # process
    workers: int = Field(1, ge=1, description="Web processes of `strongroom serve`.")
    threads: int = Field(
        8, ge=2, description="Threads for requests that touch the database, and its connections."
    )
    hash_threads: int = Field(4, ge=1, description="Threads that hash and write uploads.")
    job_threads: int = Field(
        1, ge=0, description="Threads that work on jobs in each web process (0: only `strongroom worker`)."
    )
    sqlite_busy_seconds: float = Field(
        30, gt=0, description="How long a write waits for another before it is 503."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    header_timeout: float = Field(30, gt=0, description="Seconds a client has for the request's head.")
    body_idle_timeout: float = Field(
        120, gt=0, description="Seconds without a byte after which a body is given up."
    )
    stop_timeout: int = Field(
        30,
        ge=1,
        description="Seconds that running transfers have to finish after SIGTERM; then they are cut.",
    )

    @field_validator(
        "base_url", "content_url", "storage_endpoint", "datacite_url", "doi_resolver",
        "orcid_url", "github_url", "github_api_url",
    )  # fmt: skip
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("accent_colour", "accent_colour_dark")
    @classmethod
    def _colour(cls, value: str) -> str:
        if value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError("must read #rrggbb, for instance #0d5c51, or be empty")
        return value.lower()

    @field_validator("site_logo")
    @classmethod
    def _picture(cls, value: str) -> str:
        if value and not value.lower().endswith((".svg", ".png")):
            raise ValueError("must be the path of an .svg or .png file, or empty")
        return value

    @field_validator("footer_links")
    @classmethod
    def _labelled_links(cls, value: str) -> str:
        for link in filter(str.strip, value.split(",")):
            label, _, address = link.strip().rpartition(" ")
            if not label or not re.match(r"(https?://|mailto:|/(?![/\\]))", address):
                raise ValueError(f"{link.strip()!r} must read: words, a blank, an address (https://… or /…)")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and value.partition("://")[0] not in ("postgres", "postgresql", "postgresql+psycopg"):
            raise ValueError("must read postgresql://user:password@host/name, or be empty for SQLite")
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "s3" or not parts.netloc):
            raise ValueError("must read s3://bucket or s3://bucket/prefix, or be empty for local files")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="before")
    @classmethod
    def _profile(cls, values: Any) -> Any:
        """`limits=zenodo` fills what is not set on its own."""
        if isinstance(values, dict) and values.get("limits") == "zenodo":
            values.setdefault("quota_record_bytes", 50 * GB)
            values.setdefault("quota_record_files", 100)
        return values

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if config := os.environ.get("STRONGROOM_CONFIG"):
            sources += (TomlConfigSettingsSource(settings_cls, toml_file=Path(config)),)
        return sources

    @classmethod
    def unknown_variables(cls) -> list[str]:
        """Names in the environment that look like settings and are none: mistyped ones have no effect."""
        known = {f"STRONGROOM_{name}".upper() for name in cls.model_fields} | {"STRONGROOM_CONFIG"}
        return sorted(n for n in os.environ if n.upper().startswith("STRONGROOM_") and n.upper() not in known)

    @property
    def database(self) -> str:
        """SQLAlchemy's URL of the database."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'strongroom.db'}"
        scheme, _, rest = self.database_url.partition("://")
        if scheme in ("postgres", "postgresql"):
            return f"postgresql+psycopg://{rest}"
        return self.database_url

    @property
    def is_sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    @property
    def links_in_the_foot(self) -> list[tuple[str, str]]:
        """(words, address) of `footer_links`."""
        found = [link.strip().rpartition(" ") for link in self.footer_links.split(",") if link.strip()]
        return [(label.strip(), address) for label, _, address in found]

    @property
    def files_dir(self) -> Path:
        return self.data_dir / "files"

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def origin(self) -> str:
        """Scheme and host of the base URL, as browsers send it in `Origin`."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def host(self) -> str:
        """Host name of the base URL: the middle of OAI identifiers."""
        return urlsplit(self.base_url).hostname or "localhost"

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")

    def make_data_dir(self) -> None:
        """Make the data folder, for its owner alone: restricted files and manifests lie in it as they are.

        One that is there already keeps the rights its operator gave it.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def doi(self, record_id: int) -> str:
        """The DOI that the record (or concept) of this number has or would have."""
        return f"{self.doi_prefix}/{self.doi_name}.{record_id}"
