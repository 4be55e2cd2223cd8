// The deposit form with script: what the page does by itself it does without; here it gets quicker.

import { Saver } from "./autosave.js";
import { enhance } from "./editor.js";
import { fold } from "./folders.js";
import * as kept from "./kept.js";
import * as keywords from "./keywords.js";
import { ask, csrf, el, icon, page, say, t } from "./page.js";
import * as related from "./related.js";
import * as rows from "./rows.js";
import * as suggest from "./suggest.js";
import { Uploads } from "./upload.js";

const form = document.querySelector("form#deposit[data-autosave]");
// These lead to another page, or are done by the scripts themselves.
const LEAVING = new Set(["publish", "delete", "preview"]);

if (form) {
  // Between the parts the browser may draw and answer: together they would keep a telephone busy for a second.
  const breathe = () => new Promise((go) => { setTimeout(go); });
  rows.start(form);
  await breathe();
  suggest.start();
  await breathe();
  keywords.start();
  related.start();
  for (const one of form.querySelectorAll("textarea[data-editor]")) {
    await breathe();
    enhance(one);
  }
  rows.whenAdded((root) => { for (const one of root.querySelectorAll("textarea[data-editor]")) enhance(one); });
  await breathe();

  await kept.own(document.querySelector('form[action="/logout"]')?.dataset.user || "");
  const saver = new Saver(form);
  saver.start();

  let uploads = null;
  const section = document.querySelector("section#files[data-upload]:not([data-locked])");
  if (section) {
    uploads = new Uploads(section, form, {
      refreshed: (fresh) => {
        const there = fresh.querySelector("form#deposit");
        if (there && !saver.dirty) saver.setRevision(there.dataset.revision);
        sides(fresh);
      },
      prefill: (key) => prefill(key),
    });
    uploads.start();
  } else fold(form.querySelector("#files .up-list"));

  kept.ending({
    async save() {
      if (saver.dirty) await saver.save();
      saver.keep();
    },
    get busy() { return Boolean(uploads?.busy); },
    end: () => {
      saver.end();
      uploads?.end();
    },
  });

  /** What stands beside the form, as the server has it now. */
  function sides(fresh) {
    saver.forget();
    for (const what of [".d-nav", ".d-side", ".pubbar .missing", ".pubbar .acts"]) {
      const [here, there] = [document, fresh].map((one) => one.querySelector(what));
      if (!here || !there || here.contains(document.activeElement)) continue;
      const open = here.open;
      const copy = document.importNode(there, true);
      if (open) copy.open = true;
      here.replaceWith(copy);
    }
  }

  // Buttons that change the draft on the server (reserve a DOI, delete a file, …): the answer's section takes the
  // place of the one here, the rest of the page stays as it is.
  async function press(button) {
    const home = button.closest("section[id]");
    button.setAttribute("aria-busy", "true");
    try {
      await saver.save();
      if (saver.conflict) return;
      const body = saver.body(button);
      const description = button.value === "prefill" && form.elements.namedItem("prefill")?.files[0];
      if (description) body.set("prefill", description);
      const { document: fresh } = await page(saver.url, { method: "POST", body, headers: { Accept: "text/html", "X-CSRF-Token": csrf(form) } });
      const there = fresh.querySelector("form#deposit");
      const part = home && there && fresh.getElementById(home.id);
      if (!part) {
        send(button); // another page (an error, a conflict): shown as it is
        return;
      }
      const value = button.value;
      if (home.id === "files" && uploads) {
        uploads.takeOver(part);
        if (button.value === "prefill") swapAll(there);
      } else {
        home.replaceChildren(...[...part.childNodes].map((one) => document.importNode(one, true)));
        rows.announceAdded(home);
      }
      refusals(home, there);
      sides(fresh);
      saver.rebase(there);
      const again = [...home.querySelectorAll("button, input:not([type=hidden]), a")].find((one) => one.value === value);
      (again || home.querySelector("[aria-invalid=true], .reserved button, h2[tabindex], button, input:not([type=hidden])"))?.focus({ preventScroll: true });
      const wrong = home.querySelector("[data-refusal], .error");
      say(wrong ? wrong.textContent : t("done"));
    } catch (error) {
      if (error instanceof TypeError) saver.failed(error); // no network
      else throw error;
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  /** What the server refused, said in the section that it was asked in. */
  function refusals(home, there) {
    for (const old of home.querySelectorAll("[data-refusal]")) old.remove();
    for (const said of [...there.querySelectorAll(":scope > .note.bad:not(.summary)")].reverse()) {
      const shown = document.importNode(said, true);
      shown.dataset.refusal = "";
      (home.querySelector(":scope > .d-body") || home).prepend(shown);
    }
  }

  let sending = false;
  function send(button) {
    sending = true;
    form.requestSubmit(button);
    sending = false;
  }

  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (sending || event.defaultPrevented) {
      if (sending && form.elements.revision) form.elements.revision.value = saver.revision;
      return;
    }
    const verb = (button?.value || "save").split(":")[0];
    event.preventDefault();
    if (verb === "save" || !button) {
      if (await saver.save()) {
        say(t("saved"));
        form.querySelector("[aria-invalid=true]")?.focus();
      }
    } else if (LEAVING.has(verb)) {
      if (verb === "publish" && uploads?.busy) {
        say(t("still uploading"));
        section.scrollIntoView();
        return;
      }
      await saver.save();
      if (!saver.conflict) send(button);
    } else press(button);
  });

  /** Fields from a description that was dropped among the files; each says where its text came from. */
  async function prefill(key) {
    if (!(await saver.save())) return;
    const body = new FormData();
    body.set("key", key);
    body.set("csrf", csrf(form));
    body.set("revision", saver.revision);
    let answer;
    try {
      answer = await ask(`${saver.url}/prefill`, { method: "POST", body, headers: { Accept: "application/json", "X-CSRF-Token": csrf(form) } });
    } catch (error) {
      note("warn", t("nothing filled", { name: key, reason: error.message }));
      return;
    }
    const filled = answer.filled || [];
    saver.setRevision(answer.revision);
    if (!filled.length) {
      note("info", t("nothing to fill", { name: key }));
      return;
    }
    const { document: fresh } = await page(saver.url);
    const there = fresh.querySelector("form#deposit");
    swapAll(there);
    for (const one of filled) origin(one.field ?? one, one.source ?? key.split("/").at(-1));
    sides(fresh);
    saver.rebase(there);
    note("good", t("filled", { num: filled.length, name: key.split("/").at(-1) }));
  }

  /** The server has rows and all: its sections take the place of ours. */
  function swapAll(there) {
    for (const mine of form.querySelectorAll("section[id]:not(#files)")) {
      const its = there?.querySelector(`#${CSS.escape(mine.id)}`);
      if (!its) continue;
      mine.replaceChildren(...[...its.childNodes].map((one) => document.importNode(one, true)));
      rows.announceAdded(mine);
    }
  }

  function origin(name, source) {
    const found = form.elements.namedItem(name) || [...form.elements].find((one) => one.name?.startsWith(`${name}.`) && one.type !== "hidden");
    const field = (found instanceof RadioNodeList ? found[0] : found)?.closest(".field, fieldset");
    const label = field?.querySelector("label, legend");
    if (label && !label.querySelector(".from")) label.append(el("span.from", {}, icon("link"), t("from", { name: source })));
  }

  function note(kind, text) {
    const shown = el(`div.note.${kind}`, { role: "status", "data-prefilled": true }, icon(kind === "good" ? "check" : "info"), el("div", {}, text));
    document.querySelector("[data-prefilled]")?.remove();
    form.prepend(shown);
    say(text);
  }

  // The sections' marks follow each save.
  form.addEventListener("judged", (event) => {
    const { sections, findings, missing } = event.detail;
    // Wrong is what is filled in and can't stay; what is still missing stands in the list beside.
    const wrong = new Set(findings.map((one) => one.field));
    const told = new Set(missing.filter((one) => wrong.has(one.field)).map((one) => one.section));
    for (const item of document.querySelectorAll(".d-nav [data-section]")) {
      const id = item.dataset.section;
      const state = sections[id] ?? "";
      if (item.className === state || (state === "bad" && !told.has(id))) continue;
      item.className = state;
      item.querySelector(".i, .dot")?.replaceWith({ ok: icon("check"), bad: icon("alert") }[state] ?? el("span.dot"));
      item.querySelector(".vh").textContent = t(`section ${state}`);
    }
  });
}
