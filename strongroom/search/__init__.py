"""Search: a query language (`query`), an index a machine (`index`) and who keeps it fresh (`indexer`).

Knows no database and no HTTP: what is true comes through the `Source` of `indexer`, as `Document`s.
"""

from strongroom.search.documents import Document, FileEntry, from_record_data
from strongroom.search.index import Bucket, Hits, SearchRequest, sort_names
from strongroom.search.indexer import Change, SearchService, Source
from strongroom.search.query import QuerySyntaxError, parse_bounds, parse_custom

__all__ = [
    "Bucket",
    "Change",
    "Document",
    "FileEntry",
    "Hits",
    "QuerySyntaxError",
    "SearchRequest",
    "SearchService",
    "Source",
    "from_record_data",
    "parse_bounds",
    "parse_custom",
    "sort_names",
]
