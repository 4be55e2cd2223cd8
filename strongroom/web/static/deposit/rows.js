// Rows that repeat (creators, titles, related works …): add, remove, sort by hand and by keyboard, without a reload.
// A row's place is in the names of its fields (`metadata.creators.2.…`), so whatever moves is numbered again.

import { Sortable } from "../vendor/sortable.js";
import { button, changed, el, icon, say, t } from "./page.js";

const NUMBERED = ["name", "id", "for", "list", "value", "href", "aria-describedby", "aria-labelledby", "aria-controls", "aria-details",
  "data-suggest-id", "data-suggest-by", "data-rows", "data-field", "data-copy", "data-for"];

export const rowsOf = (group) => [...group.querySelectorAll("[data-row]")].filter((row) => row.closest("[data-rows]") === group);
const templateOf = (group) =>
  [...group.querySelectorAll("template[data-row-template]")].find((one) => one.closest("[data-rows]") === group);
const moves = (group) => [...group.querySelectorAll('button[name="do"]')].some((b) => /^(?:up|down):/.test(b.value))
  || /value="(?:up|down):/.test(templateOf(group)?.innerHTML || "");

/** Calls `each` with what is there now and, later, with what is added. */
const added = [];
export function whenAdded(each) {
  added.push(each);
  each(document);
}
export const announceAdded = (root) => added.forEach((each) => each(root));

function attributes(root, each) {
  const inside = [root, ...root.querySelectorAll("*")];
  for (const one of inside) {
    for (const name of NUMBERED) {
      if (!one.hasAttribute(name) || (name === "value" && one.localName !== "button")) continue;
      const was = one.getAttribute(name);
      const is = each(was);
      if (is !== was) one.setAttribute(name, is);
    }
    if (one.localName === "template") attributesOf(one, each);
  }
}

function attributesOf(template, each) {
  for (const one of template.content.children) attributes(one, each);
}

/** Numbers the rows of a group in the order in which they stand. */
export function renumber(group) {
  const path = group.dataset.rows;
  const rows = rowsOf(group);
  // Two groups of radio buttons that have one name for a moment would lose a choice.
  const chosen = [...group.querySelectorAll("input[type=radio]")].map((one) => [one, one.checked]);
  const forms = [path, path.replaceAll(".", "-"), path.replaceAll(".", "_")];
  const at = new RegExp(`(${forms.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})([.\\-_])\\d+(?!\\d)`, "g");
  rows.forEach((row, n) => {
    attributes(row, (text) => text.replace(at, (_, before, between) => `${before}${between}${n}`));
    for (const number of row.querySelectorAll("[data-row-number]")) {
      if (number.closest("[data-row]") === row) number.textContent = String(n + 1);
    }
    const first = n === 0;
    const last = n === rows.length - 1;
    for (const one of row.querySelectorAll('button[name="do"]')) {
      if (one.closest("[data-row]") !== row) continue;
      if (one.value.startsWith("up:")) one.disabled = first;
      if (one.value.startsWith("down:")) one.disabled = last;
    }
  });
  for (const [one, was] of chosen) one.checked = was;
  group.toggleAttribute("data-single", rows.length < 2);
}

/** A new row at the end; null where the group has no template. */
export function addRow(group) {
  const template = templateOf(group);
  if (!template) return null;
  const n = String(rowsOf(group).length);
  const copy = document.importNode(template.content, true);
  const row = copy.querySelector("[data-row]") || copy.firstElementChild;
  // `__i__` is the outer list's number; lists within its rows have `__j__`.
  const mark = template.innerHTML.includes("__i__") ? "__i__" : "__j__";
  const fill = (text) => text.replaceAll(mark, n);
  for (const one of [...copy.children]) attributes(one, fill);
  const before = rowsOf(group).at(-1);
  if (before) before.after(copy);
  else template.before(copy);
  if (!("row" in row.dataset)) row.dataset.row = "";
  for (const one of row.querySelectorAll("details")) if (!one.hasAttribute("data-closed")) one.open = true;
  renumber(group);
  announceAdded(row);
  return row;
}

const seen = (one) => one.checkVisibility();
const firstField = (row) => [...row.querySelectorAll("input:not([type=hidden]), select, textarea, summary, button")].find(seen);

/** What a row is called: its name as it is filled in, else its number. */
export function nameOf(row) {
  const value = (end) => row.querySelector(`[name$="${end}"]`)?.value.trim() || "";
  const person = [value(".family_name"), value(".given_name")].filter(Boolean).join(", ");
  const heading = row.querySelector("[data-row-name]")?.textContent.trim();
  const any = [...row.querySelectorAll("input[type=text], input:not([type]), textarea")].map((one) => one.value.trim()).find(Boolean);
  const number = rowsOf(row.closest("[data-rows]")).indexOf(row) + 1;
  return person || value(".name") || any || heading || t("row", { num: number });
}

/** The part of a row that is always seen says what is in it. */
function summarise(row) {
  const shown = row.querySelector("[data-row-name]");
  if (!shown || shown.closest("[data-row]") !== row) return;
  const value = (end) => row.querySelector(`[name$="${end}"]`)?.value.trim() || "";
  const person = [value(".family_name"), value(".given_name")].filter(Boolean).join(", ");
  const name = person || value("person_or_org.name") || value(".name");
  if (name) shown.textContent = name;
  const orcid = row.querySelector("[data-row-orcid]");
  if (orcid) orcid.textContent = row.querySelector('[name*="identifiers"][name$=".identifier"], [name$=".orcid"]')?.value.trim() || "";
  const where = row.querySelector("[data-row-affiliation]");
  if (where) {
    const places = [...row.querySelectorAll('[name*=".affiliations."][name$=".name"]')].map((one) => one.value.trim());
    where.textContent = places.filter(Boolean).join("; ");
  }
}

