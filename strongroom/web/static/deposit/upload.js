// Files: dropped or chosen, folders with their paths, several at once. Small ones go in three steps (announce, content,
// commit), large ones in parts. What has arrived stays: after a lost connection or a closed browser only the rest is sent.

import { ask, button, csrf, duration, el, icon, iconButton, page, say, size, t } from "./page.js";
import { fold } from "./folders.js";
import * as kept from "./kept.js";

const LARGE = 16 << 20; // from here in parts
const PART = 8 << 20;
const PARTS_MAX = 5000;
const FILES_AT_ONCE = 3;
const SENDS_AT_ONCE = 4;
const BATCH = 40; // small files announced in one go
const PREFILL = /(?:^|\/)(?:\.zenodo\.json|CITATION\.cff)$/;

const now = () => performance.now();
const sleep = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  for (const wake of ["online"]) addEventListener(wake, () => { clearTimeout(timer); done(); }, { once: true });
  signal?.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

class Aborted extends Error {}
const stop = (signal) => { if (signal.aborted) throw new Aborted(); };
/** No answer: the connection broke, or the server is away for a while. What is being done may be done again. */
class Broken extends Error {}

/** One file on its way. */
class Upload {
  constructor(key, bytes) {
    this.key = key;
    this.size = bytes;
    this.file = null;
    this.handle = null;
    this.state = "waiting"; // uploading, verifying, complete, broken, refused, paused, lost
    this.sent = 0;
    this.flying = new Map(); // request → bytes of it that went out
    this.announced = false;
    this.reason = "";
    this.control = null;
    this.entry = null;
  }

  get arrived() { return Math.min(this.size, this.sent + [...this.flying.values()].reduce((a, b) => a + b, 0)); }
  get open() { return !["complete", "refused", "lost"].includes(this.state); }
  get large() { return this.size > LARGE; }
}

class Gate {
  constructor(places) { this.places = places; this.line = []; }
  async enter() {
    if (this.places > 0) this.places -= 1;
    else await new Promise((done) => this.line.push(done));
  }
  leave() {
    const next = this.line.shift();
    if (next) next();
    else this.places += 1;
  }
}

export class Uploads {
  constructor(section, form, { refreshed, prefill }) {
    this.section = section;
    this.form = form;
    this.record = section.dataset.record || form.dataset.record;
    this.base = `/api/records/${this.record}/draft/files`;
    this.most = Number(section.dataset.maxBytes) || Infinity;
    this.items = new Map();
    this.gate = new Gate(SENDS_AT_ONCE);
    this.refreshed = refreshed;
    this.prefill = prefill;
    this.rates = [];
    this.pausedAll = false;
  }

  get csrf() { return csrf(this.form); }
  url(key) { return `${this.base}/${key.split("/").map(encodeURIComponent).join("/")}`; }
  get list() { return this.section.querySelector("ul.up-list, ul.ups"); }
  get busy() { return [...this.items.values()].some((one) => one.open && one.file); }

  // Taking files ────────────────────────────────────────────────────────────────────────────────────────

  start() {
    if (!this.list) return;
    fold(this.list);
    this.head = this.makeHead();
    const input = this.section.querySelector("input[type=file]");
    const zone = this.section.querySelector(".drop") || this.section;
    zone.classList.add("with-script");
    input?.addEventListener("change", () => {
      const chosen = [...input.files];
      input.value = ""; // they are ours now: the form does not send them again
      this.add(chosen.map((file) => ({ file, key: file.name })));
    });
    const folder = el("input", { type: "file", webkitdirectory: true, multiple: true, hidden: true });
    folder.addEventListener("change", () => {
      const chosen = [...folder.files];
      folder.value = "";
      this.add(chosen.map((file) => ({ file, key: file.webkitRelativePath || file.name })));
    });
    for (const what of this.section.querySelectorAll('button[value="upload"], [data-unfinished]')) what.hidden = true;
    for (const what of zone.querySelectorAll("[data-plain], [data-live-help]")) what.hidden = "plain" in what.dataset;
    const words = zone.querySelector(`label[for="${input?.id}"]`)?.closest("p");
    words?.replaceChildren(el("b", {}, t("drop here")), ", ", t("or"), " ", el("label.linkish", { for: input.id }, t("choose files")), ` ${t("or")} `,
      button(t("choose a folder"), { kind: "linkish", onclick: () => folder.click() }));
    if (words) {
      input.classList.add("vh");
      words.before(input); // Tab goes as the words are read: files, then folders
    }
    zone.append(folder);
    this.dropping();
    addEventListener("beforeunload", (event) => { if (this.busy && !this.ended) event.preventDefault(); });
    return this.resume();
  }

