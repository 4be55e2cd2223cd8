// The form saves itself: a little after each change, when the page is hidden, and again when the network is back.
// What the server does not have yet lies in this browser's storage too. Two people on one draft: fields that only
// one of them changed are merged, for the others both texts are shown.

import { ask, button, csrf, el, icon, say, t, time } from "./page.js";
import { ensure, replaceRows } from "./rows.js";

const AFTER = 1500; // ms after the last change …
const AT_LEAST = 6000; // … and at the latest so long after the first
const KEEPALIVE_MAX = 60_000; // browsers send no more after a page is gone (64 KiB)
// What is no word of the depositor.
const OURS = new Set(["csrf", "revision", "do"]);

/** The form's fields as a list of [name, value], without files. */
export function fieldsOf(form) {
  return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !OURS.has(name) && !name.startsWith("rename."));
}

const byName = (fields) => {
  const found = new Map();
  for (const [name, value] of fields) found.set(name, found.has(name) ? `${found.get(name)}\n${value}` : value);
  return found;
};
// The server tidies what it stores (blanks, HTML): that is no change of somebody else.
const plain = (text) => (text ?? "").replace(/<[^>]*>/g, " ").replace(/&(?:nbsp|amp|lt|gt|quot|#39);/g, " ").replace(/[\s<>&"']+/g, " ").trim();
/** What a field or a whole list says, without what the form keeps beside it: two of these are equal or differ. */
function meant(fields, name) {
  const start = `${name}.`;
  return [...fields].filter(([one, value]) => (one === name || one.startsWith(start)) && plain(value)
    && !/\.(?:@\w+|person_or_org\.type)$/.test(one)).map(([one, value]) => `${one}=${plain(value)}`).sort().join("\n");
}

function take(form, one) {
  if (form.querySelector(`[data-rows="${CSS.escape(one.field)}"]`)) replaceRows(form, one.field, one.fields);
  else for (const [name, value] of Object.entries(one.fields)) set(form, name, value);
}

const same = (a, b) => plain(a) === plain(b);

export class Saver {
  constructor(form) {
    this.form = form;
    this.url = form.getAttribute("action") || location.pathname;
    this.key = `deposit-${form.dataset.record}`;
    this.revision = form.dataset.revision;
    this.base = byName(fieldsOf(form));
    this.saved = JSON.stringify(fieldsOf(form)); // what the server has
    this.running = null;
    this.timer = 0;
    this.first = 0;
    this.tries = 0;
    this.conflict = null;
    this.leaving = false;
    this.ended = false;
    this.offered = null; // words of last time
    this.forget();
  }

  get dirty() { return JSON.stringify(fieldsOf(this.form)) !== this.saved; }

  start() {
    const changed = (event) => {
      if (!event.target.name && !event.target.closest?.("[data-rows]")) return;
      if (event.target.type === "file") return;
      this.changed();
    };
    this.form.addEventListener("input", changed);
    this.form.addEventListener("change", changed);
    this.form.addEventListener("focusout", () => setTimeout(() => this.judge(), 0));
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") this.leave(); });
    addEventListener("pagehide", () => this.leave());
    addEventListener("online", () => { if (this.dirty) this.soon(0); });
    // Another choice is told at once; what the server makes of it comes with the save.
    this.form.addEventListener("change", (event) => { if (event.target.name?.startsWith("access.")) this.foresee(); });
    const at = new Date(document.querySelector("[data-saved] [data-at]")?.dataset.at || NaN);
    if (at.toDateString() === new Date().toDateString()) this.state("loaded", { at });
    this.recover();
  }

  changed() {
    if (this.ended) return;
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.keep(), 200);
    if (!this.dirty) return;
    this.state("editing");
    this.first ||= Date.now();
    this.soon(Math.max(0, Math.min(AFTER, this.first + AT_LEAST - Date.now())));
  }

  foresee() {
    const chosen = this.form.querySelector("input[name='access.choice']:checked");
    const day = this.form.elements.namedItem("access.embargo.until")?.value || "";
    const today = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
    const dated = chosen?.dataset.seenDated && /^\d{4}-\d\d-\d\d$/.test(day) && day > today;
    if (chosen) tellVisible(dated ? chosen.dataset.seenDated : chosen.dataset.seen);
  }

  soon(wait) {
    clearTimeout(this.timer);
    if (this.ended) return;
    this.timer = setTimeout(() => this.save(), wait);
  }

  /** The session was ended on purpose: what is here is neither kept nor sent any more. */
  end() {
    this.ended = true;
    clearTimeout(this.timer);
    clearTimeout(this.keeping);
    this.state("failed", { reason: t("logged out"), final: true });
  }

  /** Writes what is typed into this browser, until the server has it. */
  keep() {
    if (this.ended) return;
    try {
      if (this.dirty) localStorage.setItem(this.key, JSON.stringify({ at: Date.now(), fields: this.unsaved() }));
      else if (!this.offered) localStorage.removeItem(this.key);
    } catch { /* no storage: the server has it in a moment */ }
  }

  /** What is typed; beside words that were found and wait to be brought back, what was typed since. */
  unsaved() {
    const fields = fieldsOf(this.form);
    if (!this.offered) return fields;
    const all = byName(this.offered);
    for (const [name, value] of byName(fields)) if (value !== (this.base.get(name) ?? "")) all.set(name, value);
    return [...all];
  }

  body(button) {
    const data = new FormData();
    for (const [name, value] of new FormData(this.form, button)) if (typeof value === "string") data.append(name, value);
    data.set("revision", this.revision);
    if (!button) data.set("do", "save");
    return data;
  }

  /** Saves now; true when the server has everything that was typed when this was called. */
  async save() {
    clearTimeout(this.timer);
    if (this.conflict || this.ended) return false;
    if (this.running) {
      await this.running;
      return this.dirty ? this.save() : true;
    }
    this.running = this.send();
    try {
      return await this.running;
    } finally {
      this.running = null;
    }
  }

  async send() {
    const fields = fieldsOf(this.form);
    this.first = 0;
    this.state("saving");
    try {
      const answer = await ask(this.url, {
        method: "POST",
        headers: { Accept: "application/json", "X-CSRF-Token": csrf(this.form), "If-Match": `"${this.revision}"` },
        body: this.body(),
      });
      this.tries = 0;
      this.took(answer, fields);
      return true;
    } catch (error) {
      if (error.status === 412) return this.differ(error.body, fields);
      this.failed(error);
      return false;
    }
  }

  took(answer, fields) {
    this.setRevision(answer.revision);
    this.saved = JSON.stringify(fields);
    this.base = byName(fields);
    this.state("saved", { at: answer.saved });
    this.answer = answer;
    this.judge();
    if (answer.visible) tellVisible(answer.visible);
    this.keep();
    if (this.dirty) this.soon(AFTER);
    this.form.dispatchEvent(new CustomEvent("saved", { detail: answer }));
  }

  setRevision(revision) {
    if (revision === undefined || revision === null) return;
    this.revision = String(revision);
    this.form.dataset.revision = this.revision;
    if (this.form.elements.revision) this.form.elements.revision.value = this.revision;
  }

  failed(error) {
    this.keep();
    if (error.status && error.status < 500 && ![408, 425, 429].includes(error.status)) {
      this.state("failed", { reason: error.message, final: true });
      return;
    }
    this.tries += 1;
    const wait = Math.max(error.retryAfter || 0, Math.min(30, 2 ** this.tries));
    this.state("failed", { reason: error.status ? error.message : t("no network") });
    this.soon(wait * 1000);
  }

  /** The page goes away: the browser sends it after the page, if it is short enough. */
  leave() {
    this.keep();
    if (!this.dirty || this.conflict || this.leaving || this.ended) return;
    const size = fieldsOf(this.form).reduce((sum, [name, value]) => sum + name.length + value.length * 2 + 150, 0);
    if (size > KEEPALIVE_MAX || document.visibilityState !== "hidden") return;
    clearTimeout(this.timer);
    const fields = fieldsOf(this.form);
    this.leaving = true;
    fetch(this.url, {
      method: "POST", keepalive: true, credentials: "same-origin", body: this.body(),
      headers: { Accept: "application/json", "X-CSRF-Token": csrf(this.form), "If-Match": `"${this.revision}"` },
    }).then(async (answer) => {
      if (answer.ok) this.took(await answer.json(), fields);
      else this.soon(0);
    }).catch(() => this.soon(2000)).finally(() => { this.leaving = false; });
  }

  // What the page says ──────────────────────────────────────────────────────────────────────────────────

  state(what, { at, reason, final } = {}) {
    const place = document.querySelector("[data-saved], .pubbar .saved");
    if (!place) return;
    const text = {
      editing: () => t("not saved yet"),
      saving: () => t("saving"),
      loaded: () => t("saved at", { time: time(at) }),
      saved: () => t("saved at", { time: time(at ? new Date(at) : new Date()) }),
      failed: () => t(final ? "not saved" : "not saved, trying again", { reason }),
      conflict: () => t("not saved: differences"),
    }[what]();
    if (place.dataset.state === what && place.textContent.trim() === text) return;
    place.dataset.state = what;
    place.classList.toggle("bad", what === "failed" || what === "conflict");
    place.replaceChildren(icon({ saved: "check", loaded: "check", failed: "alert", conflict: "alert" }[what] || "clock"), el("span", {}, text));
  }

  /** The page has news from elsewhere than a save. */
  forget() {
    this.answer = null; // of the last save
    this.listed = "";
  }

  /** What the last save found, in all places that say it. Who is typing is not told meanwhile what is wrong. */
  judge() {
    if (!this.answer) return;
    const { findings = [], missing = [], sections = {} } = this.answer;
    const told = findings.filter((one) => !this.spared(one.field));
    const held = new Set(findings.filter((one) => !told.includes(one)).map((one) => one.field));
    this.show(told);
    const rest = missing.filter((one) => !held.has(one.field));
    const list = JSON.stringify(rest);
    if (list !== this.listed && (rest.length || !missing.length)) {
      this.listed = list; // a list made anew under the mouse would swallow the click
      checklist(rest);
    }
    this.form.dispatchEvent(new CustomEvent("judged", { detail: { findings: told, missing, sections } }));
  }

  /** Whether somebody is at this field, or at a choice that has just asked for it. */
  spared(path) {
    const field = fieldAt(this.form, path);
    const typing = document.activeElement;
    if (!field || typing === document.body) return false;
    return field === typing || field.contains(typing)
      || (field.name === "access.embargo.until" && !field.value && field.closest("section").contains(typing));
  }

  /** Findings beside their fields. */
  show(findings) {
    const typing = document.activeElement;
    for (const old of this.form.querySelectorAll("[data-found]")) {
      const field = document.getElementById(old.dataset.found);
      unmark(field, old.id);
      old.remove();
    }
    for (const { field: path, message } of findings) {
      const field = fieldAt(this.form, path);
      if (field) mark(field, message);
    }
    // What the server wrote itself into the page goes when it is right.
    for (const old of this.form.querySelectorAll("p.error:not([data-found])")) {
      const field = [...this.form.querySelectorAll(`[aria-describedby~="${CSS.escape(old.id)}"]`)][0];
      const path = field && nameOf(field);
      if (!old.id || (field && field !== typing && !findings.some((one) => one.field === path))) {
        if (field) unmark(field, old.id);
        if (old.id) old.remove();
      }
    }
  }

  // Somebody else ───────────────────────────────────────────────────────────────────────────────────────

  async differ(body, fields) {
    const mine = byName(fields);
    const taken = [];
    const open = [];
    for (const one of body?.differences || []) {
      const before = meant(this.base, one.field);
      const now = meant(mine, one.field);
      const theirs = meant(new Map(Object.entries(one.fields)), one.field);
      if (theirs === now || theirs === before) continue; // only I changed it
      if (now === before) taken.push(one); // only they did
      else open.push(one);
    }
    this.setRevision(body?.revision);
    for (const one of taken) {
      take(this.form, one);
      this.known(one);
    }
    if (taken.length) this.told(taken, body?.yours);
    if (!open.length) {
      if (++this.merges > 5) { // somebody else's program writes all the time
        this.failed(Object.assign(new Error(t("changes too often")), { status: 503 }));
        return false;
      }
      return this.send();
    }
    this.decide(open, body?.yours);
    return false;
  }

  merges = 0;

  /** What they wrote is what both began from; of a list also the rows that are gone. */
  known(one) {
    const start = `${one.field}.`;
    for (const name of [...this.base.keys()]) if (name === one.field || name.startsWith(start)) this.base.delete(name);
    for (const [name, value] of Object.entries(one.fields)) this.base.set(name, value);
  }

  told(taken, own) {
    const old = this.form.querySelector(".taken");
    const all = new Set([...(old?.names ?? []), ...taken.map((one) => one.label || one.field)]);
    const said = t(own ? "taken over, yours" : "taken over", { fields: [...all].join(", ") });
    const note = el("div.note.info.taken", { role: "status" }, icon("info"), el("div", {}, said),
      button(t("got it"), { onclick: () => note.remove() }));
    note.names = all;
    old?.remove();
    this.form.prepend(note);
    say(said);
  }

  /** Both texts of each field that both changed; the draft is saved when all are decided. */
  decide(open, own) {
    this.conflict?.remove();
    this.state("conflict");
    const left = new Set(open);
    const items = open.map((one) => {
      const answer = (theirs) => () => {
        if (theirs) take(this.form, one);
        this.known(one);
        left.delete(one);
        const next = item.nextElementSibling || item.previousElementSibling;
        item.remove();
        if (left.size) return next?.querySelector("button")?.focus();
        const field = fieldAt(this.form, one.field);
        this.conflict.remove();
        this.conflict = null;
        field?.focus();
        this.save();
      };
      const item = el("li", {}, el("b", {}, one.label || one.field),
        el("div.pair", {},
          el("div", {}, el("p.label", {}, t("yours")), text(one.yours), button(t("keep mine"), { onclick: answer(false) })),
          el("div", {}, el("p.label", {}, t("theirs")), text(one.theirs), button(t("take theirs"), { onclick: answer(true) }))));
      return item;
    });
    this.conflict = el("div.note.warn.differences", { role: "alert", tabindex: "-1" }, icon("alert"),
      el("div", {}, el("b", {}, t(own ? "you changed" : "somebody changed", { num: open.length })), el("p.xs", {}, t("both kept")), el("ul.plain-list", {}, ...items)));
    this.form.prepend(this.conflict);
    this.conflict.scrollIntoView({ block: "start" });
    this.conflict.focus({ preventScroll: true });
  }

  // After a crash ───────────────────────────────────────────────────────────────────────────────────────

  recover() {
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(this.key)); } catch { /* nothing readable is nothing */ }
    if (!kept) return;
    const now = byName(fieldsOf(this.form));
    const missing = [...byName(kept.fields)].filter(([name, value]) => !same(value, now.get(name)) && value.trim());
    if (!missing.length) {
      localStorage.removeItem(this.key);
      return;
    }
    const at = new Date(kept.at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    this.offered = kept.fields; // here they stay until somebody chose
    const forget = () => {
      this.offered = null;
      this.keep();
      note.remove();
    };
    const note = el("div.note.warn.recovered", { role: "alert" }, icon("alert"), el("div", {},
      el("b", {}, t("unsaved words", { time: at })),
      el("p.row", {},
        button(t("bring back"), { onclick: () => { this.restore(kept.fields); note.remove(); } }),
        button(t("throw away"), { kind: "btn.sm.plain", onclick: forget }))));
    this.form.prepend(note);
  }

  restore(fields) {
    this.offered = null;
    for (const [name] of fields) ensure(this.form, name);
    for (const [name, value] of byName(fields)) set(this.form, name, value);
    this.changed();
  }

  /** A fresh page of the server came in: what it shows is what it has. */
  rebase(form) {
    this.setRevision(form.dataset.revision);
    this.saved = JSON.stringify(fieldsOf(this.form));
    this.base = byName(fieldsOf(this.form));
    this.keep();
    this.state("saved");
  }
}

