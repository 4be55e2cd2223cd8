// Folders of the list of files open and close; a long list begins with them closed. Without script all rows are there.

import { el, icon, size, t } from "./page.js";

const ALL_OPEN = 50; // as on the record's page
const SHOWN = 500; // the server shows no more: then nobody knows here how many a folder has
const chosen = new Map(); // folder → whether it was left open

/** Puts the rows of the server's list into their folders: files without one first, then each folder with what is in it. */
export function fold(list) {
  for (const old of list.querySelectorAll(".up-folder")) old.remove();
  const rows = [...list.querySelectorAll("li.up:not([data-live])")];
  const folders = new Map([["", []]]);
  for (const row of rows) {
    const folder = row.dataset.key.split("/").slice(0, -1).join("/");
    folders.set(folder, [...(folders.get(folder) ?? []), row]);
  }
  if (folders.size < 2) return;
  const closed = rows.length > ALL_OPEN && folders.size > 2;
  list.prepend(...[...folders].flatMap(([folder, inside]) => (folder ? [head(folder, inside, closed, rows.length), ...inside] : inside)));
}

function head(folder, inside, closed, all) {
  const bytes = inside.reduce((sum, row) => sum + Number(row.dataset.size), 0);
  const turn = el("button.linkish", { type: "button" }, icon("chevd"), icon("folder"), el("span.up-n", {}, `${folder}/`),
    all < SHOWN ? el("span.faint.xs", {}, t("files", { num: inside.length })) : null);
  const show = (open) => {
    turn.setAttribute("aria-expanded", String(open));
    for (const row of inside) row.hidden = !open;
  };
  turn.addEventListener("click", () => {
    chosen.set(folder, turn.getAttribute("aria-expanded") === "false");
    show(chosen.get(folder));
  });
  show(chosen.get(folder) ?? !closed);
  return el("li.up-folder", {}, turn, all < SHOWN ? el("span.small.num", {}, size(bytes)) : null);
}
