"""List parameters of the deposit list and the record search (api-legacy.md 3.1 and 10.1)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request

from strongroom.access import Actor, Level, shared_concepts
from strongroom.errors import Finding, Invalid
from strongroom.http.deps import flag
from strongroom.search.index import SearchRequest, sort_names
from strongroom.search.query import parse_bounds, parse_custom

WINDOW = 10_000
# Parameters that narrow a search; `keywords` is the old name of `subject`.
FILTERS = (
    "access_status", "access_right", "resource_type", "subject", "keywords", "file_type", "license",
    "publication_date", "communities", "type", "subtype", "bounds", "custom",
)  # fmt: skip
OLDEST_FIRST = frozenset({"oldest", "-mostrecent", "updated-asc", "oldestactivity"})
BY_UPDATED = frozenset({"updated-desc", "updated-asc", "newestactivity", "oldestactivity"})


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for. `sort` is a name of 10.2, or empty for the default."""

    page: int
    size: int
    sort: str
    status: str | None
    all_versions: bool

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def ascending(self) -> bool:
        return self.sort in OLDEST_FIRST

    @property
    def by_updated(self) -> bool:
        return self.sort in BY_UPDATED

    @classmethod
    def of(cls, request: Request, *, limit: int, guest: bool = False) -> Paging:
        """Read and check the parameters. Raises Invalid, naming the parameter."""
        params = request.query_params
        page = _whole(params.get("page"), "page", 1)
        size = _whole(params.get("size"), "size", 25)
        if size > limit:
            hint = " Please use authenticated requests to increase the limit to 100." if guest else ""
            raise Invalid.at("size", f"Page size cannot be greater than {limit}.{hint}")
        if page * size > WINDOW:
            raise Invalid(
                [
                    Finding.of(
                        "page", f"Only the first {WINDOW:,} results can be paged through: narrow the search."
                    )
                ],
                "Invalid querystring parameters.",
            )
        sort = params.get("sort", "").strip()
        if sort and sort not in sort_names:
            raise Invalid.at("_schema", f"Invalid sort option '{sort}'.")
        status = params.get("status")
        return cls(
            page,
            size,
            sort,
            status if status in ("draft", "published") else None,
            flag(params.get("all_versions")) or flag(params.get("allversions")),
        )


def _whole(text: str | None, name: str, default: int) -> int:
    if text is None or text == "":
        return default
    try:
        value = int(text)
    except ValueError:
        raise Invalid.at(name, "Not a valid integer.") from None
    if value < 1:
        raise Invalid.at(name, "Must be greater than or equal to 1.")
    return min(value, 10**9)


def search_request(
    params: QueryParams, page: int, size: int, sort: str, all_versions: bool, actor: Actor
) -> SearchRequest:
    """The search that a query string asks for (section 10.1). Raises Malformed (bounds, custom).

    The actor finds what is public, his own, and what is shared with him.
    """

    def values(*names: str) -> tuple[str, ...]:
        return tuple(v for name in names for v in params.getlist(name) if v)

    bounds = params.get("bounds")
    return SearchRequest(
        q=params.get("q", ""),
        page=page,
        size=size,
        sort=sort,
        all_versions=all_versions,
        viewer=actor.user_id,
        shared=shared_concepts(actor, Level.VIEW),
        previewed=shared_concepts(actor, Level.PREVIEW),
        type=params.get("type", ""),
        subtype=params.get("subtype", ""),
        communities=values("communities"),
        bounds=parse_bounds(bounds) if bounds else None,
        custom=tuple(parse_custom(c) for c in values("custom")),
        access_status=values("access_status"),
        access_right=values("access_right"),
        resource_type=values("resource_type"),
        subject=values("subject", "keywords"),
        file_type=values("file_type"),
        license=values("license"),
        publication_date=values("publication_date"),
    )
