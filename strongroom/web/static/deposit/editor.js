// A rich editor on `textarea[data-editor]`. The textarea stays the form's field: it gets clean HTML with every change.

import { Squire } from "../vendor/squire.js";
import { DOMPurify } from "../vendor/purify.js";
import { button, el, icon, say, t } from "./page.js";

// What metadata/html.py keeps; the server cleans again, whatever is sent.
const TAGS = `a abbr acronym b blockquote br code caption div em h1 h2 h3 h4 h5 i li ol p pre span strike strong
  sub sup table tbody thead th td tr u ul`.split(/\s+/);
const SCHEMES = /^(?:https?|ftp|mailto):/i;
const BOLD = /(?<!-)font-weight:\s*(?:bold|[6-9]00)/i;
const LIGHT = /(?<!-)font-weight:\s*(?:normal|400)/i;
const ITALIC = /(?<!-)font-style:\s*italic/i;
const LIST = /mso-list:\s*\S+\s+level(\d)/i;

const purify = DOMPurify(window);
const options = { ALLOWED_URI_REGEXP: SCHEMES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true,
  ADD_URI_SAFE_ATTR: ["rel", "data-bold", "data-italic", "data-list", "data-bullet", "data-plain"] };

/** HTML as the form holds it, to be shown in the editor. */
function kept(html) {
  return purify.sanitize(html, { ...options, ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "title", "name", "rel", "class"] });
}

/** HTML from the clipboard: what word processors mean by styles becomes tags, the rest of their words goes. */
export function pasted(html) {
  const marked = html
    .replace(/<!--\[if !supportLists\]-->([\s\S]*?)<!--\[endif\]-->|<!\[if !supportLists\]>([\s\S]*?)<!\[endif\]>/gi, (_, a, b) => bullet(a ?? b))
    .replace(/<!--[\s\S]*?-->|<!\[(?:if[^\]]*|endif)\]>/gi, "")
    .replace(/<(style|xml|head|title|script)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<\/?[ovwmx]:[^>]*>/gi, "")
    // Styles are read and taken off before a parser sees them, handlers too: our policy forbids them, and the browser
    // would complain, whatever comes of them.
    .replace(/<[a-z][^<>]*>/gi, (tag) => tag
      .replace(/[\s/"']on\w+\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, " ")
      .replace(/\sstyle\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, (_, style) => meaning(style)));
  const clean = purify.sanitize(marked, {
    ...options, ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "title", "data-bold", "data-italic", "data-list", "data-bullet", "data-plain"],
  });
  tidy(clean);
  return clean;
}

const bullet = (html) => `<span data-bullet="${/[0-9a-z]+[.)]/i.test(html.replace(/<[^>]*>|&nbsp;/g, "")) ? "ol" : "ul"}"></span>`;

function meaning(style) {
  const level = LIST.exec(style);
  return [
    BOLD.test(style) ? ' data-bold="1"' : "",
    ITALIC.test(style) ? ' data-italic="1"' : "",
    LIGHT.test(style) ? ' data-plain="1"' : "",
    level ? ` data-list="${level[1]}"` : "",
  ].join("");
}

function tidy(fragment) {
  const all = (what) => [...fragment.querySelectorAll(what)];
  const wrap = (element, name) => {
    const made = document.createElement(name);
    made.append(...element.childNodes);
    element.append(made);
  };
  for (const span of all("span[data-bold]")) wrap(span, "b");
  for (const span of all("span[data-italic]")) wrap(span, "i");
  lists(fragment);
  // Google's clipboard is one <b> that means nothing; Word's is full of spans and divisions.
  for (const one of all("b[data-plain], span, div")) {
    const block = one.localName === "div" && !one.querySelector("p, ul, ol, table, blockquote, pre, h1, h2, h3, h4, h5, div");
    if (block) {
      const paragraph = document.createElement("p");
      paragraph.append(...one.childNodes);
      one.replaceWith(paragraph);
    } else one.replaceWith(...one.childNodes);
  }
  for (const one of all("[data-bold], [data-italic], [data-list], [data-plain]")) {
    for (const name of Object.keys(one.dataset)) delete one.dataset[name];
  }
  for (const nowhere of all("a:not([href])")) nowhere.replaceWith(...nowhere.childNodes);
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement?.closest("pre")) {
      walker.currentNode.data = walker.currentNode.data.replace(/[\u00a0\s]+/g, " ");
    }
  }
  for (const one of all("p, b, i, a, strong, em, u, h1, h2, h3, h4, h5").reverse()) {
    if (!one.textContent.trim() && !one.querySelector("br")) one.remove();
    else if (!one.textContent.trim()) one.replaceWith(...one.querySelectorAll("br"));
  }
}

