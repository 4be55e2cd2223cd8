// Keywords in one box: words of one's own and terms of vocabularies, each shown as a tag. The textarea stays the form's
// field for free words (one a line); a chosen term becomes a row of the subjects.

import { changed, el, icon, say, t } from "./page.js";
import { addRow, rowsOf, whenAdded } from "./rows.js";
import { combobox } from "./suggest.js";

function enhance(textarea) {
  if (textarea.dataset.words === "on") return;
  textarea.dataset.words = "on";
  const form = textarea.form;
  const id = textarea.id;
  const subjects = () => form.querySelector(`[data-rows="${CSS.escape(textarea.dataset.suggestId)}"]`);
  const words = () => textarea.value.split("\n").map((one) => one.trim()).filter(Boolean);
  const input = el("input.input", { id, autocomplete: "off", "aria-describedby": `${id}-h` });
  const tags = el("ul.plain.words", { "aria-label": t("words") });
  const place = el("div.words-box", {}, input);
  textarea.id = `${id}-source`;
  textarea.hidden = true;
  textarea.removeAttribute("aria-describedby");
  textarea.after(place, tags);
  const help = textarea.closest(".field")?.querySelector(".help");
  if (help) {
    help.id = `${id}-h`;
    help.textContent = t("word help");
  }

  function write(list) {
    textarea.value = list.join("\n");
    draw();
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function add(text) {
    const list = words();
    const fresh = text.split(/[,;\n]/).map((one) => one.trim()).filter((one) => one && !list.includes(one));
    input.value = "";
    if (fresh.length) write([...list, ...fresh]);
  }

  function terms() {
    const group = subjects();
    return (group ? rowsOf(group) : []).map((row) => ({
      row, text: row.querySelector('[name$=".subject"]')?.value.trim(), scheme: row.querySelector('[name$=".scheme"]')?.value.trim(),
      id: row.querySelector('[name$=".id"]')?.value.trim(),
    })).filter((one) => one.text && one.id);
  }

  function draw() {
    const tag = (text, scheme, remove) => el("li", {}, el("span.tag.on", {}, text, scheme ? el("span.beside", {}, scheme) : null,
      el("button", { type: "button", "aria-label": t("remove word", { name: text }), onclick: () => {
        const next = [...tags.querySelectorAll("button")];
        const here = next.indexOf(document.activeElement);
        remove();
        ([...tags.querySelectorAll("button")][Math.max(0, here)] || input).focus();
      } }, icon("x"))));
    tags.replaceChildren(
      ...terms().map(({ row, text, scheme }) => tag(text, scheme, () => {
        const group = subjects();
        if (rowsOf(group).length > 1) row.querySelector('button[value^="remove:"]').click();
        else for (const field of row.querySelectorAll("input")) field.value = "";
        changed(group);
        draw();
      })),
      ...words().map((text) => tag(text, "", () => write(words().filter((one) => one !== text)))));
    tags.hidden = !tags.children.length;
  }

  combobox(input, "subjects", {
    choose(hit) {
      input.value = "";
      const group = subjects();
      if (!group) return add(hit.subject);
      if (terms().some((one) => one.id === hit.id)) return undefined;
      const free = rowsOf(group).find((row) => [...row.querySelectorAll("input")].every((one) => !one.value.trim()));
      const row = free || addRow(group);
      for (const [name, value] of [["subject", hit.subject], ["id", hit.id], ["scheme", hit.scheme]]) {
        const field = row.querySelector(`[name$=".${name}"]`);
        if (field) field.value = value || "";
      }
      changed(group);
      say(t("chosen", { name: hit.subject }));
      draw();
      return undefined;
    },
    enter: () => add(input.value),
  });
  input.addEventListener("input", (event) => {
    event.stopPropagation(); // a word half typed is none
    if (/[,;]$/.test(input.value)) add(input.value);
  });
  input.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text/plain");
    if (!/[,;\n]/.test(text)) return;
    event.preventDefault();
    add(text);
  });
  input.addEventListener("blur", () => { if (input.value.trim()) add(input.value); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !input.value) tags.querySelector("li:last-child button")?.focus();
  });
  textarea.addEventListener("refill", draw);
  form.addEventListener("change", (event) => { if (event.target.closest?.('[data-rows="metadata.subjects"]')) draw(); });
  draw();
}

export function start() {
  whenAdded((root) => {
    for (const textarea of root.querySelectorAll("textarea[data-suggest=subjects]")) enhance(textarea);
  });
}