const text = (value) => el("blockquote.said", {}, value ? value.replace(/<br>|<\/p>/g, "\n").replace(/<[^>]*>/g, "") : t("empty"));

/** Sets a field by its name, whatever kind it is. */
export function set(form, name, value) {
  ensure(form, name);
  const found = form.elements.namedItem(name);
  const many = (found instanceof RadioNodeList ? [...found] : found ? [found] : []).filter((one) => one.name === name);
  const values = String(value ?? "").split("\n");
  for (const field of many) {
    if (field.type === "radio") field.checked = field.value === value;
    else if (field.type === "checkbox") field.checked = values.includes(field.value);
    else if (field.localName === "select" && field.multiple) for (const one of field.options) one.selected = values.includes(one.value);
    else {
      field.value = value ?? "";
      field.dispatchEvent(new Event("refill"));
    }
    field.dispatchEvent(new Event(field.type === "radio" ? "change" : "input", { bubbles: true }));
  }
}

/** The element of a finding's path: the field itself, else one that belongs to it. */
export function fieldAt(form, path) {
  const named = (name) => {
    const found = form.elements.namedItem(name);
    return found instanceof RadioNodeList ? [...found].find((one) => one.name === name) || found[0] : found;
  };
  let field = named(path);
  for (let at = path; !field && at.includes("."); at = at.slice(0, at.lastIndexOf("."))) {
    field = [...form.elements].find((one) => one.name?.startsWith(`${at}.`) && one.type !== "hidden") || named(at.slice(0, at.lastIndexOf(".")));
  }
  if (field?.matches("textarea[data-editor=on]")) return field.nextElementSibling.querySelector("[role=textbox]");
  if (field?.matches("textarea[data-words=on]")) return field.nextElementSibling.querySelector("input");
  return field?.type === "hidden" ? field.closest(".field")?.querySelector("input:not([type=hidden])") || null : field || null;
}