function move(group, row, step) {
  const rows = rowsOf(group);
  const here = rows.indexOf(row);
  const other = rows[here + step];
  if (!other) return;
  if (step < 0) other.before(row);
  else other.after(row);
  renumber(group);
  changed(group);
  say(t("moved", { name: nameOf(row), num: here + step + 1, of: rows.length }));
}

function remove(group, row) {
  const rows = rowsOf(group);
  const here = rows.indexOf(row);
  const name = nameOf(row);
  const mark = document.createComment("row");
  row.replaceWith(mark);
  renumber(group);
  changed(group);
  const back = button(t("undo"), { kind: "linkish.small" });
  const note = el("p.xs.muted.undo", { role: "status" }, `${t("removed", { name })} `, back);
  back.addEventListener("click", () => {
    mark.replaceWith(row);
    note.remove();
    renumber(group);
    changed(group);
    firstField(row)?.focus();
  });
  for (const old of group.querySelectorAll(":scope > .undo")) old.remove();
  const end = templateOf(group);
  (end ?? group.lastElementChild).after(note);
  const next = rows[here + 1] || rows[here - 1];
  (next?.querySelector(".grip, summary") || (next && firstField(next)) || back).focus();
}

/** Makes the handles of a group: drag, or arrow keys. */
function prepare(group) {
  const rows = rowsOf(group);
  if (!moves(group)) return;
  for (const row of rows) {
    if (row.querySelector(".grip")?.closest("[data-row]") === row) continue;
    const grip = button("", { kind: "btn.plain.sm.icon.grip" }, icon("grip"));
    grip.title = t("drag to sort");
    (row.querySelector(":scope > .grip-slot") || row).prepend(grip);
    row.classList.add("has-grip");
  }
  for (const row of rows) label(row);
  group.toggleAttribute("data-single", rows.length < 2);
  if (rows.length && !group.sortable) {
    group.sortable = Sortable.create(rows[0].parentElement, {
      handle: ".grip", draggable: "[data-row]", animation: 0, ghostClass: "dragged",
      onEnd: (event) => {
        renumber(group);
        rowsOf(group).forEach(label);
        if (event.oldIndex !== event.newIndex) changed(group);
      },
    });
  }
}

/** Puts these fields in the place of all rows of a list. */
export function replaceRows(form, path, fields) {
  const group = form.querySelector(`[data-rows="${CSS.escape(path)}"]`);
  if (!group) return;
  for (const row of rowsOf(group)) row.remove();
  for (const [name, value] of Object.entries(fields)) {
    if (!ensure(form, name)) {
      const row = rowsOf(group)[Number(name.slice(path.length + 1).split(".")[0])];
      row?.append(el("input", { type: "hidden", name }));
    }
    const field = form.elements.namedItem(name);
    if (!field || field instanceof RadioNodeList) continue;
    field.value = value;
    field.dispatchEvent(new Event("refill"));
  }
  if (!rowsOf(group).length) addRow(group);
  renumber(group);
  announceAdded(group);
  changed(group);
}

const label = (row) =>
  [...row.querySelectorAll(".grip")].filter((one) => one.closest("[data-row]") === row)
    .forEach((one) => one.setAttribute("aria-label", t("move", { name: nameOf(row) })));

/** Adds rows until the field of this name is there; whether it is then. */
export function ensure(form, name) {
  const find = () => form.elements.namedItem(name);
  for (let guard = 0; !find() && guard < 500; guard += 1) {
    const group = [...form.querySelectorAll("[data-rows]")]
      .filter((one) => name.startsWith(`${one.dataset.rows}.`))
      .sort((a, b) => b.dataset.rows.length - a.dataset.rows.length)[0];
    if (!group) return false;
    const wanted = Number(name.slice(group.dataset.rows.length + 1).split(".")[0]);
    if (!Number.isInteger(wanted) || rowsOf(group).length > wanted || !addRow(group)) break;
  }
  return Boolean(find());
}

export function start(form) {
  whenAdded((root) => {
    const groups = [...root.querySelectorAll("[data-rows]")];
    const around = root.closest?.("[data-rows]");
    for (const group of around ? [around, ...groups] : groups) {
      prepare(group);
      rowsOf(group).forEach(summarise);
    }
  });
  form.addEventListener("click", (event) => {
    const pressed = event.target.closest('button[name="do"]');
    const [verb, rest] = pressed ? pressed.value.split(/:(.*)/) : [];
    if (!["add", "remove", "up", "down"].includes(verb)) return;
    if (verb === "add") {
      const group = form.querySelector(`[data-rows="${CSS.escape(rest)}"]`);
      const row = group && addRow(group);
      if (!row) return;
      event.preventDefault();
      changed(group);
      ([...row.querySelectorAll("input:not([type=hidden]):not([type=radio]), textarea, [role=textbox]")].find(seen) || firstField(row))?.focus();
      return;
    }
    const group = pressed.closest("[data-rows]");
    const row = pressed.closest("[data-row]");
    if (!group || !row || !rest.startsWith(`${group.dataset.rows}.`)) return;
    event.preventDefault();
    if (verb === "remove") remove(group, row);
    else {
      move(group, row, verb === "up" ? -1 : 1);
      pressed.focus();
    }
  });
  form.addEventListener("keydown", (event) => {
    const grip = event.target.closest?.(".grip");
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!grip || !step) return;
    event.preventDefault();
    move(grip.closest("[data-rows]"), grip.closest("[data-row]"), step);
    grip.focus();
  });
  form.addEventListener("input", (event) => {
    const row = event.target.closest("[data-row]");
    for (let one = row; one; one = one.parentElement.closest("[data-row]")) {
      summarise(one);
      label(one);
    }
  });
}