  dropping() {
    let depth = 0;
    const over = (yes) => this.section.classList.toggle("over", yes);
    const files = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    addEventListener("dragenter", (event) => { if (files(event)) { depth += 1; over(true); } });
    addEventListener("dragleave", (event) => { if (files(event) && (depth -= 1) <= 0) { depth = 0; over(false); } });
    addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
    addEventListener("drop", async (event) => {
      if (!files(event)) return;
      event.preventDefault(); // anywhere on the page: else the browser would leave it and show the file
      depth = 0;
      over(false);
      this.add(await dropped(event.dataTransfer));
    });
  }

  /** Takes files in: `[{file, key, handle?}]`. They start by themselves. */
  add(found) {
    for (const { file, key: given, handle } of found) {
      const key = given.replace(/^\/+/, "");
      const old = this.items.get(key);
      if (old?.file && old.open) continue; // on its way already
      const item = old && old.state === "lost" && sameFile(old, file) ? old : new Upload(key, file.size);
      if (item !== old) {
        item.replaces = Boolean(old) || this.listed(key);
        item.stale = Boolean(old); // announced, with other bytes
        old?.control?.abort();
        old?.li?.replaceWith(this.row(item));
      }
      Object.assign(item, { file, handle: handle || null, state: "waiting", reason: "" });
      this.items.set(key, item);
      if (!item.li) this.place(item);
      kept.remember(this.record, item).then((done) => { if (done && item.li) item.li.dataset.kept = ""; });
    }
    const sum = [...this.items.values()].reduce((all, one) => all + (one.state === "refused" ? 0 : one.size), 0) + this.stored();
    if (sum > this.most) {
      for (const { key } of found) {
        const item = this.items.get(key.replace(/^\/+/, ""));
        if (item?.state === "waiting") this.refuse(item, t("too large", { most: size(this.most) }));
      }
    }
    this.draw();
    this.run();
  }

  listed(key) { return Boolean(this.list.querySelector(`li.up[data-key="${CSS.escape(key)}"]:not([data-live])`)); }

  stored() {
    return [...this.list.querySelectorAll("li.up:not([data-live])")].filter((li) => !this.items.has(li.dataset.key))
      .reduce((all, li) => all + (Number(li.dataset.size) || 0), 0);
  }

  /** What was on its way when the page was left last time. */
  async resume() {
    let listing;
    try {
      listing = await ask(this.base, { headers: { Accept: "application/json" } });
    } catch {
      return; // the page works; what is there shows with the next load
    }
    const open = listing.entries.filter((one) => one.status !== "completed");
    if (!open.length) return;
    const remembered = await kept.recall(this.record);
    for (const entry of open) {
      if (entry.transfer.type === "F") continue; // the server fetches it by itself
      const item = new Upload(entry.key, entry.size ?? remembered.get(entry.key)?.size ?? 0);
      item.announced = true;
      item.entry = entry;
      item.was = remembered.get(entry.key);
      item.sent = arrivedOf(entry);
      item.state = entry.status === "verifying" ? "verifying" : "lost";
      this.items.set(entry.key, item);
      this.place(item);
      if (item.state === "verifying") this.verify(item, new AbortController().signal).catch((error) => this.refuse(item, error.message));
      else {
        item.file = await kept.fileOf(item.was);
        if (item.file && item.file.size === item.size) item.state = "waiting";
        else item.file = null;
      }
    }
    this.draw();
    this.run();
  }

  // Sending ─────────────────────────────────────────────────────────────────────────────────────────────

