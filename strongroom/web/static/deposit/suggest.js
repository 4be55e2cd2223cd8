// Inputs that look up vocabularies: the combobox of the ARIA authoring practices (a text field with a list below).
// What is typed stays as typed; choosing fills the text, and the hidden field with the entry's id.

import { changed, el, say, t } from "./page.js";
import { addRow, rowsOf, whenAdded } from "./rows.js";

const WAIT = 180;
const lang = document.documentElement.lang || "en";
const words = (texts) => (typeof texts === "string" ? texts : texts?.[lang] || texts?.en || Object.values(texts || {})[0] || "");
const short = (text, most = 140) => (text && text.length > most ? `${text.slice(0, most).replace(/\s+\S*$/, "")} …` : text || "");
const lines = Object.entries(JSON.parse(document.getElementById("licence-lines")?.textContent || "{}")).sort(([a], [b]) => b.length - a.length);
/** What a licence permits, by the beginning of its id, the longest first (web/words.py). */
const permits = (id) => lines.find(([start]) => id.startsWith(start))?.[1] || "";
const ORCID = /^(?:orcid:\s*|(?:https?:\/\/)?orcid\.org\/)?(\d{4}-?\d{4}-?\d{4}-?\d{3}[\dX])$/i;
const idOf = (hit, scheme) => hit.identifiers?.find((one) => one.scheme === scheme)?.identifier || "";

// kind → how to ask, how an entry is shown: [what goes into the field, beside it, a line below].
const KINDS = {
  affiliations: { show: (hit) => [hit.name || words(hit.title), hit.acronym, [hit.location_name, hit.country_name].filter(Boolean).join(", ")] },
  funders: { show: (hit) => [hit.name || words(hit.title), hit.country, idOf(hit, "ror")] },
  awards: { show: (hit) => [words(hit.title) || hit.number, [hit.acronym, hit.number].filter(Boolean).join(" · "), hit.funder?.name] },
  names: { show: (hit) => [hit.name, idOf(hit, "orcid"), hit.affiliations?.map((one) => one.name).join("; ")] },
  languages: { show: (hit) => [words(hit.title), hit.id] },
  licenses: { show: (hit) => [words(hit.title), hit.id, permits(hit.id)] },
  subjects: { show: (hit) => [hit.subject || words(hit.title), hit.scheme] },
};

let count = 0;

function enhance(input) {
  const kind = input.dataset.suggest;
  if (!KINDS[kind] || input.getAttribute("role") === "combobox") return;
  combobox(input, kind);
  if (idField(input)?.value) input.dataset.chosen = input.value.trim();
}

/** Makes an input a combobox. `own.choose(hit)` does what choosing does, `own.enter()` what Enter does on mere text. */
export function combobox(input, kind, own = {}) {
  const ways = KINDS[kind];
  count += 1;
  const list = el("ul.suggestions", { role: "listbox", id: `suggestions-${count}`, hidden: true });
  const label = input.id && document.querySelector(`label[for="${CSS.escape(input.id)}"]`);
  list.setAttribute("aria-label", label ? label.firstChild.textContent.trim() : t("suggestions"));
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id], ["autocomplete", "off"], ["spellcheck", "false"]]) {
    input.setAttribute(name, value);
  }
  input.removeAttribute("list");
  const place = el("div.combo");
  const whole = input.closest(".group") || input;
  whole.replaceWith(place);
  place.append(whole, list);

  let hits = [];
  let active = -1;
  let timer = 0;
  let asking = null;
  const options = () => [...list.children].filter((one) => one.getAttribute("role") === "option");

  function close() {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(n) {
    const all = options();
    active = all.length ? (n + all.length) % all.length : -1;
    all.forEach((one, i) => one.setAttribute("aria-selected", String(i === active)));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", all[active].id);
      all[active].scrollIntoView({ block: "nearest" });
    }
  }

  async function look() {
    const text = input.value.trim();
    if (!text) return close();
    asking?.abort();
    asking = new AbortController();
    const params = new URLSearchParams({ suggest: text, size: "8" });
    const funder = kind === "awards" && funderOf(input);
    if (funder) params.set("funders", funder);
    try {
      const answer = await fetch(`/api/${kind}?${params}`, { headers: { Accept: "application/json" }, signal: asking.signal });
      if (!answer.ok) return close();
      hits = (await answer.json()).hits.hits;
    } catch {
      return; // another question came, or no network: typing still works
    }
    if (document.activeElement !== input) return;
    list.replaceChildren(...hits.map((hit, n) => {
      const [text, beside, below] = ways.show(hit);
      return el("li", { role: "option", id: `${list.id}-${n}`, "aria-selected": "false" },
        el("span.what", {}, text), beside ? el("span.beside.mono", {}, ` ${beside}`) : null, below ? el("span.below", {}, below) : null);
    }));
    if (!hits.length) {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      say(t("nothing found"));
      return;
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.scrollIntoView({ block: "nearest" });
    say(t("found", { num: hits.length }));
  }

  function choose(n) {
    const hit = hits[n];
    if (!hit) return;
    if (own.choose) {
      close();
      own.choose(hit);
      return;
    }
    const text = textOf(kind, input, hit);
    input.value = text;
    const hidden = idField(input);
    if (hidden) hidden.value = hit.id;
    const mark = markOf(input);
    if (mark) mark.value = kind === "awards" ? `${hit.id} ${words(hit.title)}\n${hit.number || ""}` : `${hit.id} ${text}`;
    input.dataset.chosen = text;
    input.title = text;
    fillRow(kind, input, hit);
    describe(input, kind, hit);
    close();
    changed(hidden || input);
    changed(input);
    say(t("chosen", { name: text }));
  }

  input.addEventListener("input", () => {
    if (kind === "names" && movedOrcid(input)) return close();
    // Other words than the entry's are no longer the entry.
    const hidden = idField(input);
    if (hidden?.type === "hidden" && hidden.value && input.value.trim() !== input.dataset.chosen) {
      hidden.value = "";
      describe(input, kind, null);
    }
    clearTimeout(timer);
    timer = setTimeout(look, WAIT);
    return undefined;
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) look();
      else mark(active < 0 && event.key === "ArrowUp" ? -1 : active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && (open || input.value.trim())) {
      event.preventDefault(); // a choice, never the whole form
      if (own.enter && active < 0) {
        close();
        own.enter();
      } else if (open) choose(Math.max(active, 0));
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") close();
  });
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(options().indexOf(option));
  });
}

