// What all scripts of the deposit form share: its texts, small elements, numbers as the reader writes them.
// Text from people or servers goes in as text, never as markup.

const texts = JSON.parse(document.getElementById("deposit-texts")?.textContent || "{}");
const lang = document.documentElement.lang || "en";
const plural = new Intl.PluralRules(lang);
const decimal = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const ICONS = new URL("../icons.svg", import.meta.url).href;

/** The text of a key, `{name}` replaced. With `num` in the values its plural: the texts have `key.one` and `key.other`. */
export function t(key, values = {}) {
  const text = texts[key] ?? texts[`${key}.${plural.select(values.num) === "one" ? "one" : "other"}`] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

const shown = (value) => (typeof value === "number" ? decimal.format(value) : value);

/** An element: `el("p.xs", {id: "x"}, "text", child)`. Attributes that are null or false are left out. */
export function el(what, attributes = {}, ...inside) {
  const [name, ...classes] = what.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.filter((one) => one !== null && one !== undefined));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "i");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** A button that is no submit button. */
export function button(label, attributes = {}, ...inside) {
  const { kind = "btn.sm", ...rest } = attributes;
  return el(`button.${kind}`, { type: "button", ...rest }, ...(inside.length ? inside : [label]));
}

export function iconButton(name, label, onclick) {
  return button(label, { kind: "btn.plain.sm.icon", "aria-label": label, title: label, onclick }, icon(name));
}

/** Bytes in decimal units, as the pages write them: "121.8 KB". */
export function size(bytes) {
  if (bytes < 1000) return t("bytes", { num: bytes });
  const units = ["KB", "MB", "GB", "TB", "PB"];
  let amount = bytes / 1000;
  let n = 0;
  while (amount >= 999.5 && n < units.length - 1) {
    amount /= 1000;
    n += 1;
  }
  return `${decimal.format(amount)} ${units[n]}`;
}

export const time = (date) => clock.format(date);

/** How long something takes, roughly, in words. */
export function duration(seconds) {
  if (seconds < 60) return t("seconds", { num: Math.max(1, Math.round(seconds)) });
  if (seconds < 3600) return t("minutes", { num: Math.round(seconds / 60) });
  return t("hours", { num: Math.round(seconds / 3600) });
}

let saying = 0;

/** Says something to those who listen to the page. Said twice, it is heard twice. */
export function say(text) {
  const status = document.getElementById("status");
  if (!status) return;
  status.textContent = "";
  clearTimeout(saying);
  saying = setTimeout(() => { status.textContent = text; }, 60);
}

/** The answer's JSON, or an Error with `status` and the server's reason. `TypeError` from fetch means no network. */
export async function ask(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  const type = answer.headers.get("content-type") || "";
  const body = type.includes("json") ? await answer.json() : null;
  if (answer.ok) return body;
  const error = new Error(reasonOf(body) || t("server said", { num: answer.status }));
  error.status = answer.status;
  error.body = body;
  error.retryAfter = Number(answer.headers.get("retry-after")) || 0;
  throw error;
}

function reasonOf(body) {
  const found = body?.errors?.flatMap((one) => one.messages || [one.message]).filter(Boolean);
  return (found?.length ? [...new Set(found)].join(" ") : body?.message) || "";
}

/** A page of ours as a document, to take parts of it over. */
export async function page(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  const text = await answer.text();
  return { answer, document: new DOMParser().parseFromString(text, "text/html") };
}

export const csrf = (form) => form.elements.csrf?.value || document.getElementById("files")?.dataset.csrf || "";

/** Tells the form that something changed by script: autosave and checks listen to it. */
export const changed = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));