// Word writes lists as paragraphs, each with its level.
function lists(fragment) {
  let open = [];
  for (const item of fragment.querySelectorAll("p[data-list]")) {
    const level = Math.min(Number(item.dataset.list), 6);
    const mark = item.querySelector("[data-bullet]");
    const name = mark?.dataset.bullet || "ul";
    mark?.remove();
    const before = item.previousElementSibling;
    if (!open.length || before !== open[0].list) open = [];
    while (open.length && open.at(-1).level > level) open.pop();
    if (!open.length || open.at(-1).level < level) {
      const list = document.createElement(name);
      if (open.length && open.at(-1).list.lastElementChild) open.at(-1).list.lastElementChild.append(list);
      else item.before(list);
      open.push({ level, list });
    }
    const li = document.createElement("li");
    li.append(...item.childNodes);
    open.at(-1).list.append(li);
    item.remove();
  }
}

function paragraphs(text) {
  const holder = document.createElement("div");
  for (const part of text.split(/\n\s*\n/)) {
    const paragraph = el("p");
    part.split("\n").forEach((line, n) => paragraph.append(...(n ? [el("br")] : []), line));
    holder.append(paragraph);
  }
  return holder.innerHTML;
}

/** The form's HTML of what stands in the editor; nothing, when nobody sees anything. */
function written(editor, root) {
  if (!root.textContent.trim() && !root.querySelector("table")) return "";
  const holder = document.createElement("div");
  holder.append(kept(editor.getHTML()));
  for (const last of holder.querySelectorAll("p > br:last-child, li > br:last-child")) last.remove();
  for (const empty of holder.querySelectorAll("p:empty")) empty.remove();
  return holder.innerHTML.replaceAll("&nbsp;", " ").replaceAll("\u200b", ""); // Squire's place for the cursor
}

/** Within a formula, how many characters are left of it: two paragraphs are none. */
function leftOf(root, range) {
  const at = range.startContainer.nodeType === Node.ELEMENT_NODE ? range.startContainer : range.startContainer.parentElement;
  const block = at.closest("p, li, td, th, h1, h2, h3, h4, h5, blockquote, pre, div");
  if (!root.contains(block)) return 0;
  const [before, after] = [document.createRange(), document.createRange()];
  before.selectNodeContents(block);
  before.setEnd(range.startContainer, range.startOffset);
  after.selectNodeContents(block);
  after.setStart(range.startContainer, range.startOffset);
  const opened = /\\\((?:(?!\\\)).)*$/s.test(before.toString());
  return opened ? (/^(?:(?!\\\().)*?\\\)/s.exec(after.toString())?.[0].length ?? 0) : 0;
}

let count = 0;

