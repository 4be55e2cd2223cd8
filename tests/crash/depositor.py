"""A client that writes down what the server acknowledged, and afterwards asks whether it is still true.

What it sent without getting an answer may have happened or not, but not by half: such a thing is noted as
one more possibility, and settled by asking once the server is back. All contents are computed from names, so
that the ledger needs no copies of bytes.
"""

from __future__ import annotations

import hashlib
import random
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

SHARED_CONTENTS = [random.Random(n).randbytes(5_000 + n) for n in range(4)]


class Lost(AssertionError):
    """Something that was acknowledged is not there, or is there by half."""


@dataclass
class Deposit:
    """One version on its way: each set holds what may be true; one element is what is."""

    id: int
    concept: int
    bucket: str
    titles: set[str]
    files: dict[str, set[str | None]] = field(default_factory=dict)  # key → md5, None: not there
    published: set[bool] = field(default_factory=lambda: {False})
    editing: set[bool] = field(default_factory=lambda: {False})
    edited: set[str] = field(default_factory=set)  # titles that the open edit may have
    gone: set[bool] = field(default_factory=lambda: {False})
    index: int = 1
    doi: str = ""
    had: set[str] = field(default_factory=set)  # all titles that it may ever have shown


def metadata(title: str) -> dict[str, Any]:
    return {
        "metadata": {
            "title": title,
            "upload_type": "dataset",
            "description": "<p>Written down by somebody who does not trust servers.</p>",
            "creators": [{"name": "Doe, Jane", "affiliation": "Strongroom"}],
        }
    }


def path_of(link: str) -> str:
    """A link without its server: there may be several doors to one house."""
    return "/api/" + link.partition("/api/")[2]