  run() {
    if (this.pausedAll || this.ended) return;
    const all = [...this.items.values()];
    const going = all.filter((one) => one.state === "uploading" || one.state === "broken").length;
    const next = all.filter((one) => one.state === "waiting" && one.file).slice(0, Math.max(0, FILES_AT_ONCE - going));
    if (next.length) this.batch(all.filter((one) => one.state === "waiting" && one.file && one.size && !one.announced && !one.large && !one.replaces));
    for (const item of next) this.send(item);
  }

  /** Announces many small files at once; one that is refused is announced alone, and told why. */
  batch(waiting) {
    if (this.batching || waiting.length < 4) return;
    const some = waiting.slice(0, BATCH);
    this.batching = this.request(this.base, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(some.map((one) => ({ key: one.key, size: one.size }))),
    }).then(() => { for (const one of some) one.announced = true; }, () => {})
      .finally(() => { this.batching = null; });
  }

  async send(item) {
    const control = item.control = new AbortController();
    const { signal } = control;
    item.state = "uploading";
    this.draw();
    for (let tries = 0; ;) {
      const before = item.sent;
      try {
        await this.once(item, signal);
        break;
      } catch (error) {
        if (error instanceof Aborted || signal.aborted) return this.run();
        item.flying.clear();
        if (!(error instanceof Broken)) {
          this.refuse(item, error.message);
          return this.run();
        }
        tries = item.sent > before ? 0 : tries + 1;
        item.state = "broken";
        item.reason = error.message;
        this.draw();
        await sleep(Math.max(error.wait || 0, Math.min(30_000, 1000 * 2 ** tries) * (0.75 + Math.random() / 2)), signal);
        if (signal.aborted) return this.run();
        item.state = "uploading";
        item.announced = item.announced && "check";
        this.draw();
      }
    }
    this.run();
  }

  async once(item, signal) {
    await this.batching;
    stop(signal);
    if (item.replaces) {
      await this.request(this.url(item.key), { method: "DELETE" }, [404]);
      item.replaces = false;
      this.list.querySelector(`li.up[data-key="${CSS.escape(item.key)}"]:not([data-live])`)?.remove();
    }
    if (item.announced === "check") {
      // The connection broke: what does the server have?
      const entry = await this.request(this.url(item.key), {}, [404]);
      item.announced = Boolean(entry);
      item.entry = entry;
      if (entry?.status === "completed") return this.done(item, entry);
      if (entry?.status === "verifying") return this.verify(item, signal);
      stop(signal);
    }
    if (!item.size) return this.emptyOne(item);
    if (item.large) await this.inParts(item, signal);
    else await this.whole(item, signal);
    stop(signal);
    const entry = await this.request(`${this.url(item.key)}/commit`, { method: "POST" });
    if (entry.status === "completed") this.done(item, entry);
    else await this.verify(item, signal);
  }

  /** A file without bytes: the three steps refuse it, as Zenodo's do; the bucket takes it. */
  async emptyOne(item) {
    if (item.announced) await this.request(this.url(item.key), { method: "DELETE" }, [404]);
    item.announced = false;
    const path = item.key.split("/").map(encodeURIComponent).join("/");
    this.done(item, await this.request(`/api/files/${this.section.dataset.bucket}/${path}`, {
      method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: item.file,
    }));
  }

  async whole(item, signal) {
    if (!item.announced) {
      await this.announce(item, { key: item.key, size: item.size });
    }
    item.sent = 0;
    await this.put(item, `${this.url(item.key)}/content`, item.file, "whole", signal);
    item.sent = item.size;
  }

  async announce(item, said) {
    await this.request(this.base, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify([said]) });
    item.announced = true;
  }

  async inParts(item, signal) {
    if (!item.announced) {
      const most = Math.max(PART, Math.ceil(item.size / PARTS_MAX / (1 << 20)) << 20);
      await this.announce(item, {
        key: item.key, size: item.size, transfer: { type: "M", parts: Math.ceil(item.size / most), part_size: most },
      });
      item.entry = null;
    }
    item.entry ??= await this.request(this.url(item.key), {});
    const parts = item.entry.links.parts || [];
    const each = item.entry.transfer.part_size;
    const missing = parts.filter((one) => !one.received);
    item.sent = arrivedOf(item.entry);
    this.draw();
    let failed = null;
    const worker = async () => {
      for (let one = missing.shift(); one && !failed; one = missing.shift()) {
        const from = (one.part - 1) * each;
        try {
          await this.put(item, addressOf(one.url, `${this.url(item.key)}/content/${one.part}`), item.file.slice(from, from + one.size), one.part, signal);
        } catch (error) {
          failed ??= error;
          return;
        }
        one.received = true;
        item.sent += one.size;
      }
    };
    await Promise.all(Array.from({ length: SENDS_AT_ONCE - 1 }, worker));
    if (failed) throw failed;
  }

  /** Sends bytes, with progress (which fetch can't tell). */
  async put(item, url, blob, name, signal) {
    await this.gate.enter();
    try {
      stop(signal);
      await new Promise((done, fail) => {
        const asked = new XMLHttpRequest();
        asked.open("PUT", url);
        asked.setRequestHeader("Content-Type", "application/octet-stream");
        asked.setRequestHeader("X-CSRF-Token", this.csrf);
        asked.responseType = "json";
        const off = () => asked.abort();
        signal.addEventListener("abort", off, { once: true });
        asked.upload.onprogress = (event) => {
          this.moved(event.loaded - (item.flying.get(name) || 0));
          item.flying.set(name, event.loaded);
          this.draw();
        };
        asked.onloadend = () => {
          signal.removeEventListener("abort", off);
          item.flying.delete(name);
        };
        asked.onload = () => (asked.status < 300 ? done() : fail(problem(asked.status, asked.response, asked.getResponseHeader("Retry-After"))));
        asked.onerror = () => fail(new Broken(t("no network")));
        asked.onabort = () => fail(new Aborted());
        asked.send(blob);
      });
    } catch (error) {
      // A file that was changed or moved since it was chosen can't be read any more.
      if (error instanceof Broken && !(await readable(blob))) throw new Error(t("file changed"));
      throw error;
    } finally {
      this.gate.leave();
    }
  }

  async request(url, options = {}, fine = []) {
    try {
      return await ask(url, { ...options, headers: { Accept: "application/json", "X-CSRF-Token": this.csrf, ...options.headers } });
    } catch (error) {
      if (fine.includes(error.status)) return null;
      if (!error.status) throw new Broken(t("no network"));
      throw problem(error.status, error.body, error.retryAfter, error.message);
    }
  }

  async verify(item, signal) {
    item.state = "verifying";
    item.sent = item.size;
    this.draw();
    for (let wait = 500; ; wait = Math.min(5000, wait * 1.5)) {
      await sleep(wait, signal);
      stop(signal);
      let entry;
      try {
        entry = await this.request(this.url(item.key), {});
      } catch (error) {
        if (error instanceof Broken) continue;
        throw error;
      }
      if (entry.status === "completed") return this.done(item, entry);
      if (entry.status === "failed") {
        await this.request(`${this.url(item.key)}/commit`, { method: "POST" }); // refused again, with the reason in the reader's language
        throw new Error(t("verification failed"));
      }
    }
  }

  done(item, entry) {
    item.state = "complete";
    item.sent = item.size = entry.size ?? item.size;
    item.entry = entry;
    item.file = null;
    kept.forget(this.record, item.key);
    this.draw();
    say(t("is complete", { name: item.key }));
    if (PREFILL.test(item.key)) this.prefill(item.key);
    this.refreshSoon();
  }

  refuse(item, reason) {
    item.state = "refused";
    item.reason = reason;
    kept.forget(this.record, item.key);
    this.draw();
    say(t("is refused", { name: item.key, reason }));
    if (item.announced) this.takeBack(item); // else it would keep the draft from being published
  }

  pause(item) {
    item.state = "paused";
    item.control?.abort();
    item.flying.clear();
    this.draw();
    this.run();
  }

  go(item) {
    if (item.state === "broken") { // waiting for its next try: now
      dispatchEvent(new Event("online"));
      return;
    }
    item.state = "waiting";
    item.announced = item.announced && "check";
    this.draw();
    this.run();
  }

  async cancel(item) {
    item.state = "refused";
    item.control?.abort();
    this.items.delete(item.key);
    kept.forget(this.record, item.key);
    const next = item.li?.nextElementSibling?.querySelector("button") || this.section.querySelector("input[type=file]");
    item.li?.remove();
    next?.focus();
    this.draw();
    if (item.announced) await this.takeBack(item);
    this.run();
  }

  /** The server need not wait for this file any more. */
  async takeBack(item) {
    item.announced = false;
    await this.request(this.url(item.key), { method: "DELETE" }, [404]).catch(() => {});
    this.refreshSoon();
  }

  /** The session was ended on purpose. */
  end() {
    this.ended = true;
    for (const item of this.items.values()) {
      if (!item.open) continue;
      item.control?.abort();
      item.flying.clear();
      Object.assign(item, { state: "refused", reason: t("logged out") });
    }
    this.draw();
  }

  pauseAll() {
    this.pausedAll = !this.pausedAll;
    for (const item of this.items.values()) {
      if (this.pausedAll && ["waiting", "uploading", "broken"].includes(item.state)) {
        item.byAll = true;
        this.pause(item);
      } else if (!this.pausedAll && item.byAll) {
        item.byAll = false;
        if (item.state === "paused") Object.assign(item, { state: "waiting", announced: item.announced && "check" });
      }
    }
    this.draw();
    this.run();
  }

  // Showing ─────────────────────────────────────────────────────────────────────────────────────────────

  moved(bytes) {
    const at = now();
    this.rates.push([at, bytes]);
    while (this.rates.length > 2 && this.rates[0][0] < at - 5000) this.rates.shift();
  }

  /** Bytes a second over the last seconds. */
  get speed() {
    const at = now();
    const fresh = this.rates.filter(([when]) => when > at - 5000);
    if (fresh.length < 2) return 0;
    const span = Math.max(500, at - fresh[0][0]);
    return fresh.reduce((sum, [, bytes]) => sum + bytes, 0) / (span / 1000);
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      for (const item of this.items.values()) this.drawItem(item);
      this.drawHead();
    });
  }

  place(item) {
    const li = this.row(item);
    const there = this.list.querySelector(`li.up[data-key="${CSS.escape(item.key)}"]:not([data-live])`);
    if (there) there.after(li);
    else this.list.append(li);
    this.list.hidden = false;
  }

  row(item) {
    item.bar = el("progress", { max: "100", value: "0", "aria-label": t("upload of", { name: item.key }) });
    item.line = el("p.xs.muted.num.up-i");
    item.acts = el("span.up-a");
    item.weight = el("span.up-s.r.small.num");
    item.li = el("li.up", { "data-key": item.key, "data-live": true, "data-size": String(item.size) },
      el("span.ic", {}, icon("file")), el("div.up-b", {}, el("p.up-n", {}, item.key), item.bar, item.line), item.weight, item.acts);
    item.drawn = "";
    return item.li;
  }

  drawItem(item) {
    if (!item.li) return;
    const state = item.state;
    item.bar.value = item.size ? (100 * item.arrived) / item.size : state === "complete" ? 100 : 0;
    const sum = (item.entry?.checksum || "").replace("md5:", "");
    const says = {
      waiting: () => [t("waits")],
      uploading: () => [t("sent", { bytes: size(item.arrived), speed: size(Math.round(this.speed)) })],
      verifying: () => [t("verifying")],
      paused: () => [t("paused", { bytes: size(item.arrived) })],
      broken: () => [el("span.bad", {}, t("broke", { bytes: size(item.arrived) })), el("span", {}, item.arrived ? t("what arrived is kept") : item.reason)],
      lost: () => [t(item.sent ? "choose again, arrived" : "choose again", { bytes: size(item.sent) })],
      refused: () => [el("span.bad", {}, item.reason)],
      complete: () => [el("span.ok", {}, icon("check"), t("complete")),
        sum ? el("span", {}, "MD5 ", el("span.mono", { title: sum }, `${sum.slice(0, 8)}…${sum.slice(-4)}`)) : null],
    }[state]();
    if (state === "uploading" || item.drawn !== state) item.line.replaceChildren(...says.filter(Boolean));
    else if (state === "broken") item.line.replaceChildren(...says);
    if (item.drawn === state) return;
    item.drawn = state;
    item.li.dataset.state = state;
    item.li.className = `up ${{ complete: "done", broken: "fail", refused: "fail", uploading: "now", verifying: "now" }[state] || state}`;
    item.bar.hidden = ["complete", "refused", "waiting"].includes(state);
    item.weight.textContent = size(item.size);
    const name = item.key;
    const acts = {
      waiting: [["x", "cancel", () => this.cancel(item)]],
      uploading: [["pause", "pause", () => this.pause(item)], ["x", "cancel", () => this.cancel(item)]],
      paused: [["redo", "resume", () => this.go(item)], ["x", "cancel", () => this.cancel(item)]],
      broken: [["redo", "resume", () => this.go(item)], ["x", "cancel", () => this.cancel(item)]],
      lost: [["x", "cancel", () => this.cancel(item)]],
      refused: [["x", "dismiss", () => this.cancel(item)]],
      verifying: [],
      complete: [],
    }[state];
    const focused = item.acts.contains(document.activeElement);
    item.acts.replaceChildren(...acts.map(([mark, what, act]) => iconButton(mark, t(what, { name }), act)));
    if (state === "lost" && item.was?.handle) {
      item.acts.prepend(button(t("go on"), { onclick: () => this.permit(item) }));
    }
    if (focused) item.acts.querySelector("button")?.focus();
  }

  /** A handle that this browser kept needs the user's word before it may be read again. */
  async permit(item) {
    const file = await kept.fileOf(item.was, true);
    if (file && sameFile(item, file)) this.add([{ file, key: item.key, handle: item.was.handle }]);
    else this.refuse(item, t("file changed"));
  }

  makeHead() {
    let head = this.section.querySelector("[data-up-head]");
    if (!head) {
      head = el("div.box-head.up-head", { "data-up-head": true, hidden: true });
      this.list.before(head);
    }
    this.words = el("b");
    this.facts = el("span.muted.num");
    this.pauser = button("", { kind: "btn.sm.push" });
    this.pauser.addEventListener("click", () => this.pauseAll());
    this.all = el("progress.all", { max: "100", value: "0", "aria-label": t("all uploads") });
    head.replaceChildren(this.words, this.facts, this.pauser);
    head.after(this.all);
    this.all.hidden = true;
    return head;
  }

  drawHead() {
    const listed = [...this.items.values()];
    const all = listed.filter((one) => one.state !== "refused");
    const done = all.filter((one) => one.state === "complete").length;
    this.head.hidden = this.all.hidden = !listed.length;
    if (!listed.length) return;
    const whole = all.reduce((sum, one) => sum + one.size, 0);
    const arrived = all.reduce((sum, one) => sum + one.arrived, 0);
    const speed = this.speed;
    this.words.textContent = t("files uploaded", { num: listed.length, done });
    const left = speed && arrived < whole ? t("time left", { time: duration((whole - arrived) / speed) }) : "";
    this.facts.textContent = [done < all.length ? t("of bytes", { bytes: size(arrived), whole: size(whole) }) : size(whole), left].filter(Boolean).join(", ");
    this.all.value = whole ? (100 * arrived) / whole : 100;
    const open = all.some((one) => one.open);
    this.pauser.hidden = !open;
    const label = this.pausedAll ? t("resume all") : t("pause all");
    if (this.pauser.textContent !== label) this.pauser.replaceChildren(icon(this.pausedAll ? "redo" : "pause"), label);
    this.section.dataset.uploading = String(open);
  }

  /** Complete files get the row that the server makes for them, with all that can be done there. */
  refreshSoon() {
    clearTimeout(this.refreshing);
    const busy = [...this.items.values()].some((one) => one.state === "uploading" || one.state === "waiting");
    this.refreshing = setTimeout(() => this.refresh(), busy ? 3000 : 150);
  }

  async refresh() {
    let fresh;
    try {
      fresh = (await page(this.form.getAttribute("action") || location.pathname)).document;
    } catch {
      return;
    }
    this.takeOver(fresh.getElementById("files"));
    this.refreshed(fresh);
  }

  /** Rows of the server's new list, with those that are on their way among them. */
  takeOver(section) {
    const list = section?.querySelector("ul.up-list, ul.ups");
    if (!list) return;
    const live = [...this.items.values()].filter((one) => one.state !== "complete");
    for (const li of list.querySelectorAll("li.up")) {
      const item = this.items.get(li.dataset.key);
      if (item && item.state === "complete") item.li = null;
    }
    const fresh = [...list.children].map((one) => document.importNode(one, true))
      .filter((li) => !live.some((one) => one.key === li.dataset.key && one.state !== "refused"));
    this.list.replaceChildren(...fresh, ...live.map((one) => one.li).filter(Boolean),
      ...[...this.items.values()].filter((one) => one.state === "complete" && one.li).map((one) => one.li));
    this.list.hidden = !this.list.children.length;
    fold(this.list);
    // Its own head (how many, how large) and what it has to say.
    const head = (one) => one.querySelector(".ups > .box-head:not([data-up-head])");
    const [mine, its] = [head(this.section), head(section)];
    mine?.remove();
    if (its) this.list.parentElement.prepend(document.importNode(its, true));
    for (const old of this.section.querySelectorAll(".d-body > .error")) old.remove();
    for (const said of section.querySelectorAll(".d-body > .error")) {
      this.section.querySelector(".d-body").prepend(document.importNode(said, true));
    }
    const [old, other] = [this.section, section].map((one) => one.querySelector("[data-import]"));
    if (old && other) old.replaceWith(document.importNode(other, true)); // its button, while there is something to take
    // Nothing on its way any more: the next files are counted from one again.
    if (![...this.items.values()].some((one) => one.state !== "complete" || one.li)) {
      this.items.clear();
      this.drawHead();
    }
  }
}