export function enhance(textarea) {
  if (textarea.dataset.editor === "on") return;
  textarea.dataset.editor = "on";
  count += 1;
  const id = textarea.id || `editor-${count}`;
  const label = document.querySelector(`label[for="${CSS.escape(id)}"]`) || textarea.closest(".field")?.querySelector("label, .label");
  if (label && !label.id) label.id = `${id}-label`;
  const root = el("div.ed.prose", {
    id, role: "textbox", "aria-multiline": "true", "aria-labelledby": label?.id, spellcheck: "true",
    "aria-describedby": textarea.getAttribute("aria-describedby"), "aria-invalid": textarea.getAttribute("aria-invalid"),
    "aria-required": textarea.required ? "true" : null,
  });
  const long = el("span.push.xs.faint.num");
  const link = linkBox();
  const bar = el("div.ed-bar", { role: "toolbar", "aria-label": t("formatting"), "aria-controls": id });
  const tex = el("p.help.ed-tex", { hidden: true }, t("formula help"));
  const box = el("div.editor", {}, bar, link.box, root, tex);
  // Links to the field and its label lead to what people see.
  textarea.id = `${id}-source`;
  textarea.required = false;
  textarea.hidden = true;
  textarea.after(box);
  label?.addEventListener("click", () => root.focus());

  let loading = true;
  const editor = new Squire(root, {
    blockTag: "P",
    sanitizeToDOMFragment: (html) => (loading ? kept(html) : pasted(html)),
    willCutCopy: null,
  });
  const load = () => {
    loading = true;
    const text = textarea.value;
    editor.setHTML(/<[a-z]/i.test(text) ? text : text.trim() ? paragraphs(text) : "");
    loading = false;
    measure();
  };
  const measure = () => {
    long.textContent = t("characters", { num: root.textContent.trim().length });
    tex.hidden = !/\\\(.*?\\\)/s.test(root.textContent);
  };
  // Tab leaves the editor: nobody is caught in a list.
  for (const key of ["Tab", "Shift-Tab"]) editor.setKeyHandler(key, null);
  // No styles that our cleaning would take away again.
  for (const key of ["Ctrl-u", "Meta-u", "Ctrl-Shift-5", "Meta-Shift-5", "Ctrl-Shift-6", "Meta-Shift-6"]) editor.setKeyHandler(key, null);
  // A new paragraph begins as what was being typed: bold that was switched off stays off (Squire takes up what stands
  // before the cursor again).
  const FORMATS = [["B", "removeBold"], ["I", "removeItalic"]];
  const split = (_, event, range) => {
    event.preventDefault();
    const out = range.collapsed ? leftOf(root, range) : 0;
    if (out) {
      for (let n = 0; n < out; n += 1) getSelection().modify("move", "forward", "character");
      return;
    }
    const off = range.collapsed ? FORMATS.filter(([tag]) => !editor.hasFormat(tag)) : [];
    editor.splitBlock(event.shiftKey, range);
    for (const [tag, remove] of off) if (editor.hasFormat(tag)) editor[remove]();
  };
  for (const key of ["Enter", "Shift-Enter"]) editor.setKeyHandler(key, split);
  const openLink = () => link.open(editor, root);
  for (const key of ["Ctrl-k", "Meta-k"]) editor.setKeyHandler(key, (_, event) => { event.preventDefault(); openLink(); });

  const toggle = (tag, on, off) => () => (editor.hasFormat(tag) ? editor[off]() : editor[on]());
  // Formulas stay TeX: readers and search see them as they were typed.
  const formula = () => {
    root.focus();
    const inside = editor.getSelectedText();
    editor.insertPlainText(`\\(${inside}\\)`);
    if (!inside) for (let n = 0; n < 2; n += 1) getSelection().modify("move", "backward", "character");
    say(t("formula help"));
  };
  const list = (tag, on) => () => (editor.hasFormat(tag) ? editor.removeList() : editor[on]());
  const tools = [
    ["bold", "B", toggle("B", "bold", "removeBold"), el("b", {}, "B")],
    ["italic", "I", toggle("I", "italic", "removeItalic"), el("i", {}, "I")],
    ["link", "A", openLink, icon("link")],
    ["bullets", "UL", list("UL", "makeUnorderedList"), icon("list")],
    ["numbers", "OL", list("OL", "makeOrderedList"), icon("numbers")],
    ["formula", "", formula, icon("formula")],
  ].map(([key, tag, act, mark], n) => {
    const one = el("button", {
      type: "button", "aria-label": t(key), title: t(key), "aria-pressed": tag ? "false" : null, tabindex: n ? "-1" : "0", "data-tag": tag,
      onmousedown: (event) => event.preventDefault(), // the selection stays in the text
      onclick: () => { act(); if (tag !== "A") root.focus(); },
    }, mark);
    return one;
  });
  bar.append(...tools, long);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = tools.indexOf(document.activeElement);
    if (!step || here < 0) return;
    event.preventDefault();
    const next = tools[(here + step + tools.length) % tools.length];
    tools.forEach((one) => { one.tabIndex = one === next ? 0 : -1; });
    next.focus();
  });
  const press = () => {
    for (const one of tools) if (one.dataset.tag) one.setAttribute("aria-pressed", String(editor.hasFormat(one.dataset.tag)));
  };
  editor.addEventListener("pathChange", press);
  editor.addEventListener("select", press);
  editor.addEventListener("cursor", press);
  editor.addEventListener("pasteImage", () => say(t("no images")));
  editor.addEventListener("input", () => {
    textarea.value = written(editor, root);
    measure();
    press();
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  });
  // Others set the field's value (prefill, another's text): then they say so.
  textarea.addEventListener("refill", load);
  load();
}

function linkBox() {
  const input = el("input.input.sm", { type: "url", "aria-label": t("link address"), placeholder: "https://" });
  const set = button(t("set link"));
  const drop = button(t("remove link"), { kind: "btn.plain.sm" });
  const box = el("div.ed-link", { hidden: true }, input, set, drop);
  let current = null;
  const close = () => {
    box.hidden = true;
    current?.focus();
  };
  const apply = () => {
    let url = input.value.trim();
    if (/^10\.\d{4,}\//.test(url)) url = `https://doi.org/${url}`;
    else if (/^[^\s@:/]+@[^\s@]+\.[a-z]+$/i.test(url)) url = `mailto:${url}`;
    else if (url && !/^[a-z]+:/i.test(url)) url = `https://${url}`;
    if (url && !SCHEMES.test(url)) {
      input.setAttribute("aria-invalid", "true");
      return;
    }
    const editor = current;
    close();
    if (url) editor.makeLink(url);
    else editor.removeLink();
  };
  set.addEventListener("click", apply);
  drop.addEventListener("click", () => { const editor = current; close(); editor.removeLink(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); apply(); }
    if (event.key === "Escape") { event.preventDefault(); close(); }
  });
  return {
    box,
    open(editor, root) {
      current = editor;
      const range = editor.getSelection();
      const at = range.commonAncestorContainer;
      const element = at.nodeType === Node.ELEMENT_NODE ? at : at.parentElement;
      input.value = (root.contains(element) && element.closest("a")?.getAttribute("href")) || "";
      input.removeAttribute("aria-invalid");
      box.hidden = false;
      input.focus();
    },
  };
}