const idField = (input) => (input.dataset.suggestId ? document.getElementById(input.dataset.suggestId) : null);

/** What of an entry goes into this field. */
function textOf(kind, input, hit) {
  if (kind === "names" && hit.family_name) return hit.family_name;
  if (kind === "awards" && input.name.endsWith(".number")) return hit.number || "";
  return KINDS[kind].show(hit)[0];
}

/** The hidden field that says which entry, by which name, the page showed. */
const markOf = (input) => input.form?.elements.namedItem((input.dataset.suggestId || "").replace(/id$/, "@was")) || null;

/** The funder chosen in the same row: awards are looked for among its own. */
function funderOf(input) {
  const row = input.closest("[data-row]");
  return row?.querySelector('[name$=".funder.id"]')?.value || "";
}

/** What an entry says about more fields of its row is filled in where they are empty. */
function fillRow(kind, input, hit) {
  const row = input.closest("[data-row]");
  if (!row) return;
  const set = (field, value, over = false) => {
    if (!field || !value || (field.value && !over)) return;
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const within = (end) => row.querySelector(`[name$="${end}"]`);
  if (kind === "names") {
    set(within(".family_name"), hit.family_name, true);
    set(within(".given_name"), hit.given_name, true);
    set(within(".orcid"), idOf(hit, "orcid") || hit.id, true);
    const where = hit.affiliations?.[0];
    const name = row.querySelector('[name*=".affiliations."][name$=".name"]') || inside(row, "affiliations", '[name$=".name"]');
    if (where && name && !name.value) {
      name.value = where.name;
      name.dataset.chosen = where.name;
      const id = idField(name);
      if (id && where.id) id.value = where.id;
      const mark = markOf(name);
      if (mark) mark.value = where.id ? `${where.id} ${where.name}` : "";
      changed(name);
    }
  }
  if (kind === "awards") {
    for (const [end, value] of [[".award.number", hit.number], [".award.title", words(hit.title)]]) {
      const field = within(end);
      if (!field) continue;
      field.value = value || "";
      field.dataset.chosen = field.value;
    }
    const funder = within(".funder.name");
    if (hit.funder && funder && !funder.value) {
      funder.value = hit.funder.name || "";
      funder.dataset.chosen = funder.value;
      const id = within(".funder.id");
      if (id) id.value = hit.funder.id || "";
      const mark = markOf(funder);
      if (mark) mark.value = hit.funder.id ? `${hit.funder.id} ${funder.value}` : "";
    }
  }
}

const wholeOrcid = (text) => ORCID.exec(text.trim())?.[1].replace(/-/g, "").toUpperCase().replace(/.{4}(?=.)/g, "$&-") || "";

/** A whole ORCID iD that was typed as a name goes where it belongs; whether it was one. */
function movedOrcid(input) {
  const id = wholeOrcid(input.value);
  const field = idField(input);
  if (!id || !field) return false;
  input.value = "";
  field.value = id;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}

/** Who has this ORCID iD, if it is known here: the row's name, where there is none yet. */
async function nameOrcid(field) {
  const id = wholeOrcid(field.value);
  const name = field.closest("[data-row]")?.querySelector('[name$=".family_name"]');
  if (!id || !name || name.value) return;
  try {
    const answer = await fetch(`/api/names?${new URLSearchParams({ suggest: id, size: "3" })}`, { headers: { Accept: "application/json" } });
    const hit = answer.ok && (await answer.json()).hits.hits.find((one) => idOf(one, "orcid") === id);
    if (!hit || name.value || wholeOrcid(field.value) !== id) return;
    fillRow("names", name, hit);
    say(t("chosen", { name: hit.name }));
  } catch { /* no network: the iD stands by itself */ }
}

function inside(row, name, what) {
  const group = [...row.querySelectorAll("[data-rows]")].find((one) => one.dataset.rows.endsWith(`.${name}`));
  if (!group) return null;
  const first = rowsOf(group)[0] || addRow(group);
  return first?.querySelector(what);
}

/** A line below the field: what a licence permits, whose an award is. */
function describe(input, kind, hit) {
  const field = input.closest(".field");
  if (!field || !["licenses", "awards", "affiliations", "funders"].includes(kind)) return;
  let line = field.closest("[data-row]")?.querySelector(".permits") || field.querySelector("[data-chosen-line]");
  if (!line) {
    line = el("p.help", { "data-chosen-line": true });
    (input.closest(".combo") || input).after(line);
  }
  const [, beside, below] = hit ? KINDS[kind].show(hit) : [];
  line.textContent = [below, kind === "licenses" && !below ? beside : null].filter(Boolean).join(" · ");
  line.hidden = !line.textContent;
}

export function start() {
  document.getElementById("deposit")?.addEventListener("input", (event) => {
    if (event.target.name?.endsWith(".orcid")) nameOrcid(event.target);
  });
  whenAdded((root) => {
    for (const input of root.querySelectorAll("input[data-suggest]")) enhance(input);
  });
}