const arrivedOf = (entry) => (entry.links.parts || []).filter((one) => one.received).reduce((sum, one) => sum + one.size, 0);

/** Our own address, also where the server's name for itself is another one. */
function addressOf(url, ours) {
  try {
    return new URL(url).origin === location.origin ? url : ours;
  } catch {
    return ours;
  }
}

function problem(status, body, retry, message) {
  const reason = body?.errors?.flatMap((one) => one.messages || [one.message]).filter(Boolean).join(" ") || body?.message || message;
  if (status >= 500 || [408, 425, 429].includes(status)) {
    const error = new Broken(reason || t("server said", { num: status }));
    error.wait = (Number(retry) || 0) * 1000;
    return error;
  }
  const error = new Error(reason || t("server said", { num: status }));
  error.status = status;
  return error;
}

async function readable(blob) {
  if (!(blob instanceof Blob) || !blob.size) return true;
  try {
    await blob.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function sameFile(item, file) {
  const known = item.was;
  return item.size === file.size && (!known?.lastModified || known.lastModified === file.lastModified);
}

/** All files of a drop, folders with their paths. */
export async function dropped(transfer) {
  const found = [];
  const entries = [...transfer.items].filter((one) => one.kind === "file").map((one) => ({
    entry: one.webkitGetAsEntry?.() || null,
    handle: one.getAsFileSystemHandle?.().catch(() => null) || null,
    file: one.getAsFile(),
  }));
  for (const { entry, handle, file } of entries) {
    if (!entry) {
      if (file) found.push({ file, key: file.name });
    } else if (entry.isFile) {
      const opened = await handle;
      found.push({ file: file || (await fileOf(entry)), key: entry.name, handle: opened?.kind === "file" ? opened : null });
    } else await walk(entry, found);
  }
  return found;
}

const fileOf = (entry) => new Promise((done, fail) => entry.file(done, fail));

async function walk(folder, found) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail)); // a hundred at a time
    if (!some.length) return;
    for (const one of some) {
      if (one.isDirectory) await walk(one, found);
      else found.push({ file: await fileOf(one), key: one.fullPath.replace(/^\/+/, "") });
    }
  }
}