const nameOf = (field) => field.name || field.closest(".editor")?.previousElementSibling?.name || "";
let marks = 0;

function mark(field, message) {
  if (!field.id) field.id = `field-${(marks += 1)}`;
  const id = `${field.id}-found`;
  if (document.getElementById(id)) return;
  const line = el("p.error", { id, "data-found": field.id }, icon("alert"), el("span", {}, message));
  const box = field.closest(".field, fieldset") || field.parentElement;
  if (box.matches("fieldset")) box.append(line);
  else (field.closest(".combo, .group, .editor") || field).after(line);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
  field.closest("details:not([open])")?.setAttribute("data-wrong", "");
}

function unmark(field, id) {
  if (!field) return;
  const others = (field.getAttribute("aria-describedby") || "").split(/\s+/).filter((one) => one && one !== id);
  if (others.length) field.setAttribute("aria-describedby", others.join(" "));
  else field.removeAttribute("aria-describedby");
  if (!others.some((one) => document.getElementById(one)?.matches(".error"))) field.removeAttribute("aria-invalid");
}

function tellVisible(text) {
  const place = document.querySelector("[data-visible]");
  if (place && place.textContent !== text) place.textContent = text;
}

/** What is missing before publishing, in each place that lists it. */
export function checklist(missing) {
  for (const list of document.querySelectorAll("[data-missing]")) {
    list.replaceChildren(...(missing.length
      ? missing.map((one) => el("li.bad", {}, icon("alert"), el("a", { href: `#${targetOf(one)}` }, one.text)))
      : [el("li.ok", {}, icon("check"), el("span", {}, t("nothing missing")))]));
  }
  for (const number of document.querySelectorAll("[data-missing-count]")) {
    number.textContent = t("things missing", { num: missing.length });
    const around = number.closest("details");
    if (around) around.hidden = !missing.length;
  }
}

function targetOf(one) {
  const form = document.getElementById("deposit");
  const field = one.field && fieldAt(form, one.field);
  return field?.id || one.section || "deposit";
}


