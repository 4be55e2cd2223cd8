"""Files that the server fetches for a depositor (transfer `F`): from allowed hosts only, never from inside the network.

The name is resolved once, every address it has must be public, and the connection goes to the address that was
checked, so that a name that answers differently the second time (DNS rebinding) gains nothing. Redirects are
followed by hand, each with the same check. Nothing of the address is shown to anybody afterwards.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from strongroom.db import AnyRow, Database, Session
from strongroom.errors import Conflict, Incomplete, Invalid, StorageFull, StrongroomError, TooLarge
from strongroom.files import service as files
from strongroom.files import transfers
from strongroom.files.service import Bucket, Stored
from strongroom.settings import Settings
from strongroom.storage.base import BLOCK, ObjectStore, new_location
from strongroom.storage.receive import Digests

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

ATTEMPTS = 5
REDIRECTS = 5

NOT_ALLOWED = "Domain not allowed"


class Refused(StrongroomError):
    """This address is not fetched from, now or later."""

    code = "fetch-refused"


def allowed(url: str, settings: Settings) -> bool:
    """Whether the URL is http(s), names no user, and its host is on the list of `fetch_hosts`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return False
    host = host.rstrip(".").lower()
    for said in settings.fetch_hosts.lower().split(","):
        name = said.strip()
        if name and (host == name or (name.startswith("*.") and host.endswith(name[1:]))):
            return True
    return False


def public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not loopback, private, link-local, shared, multicast …"""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # Ways to write an IPv4 address in IPv6: it is the inner one that is reached.
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
    return found.is_global and not found.is_multicast


def resolve(host: str, port: int, settings: Settings) -> str:
    """One address of the host. Raises Refused when any is not public, OSError when it has none."""
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not settings.fetch_private and not all(public(address) for address in addresses):
        raise Refused("The host has an address inside a private network: it is not fetched from.")
    return addresses[0]


@contextmanager
def opened(url: str, settings: Settings) -> Iterator[httpx2.Response]:
    """The answer at a URL, its body not yet read, redirects followed. Raises Refused, httpx2.HTTPError, OSError."""
    import httpx2  # 50 ms of a start, for what most repositories never do

    timeout = httpx2.Timeout(60, connect=10)
    with httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client:
        for _ in range(REDIRECTS + 1):
            if not allowed(url, settings):
                raise Refused(NOT_ALLOWED)
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna").decode()
            port = parts.port or (443 if parts.scheme == "https" else 80)
            address = resolve(host, port, settings)
            at = f"[{address}]" if ":" in address else address
            request = client.build_request(
                "GET",
                parts._replace(netloc=f"{at}:{port}", fragment="").geturl(),
                headers={"Host": parts.netloc, "Accept-Encoding": "identity"},
                extensions={"sni_hostname": host},  # the certificate is checked against the name
            )
            answer = client.send(request, stream=True)
            try:
                if answer.is_redirect and (target := answer.headers.get("location")):
                    url = urljoin(url, target)
                    continue
                yield answer
                return
            finally:
                answer.close()
    raise Refused("The address leads on and on: too many redirects.")


def run(
    db: Database,
    store: ObjectStore,
    settings: Settings,
    transfer_id: str,
    *,
    last: bool,
    reopen: Callable[[Session, int], Bucket],
    touch: Callable[[Session, AnyRow], None],
) -> None:
    """Fetch one announced file and attach it. What fails for good, or for the last time, leaves it `failed`.

    Raises Incomplete where another try may help.
    """
    import httpx2

    with db.read() as session:
        row = transfers.by_id(session, transfer_id)
    if row is None or row.type != transfers.FETCH or row.status != transfers.PENDING:
        return
    try:
        _fetch(db, store, settings, row, reopen, touch)
    except (Refused, Invalid, TooLarge, Conflict) as error:
        transfers.fail(db, row.id, error)
    except (httpx2.HTTPError, OSError, Incomplete) as error:
        log.info("fetching for transfer %s: %s", transfer_id, type(error).__name__)
        told = error if isinstance(error, Incomplete) else Incomplete("The file could not be fetched.")
        if last:
            transfers.fail(db, row.id, told)
            return
        raise told from None  # an address in a job's error would be shown


def _fetch(
    db: Database,
    store: ObjectStore,
    settings: Settings,
    row: AnyRow,
    reopen: Callable[[Session, int], Bucket],
    touch: Callable[[Session, AnyRow], None],
) -> None:
    location = new_location()
    with opened(row.url, settings) as answer:
        if answer.status_code != 200:
            again = answer.status_code >= 500 or answer.status_code in (408, 429)
            text = f"The host answered with status {answer.status_code}."
            raise Incomplete(text) if again else Refused(text)
        length = answer.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() else None
        if row.size is not None and size is not None and size != row.size:
            raise Refused(f"The host has {size} bytes, {row.size} were announced.")
        with db.begin(durable=False) as session:
            bucket = reopen(session, row.draft_id)
            room = files.reserve(
                session, bucket, row.key, row.user_id, size, location, store.name, settings, store.free()
            )
        found = Digests()
        sink = store.create(location, size)
        try:
            beat = time.monotonic()
            for block in answer.iter_bytes(BLOCK):
                if room.max_size is not None and found.size + len(block) > room.max_size:
                    raise StorageFull() if room.by_disk else TooLarge("File size limit exceeded.")
                found.update(block)
                sink.write(block)
                if time.monotonic() - beat > files.HEARTBEAT_SECONDS:
                    beat = time.monotonic()
                    with db.begin(durable=False) as session:
                        files.heartbeat(session, location)
            if size is not None and found.size != size:
                raise Incomplete("The connection broke: fewer bytes came than announced.")
            told = found.received()
            transfers.check_announced(row, told.size, told.md5, told.sha256)
            if not told.size:
                raise Refused("Empty files are not accepted.")
            sink.finish()
        except BaseException:
            sink.abort()
            with db.begin() as session:
                files.release(session, location)
            raise
    stored = Stored(store.name, location, told.size, told.md5, told.sha256, told.crc32)
    try:
        with db.begin() as session:
            bucket = reopen(session, row.draft_id)
            transfers.complete_fetched(session, bucket, row, stored, settings)
            touch(session, row)
    except StrongroomError:
        store.delete(location)
        with db.begin() as session:
            files.release(session, location)
        raise