class Depositor:
    """Uploads, describes, publishes, corrects and goes on to new versions, at random, until told to stop."""

    def __init__(self, url: str, token: str, seed: int, *, largest: int = 3_000_000) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.name = f"d{seed}"
        self.largest = largest
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.deposits: list[Deposit] = []
        self.refused: list[str] = []  # answers that nobody should get
        self.acknowledged = 0
        self._count = 0

    # the work

    def work(self, stop: threading.Event) -> None:
        """Go on until `stop`, or until the server does not answer any more."""
        while not stop.is_set():
            try:
                self.step()
            except requests.RequestException:
                return

    def step(self) -> None:
        open_ones = [d for d in self.deposits if d.published == {False} and d.gone == {False}]
        done = [d for d in self.deposits if d.published == {True}]
        dice = self.random.random()
        if not open_ones or (dice < 0.1 and len(open_ones) < 3):
            if done and self.random.random() < 0.6:
                self.new_version(self.random.choice(done))
            else:
                self.create()
            return
        deposit = self.random.choice(open_ones)
        if dice < 0.45:
            self.put_file(deposit)
        elif dice < 0.55:
            self.post_file(deposit)
        elif dice < 0.62:
            self.delete_file(deposit)
        elif dice < 0.72:
            self.describe(deposit)
        elif dice < 0.76 and deposit.index > 1:
            self.discard(deposit)
        elif dice < 0.84 and done:
            self.correct(self.random.choice(done))
        elif any(md5 - {None} for md5 in deposit.files.values()):
            self.publish(deposit)
        else:
            self.put_file(deposit)

    def _title(self) -> str:
        self._count += 1
        return f"{self.name} says {self._count}"

    def _content(self) -> bytes:
        if self.random.random() < 0.25:
            return self.random.choice(SHARED_CONTENTS)  # others have the same
        size = self.random.choice([0, 1, 100, 20_000, 200_000, self.largest])
        return self.random.randbytes(self.random.randint(size // 2, size))

    def _send(self, verb: str, path: str, *expected: int, **more: Any) -> Any:
        """The answer's JSON where it has an expected status; None for one that is noted as refused."""
        url = self.url + path
        answer = self.session.request(verb, url, timeout=60, **more)
        if answer.status_code not in expected:
            self.refused.append(f"{verb} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        self.acknowledged += 1
        return answer.json() if answer.content else {}

    def create(self) -> None:
        title = self._title()
        made = self._send("POST", "/api/deposit/depositions", 201, json=metadata(title))
        if made:
            self.deposits.append(
                Deposit(made["id"], int(made["conceptrecid"]), path_of(made["links"]["bucket"]), {title})
            )

    def put_file(self, d: Deposit) -> None:
        known = sorted(d.files)
        key = self.random.choice(known) if known and self.random.random() < 0.3 else self._key()
        content = self._content()
        md5 = hashlib.md5(content).hexdigest()
        before = d.files.get(key, {None})
        d.files[key] = before | {md5}
        done = self._send("PUT", f"{d.bucket}/{quote(key)}", 201, data=content)
        if done and (done["checksum"], done["size"]) != (f"md5:{md5}", len(content)):
            raise Lost(f"{key}: acknowledged as {done['checksum']}, {done['size']} bytes, sent {md5}")
        d.files[key] = {md5} if done else before

    def _key(self) -> str:
        self._count += 1
        return self.random.choice(["data {}.bin", "ordner/räume {}.csv", "a/b/c/{}.txt"]).format(self._count)

    def post_file(self, d: Deposit) -> None:
        content = self._content()
        md5 = hashlib.md5(content).hexdigest()
        self._count += 1
        key = f"form {self._count}.dat"
        d.files[key] = {None, md5}
        done = self._send(
            "POST",
            f"/api/deposit/depositions/{d.id}/files",
            201,
            data={"name": key},
            files={"file": ("other.dat", content)},
        )
        if done and (done["checksum"], done["filesize"]) != (md5, len(content)):
            raise Lost(f"{key}: acknowledged as {done['checksum']}, sent {md5}")
        d.files[key] = {md5} if done else {None}

    def delete_file(self, d: Deposit) -> None:
        there = sorted(key for key, md5 in d.files.items() if None not in md5)
        if not there:
            return
        key = self.random.choice(there)
        before = d.files[key]
        d.files[key] = before | {None}
        done = self._send("DELETE", f"{d.bucket}/{quote(key)}", 204)
        d.files[key] = before if done is None else {None}

    def describe(self, d: Deposit) -> None:
        title = self._title()
        before = d.titles
        d.had |= before
        d.titles = before | {title}
        done = self._send("PUT", f"/api/deposit/depositions/{d.id}", 200, json=metadata(title))
        d.titles = {title} if done else before

    def publish(self, d: Deposit) -> None:
        d.published = {True, False}
        done = self._send("POST", f"/api/deposit/depositions/{d.id}/actions/publish", 202)
        d.published = {bool(done)}
        if done:
            d.doi = done["doi"]

    def correct(self, d: Deposit) -> None:
        """Edit a published record, and mostly publish the edit."""
        # An edit that is open already, because a kill came in the middle, goes on as it was.
        d.edited = d.titles | (d.edited if True in d.editing else set())
        d.editing |= {True}
        done = self._send("POST", f"/api/deposit/depositions/{d.id}/actions/edit", 201)
        d.editing = {bool(done)}
        if not done:
            return
        title = self._title()
        d.edited = d.edited | {title}
        if not self._send("PUT", f"/api/deposit/depositions/{d.id}", 200, json=metadata(title)):
            return
        d.edited = {title}
        if self.random.random() < 0.2:
            d.editing = {True, False}
            if self._send("POST", f"/api/deposit/depositions/{d.id}/actions/discard", 201):
                d.editing = {False}
            return
        before = d.titles
        d.had |= before
        d.titles, d.editing = before | {title}, {True, False}
        done = self._send("POST", f"/api/deposit/depositions/{d.id}/actions/publish", 202)
        d.titles, d.editing = ({title}, {False}) if done else (before, {True})

    def new_version(self, d: Deposit) -> None:
        family = [x for x in self.deposits if x.concept == d.concept]
        if any(x.published != {True} and x.gone == {False} for x in family):
            return
        latest = max((x for x in family if x.published == {True}), key=lambda x: x.index)
        made = self._send("POST", f"/api/deposit/depositions/{d.id}/actions/newversion", 201)
        if not made:
            return
        draft = self._send("GET", path_of(made["links"]["latest_draft"]), 200)
        if not draft:
            return
        fresh = Deposit(
            draft["id"],
            d.concept,
            path_of(draft["links"]["bucket"]),
            {draft["metadata"]["title"]},
            {key: set(md5) for key, md5 in latest.files.items() if md5 != {None}},
            index=latest.index + 1,
        )
        # A draft that a broken answer hid from us is taken over here, as a client would: it began with
        # a title that the latest version had then.
        if draft["metadata"]["title"] not in latest.had | latest.titles:
            raise Lost(f"draft {fresh.id} began with {draft['metadata']['title']!r}, not {latest.had}")
        self.deposits = [x for x in self.deposits if x.id != fresh.id] + [fresh]

    def discard(self, d: Deposit) -> None:
        d.gone = {True, False}
        done = self._send("POST", f"/api/deposit/depositions/{d.id}/actions/discard", 201, 204)
        d.gone = {done is not None}

    # afterwards

    def reconcile(self) -> None:
        """Ask for everything that is not certain. Raises Lost where the answer is not one of those possible."""
        for d in self.deposits:
            self._reconcile(d)
        self.deposits = [d for d in self.deposits if d.gone != {True}]

    def _reconcile(self, d: Deposit) -> None:
        certain = len(d.titles) == len(d.published) == len(d.editing) == len(d.gone) == 1 and all(
            len(md5) == 1 for md5 in d.files.values()
        )
        if certain:
            return
        answer = self.session.get(f"{self.url}/api/deposit/depositions/{d.id}", timeout=60)
        if answer.status_code == 404 and True in d.gone:
            d.gone = {True}
            return
        d.gone = {False}
        self._look(d, answer)

    def _look(self, d: Deposit, answer: requests.Response) -> None:
        if answer.status_code != 200:
            raise Lost(f"deposition {d.id}: {answer.status_code} {answer.text[:300]}")
        body = answer.json()
        published, editing = bool(body["submitted"]), body["state"] == "inprogress"
        if published not in d.published:
            raise Lost(f"deposition {d.id}: published is {published}, may be {d.published}")
        if published and editing not in d.editing:
            raise Lost(f"record {d.id}: in edit is {editing}, may be {d.editing}")
        d.published = {published}
        if published:
            d.editing = {editing}
            d.doi = body["doi"]
        if editing and body["metadata"]["title"] not in d.edited | d.titles:
            raise Lost(f"record {d.id}: the edit says {body['metadata']['title']!r}, may say {d.edited}")
        title = body["metadata"]["title"]
        if editing:
            title = self.session.get(f"{self.url}/api/records/{d.id}", timeout=60).json()["metadata"]["title"]
        if title not in d.titles:
            raise Lost(f"deposition {d.id}: title {title!r}, may be {d.titles}")
        d.titles = {title}
        there = {f["filename"]: f["checksum"] for f in body["files"]}
        for key, md5 in d.files.items():
            if there.get(key) not in md5:
                raise Lost(f"deposition {d.id}: {key!r} is {there.get(key)}, may be {md5}")
            d.files[key] = {there.get(key)}
        if unknown := set(there) - set(d.files):
            raise Lost(f"deposition {d.id}: files that nobody sent: {unknown}")

    def verify(self, *, contents: bool = True) -> int:
        """Ask for everything, byte for byte. Raises Lost; returns how many files were read."""
        read = 0
        self.reconcile()
        for d in self.deposits:
            self._look(d, self.session.get(f"{self.url}/api/deposit/depositions/{d.id}", timeout=60))
            published = d.published == {True}
            if published:
                self._verify_record(d)
            for key, (md5,) in d.files.items():
                if md5 is None or not contents:
                    continue
                url = f"{self.url}{d.bucket}/{quote(key)}"
                if published:
                    url = f"{self.url}/api/records/{d.id}/files/{quote(key)}/content"
                answer = self.session.get(url, timeout=60)
                if answer.status_code != 200 or hashlib.md5(answer.content).hexdigest() != md5:
                    raise Lost(f"{url}: {answer.status_code}, {len(answer.content)} bytes")
                read += 1
        return read

    def _verify_record(self, d: Deposit) -> None:
        answer = self.session.get(f"{self.url}/api/records/{d.id}", timeout=60)
        if answer.status_code != 200:
            raise Lost(f"record {d.id}: {answer.status_code}")
        body = answer.json()
        (title,) = d.titles
        there = {f["key"]: f["checksum"].removeprefix("md5:") for f in body["files"]}
        wanted = {key: md5 for key, (md5,) in d.files.items() if md5 is not None}
        said = (body["doi"], body["conceptrecid"], body["metadata"]["title"], there)
        if said != (d.doi, str(d.concept), title, wanted):
            raise Lost(f"record {d.id}: {said}, not {(d.doi, d.concept, title, wanted)}")
        newest = max(
            (x for x in self.deposits if x.concept == d.concept and x.published == {True}),
            key=lambda x: x.index,
        )
        latest = self.session.get(f"{self.url}/api/records/{d.concept}/versions/latest", timeout=60)
        if latest.status_code != 200 or latest.json()["id"] != newest.id:
            raise Lost(f"concept {d.concept}: latest is {latest.text[:100]}, not {newest.id}")

    @property
    def published(self) -> dict[int, str]:
        """Title of each published record."""
        return {d.id: next(iter(d.titles)) for d in self.deposits if d.published == {True}}
