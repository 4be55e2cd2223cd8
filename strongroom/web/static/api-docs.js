// Shows /api/openapi.json and sends what the reader fills in. Text goes in as text, never as markup.
const root = document.getElementById("api");
const words = root.dataset;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function sample(schema, all, depth = 0) {
  if (!schema || depth > 4) return {};
  if (schema.$ref) return sample(all.components.schemas[schema.$ref.split("/").pop()], all, depth + 1);
  if (schema.anyOf) return sample(schema.anyOf[0], all, depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "array") return [];
  if (type === "string") return "";
  if (type === "integer") return 0;
  if (type === "boolean") return false;
  const found = {};
  for (const [name, inner] of Object.entries(schema.properties ?? {})) found[name] = sample(inner, all, depth + 1);
  return found;
}

async function send(verb, path, form, out) {
  const query = new URLSearchParams();
  let address = path;
  for (const input of form.querySelectorAll("[data-in]")) {
    if (input.dataset.in === "path") address = address.replace(`{${input.name}}`, encodeURIComponent(input.value).replaceAll("%2F", "/"));
    else if (input.value) query.set(input.name, input.value);
  }
  if (query.size) address += `?${query}`;
  const token = document.getElementById("api-token").value.trim();
  const options = { method: verb, headers: { Accept: "application/json, */*;q=0.5" }, credentials: token ? "omit" : "same-origin" };
  if (token) options.headers.Authorization = `Bearer ${token}`;
  else if (words.csrf) options.headers["X-CSRF-Token"] = words.csrf;
  const body = form.querySelector("textarea");
  if (body && body.value.trim()) {
    options.body = body.value;
    options.headers["Content-Type"] = body.dataset.type;
  }
  out.hidden = true;
  try {
    const answer = await fetch(address, options);
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON */ }
    out.textContent = `${verb} ${address}\n${answer.status} ${answer.headers.get("content-type") ?? ""}\n\n${text.slice(0, 100000)}`;
  } catch (error) {
    out.textContent = String(error);
  }
  out.hidden = false;
}

// Texts hold `code` as Markdown does, and nothing else of it.
function prose(text) {
  return text.split("`").map((part, n) => (n % 2 ? make("code", {}, part) : part));
}

function example(media, all) {
  return media.example ?? sample(media.schema, all);
}

function formOf(verb, path, said, all) {
  const id = said.operationId;
  const form = make("form", { class: "stack" });
  if (said.description) form.append(make("p", { class: "help" }, ...prose(said.description)));
  const inputs = make("div", { class: "p-in" });
  for (const parameter of said.parameters ?? []) {
    const name = `${id}-${parameter.name}`;
    const input = make("input", { class: "input", id: name, name: parameter.name, "data-in": parameter.in, autocomplete: "off" });
    if (parameter.in === "path") input.required = true;
    const field = make("div", { class: "field" }, make("label", { for: name }, parameter.name), input);
    if (parameter.description) {
      input.setAttribute("aria-describedby", `${name}-h`);
      field.append(make("p", { class: "help", id: `${name}-h` }, ...prose(parameter.description)));
    }
    inputs.append(field);
  }
  if (inputs.childElementCount) form.append(inputs);
  const kinds = Object.entries(said.requestBody?.content ?? {});
  if (kinds.length) {
    const [type, media] = kinds[0];
    const text = make("textarea", { class: "input textarea mono", id: `${id}-body`, rows: 8, "data-type": type, spellcheck: "false" });
    if (type === "application/json") text.value = JSON.stringify(example(media, all), null, 2);
    form.append(make("div", { class: "field" }, make("label", { for: `${id}-body` }, `${words.body} (${type})`), text));
  }
  const statuses = make("ul", { class: "plain help", "aria-label": words.answers });
  for (const [status, answer] of Object.entries(said.responses)) {
    const told = answer.$ref ? all.components.responses[answer.$ref.split("/").pop()] : answer;
    statuses.append(make("li", {}, make("code", {}, status), " ", ...prose(told.description)));
  }
  form.append(statuses);
  if (verb !== "GET") form.append(make("p", { class: "help" }, words.warn));
  form.append(make("button", { class: "btn primary", type: "submit" }, words.send));
  const out = make("pre", { tabindex: 0, role: "region", "aria-label": words.answer });
  out.hidden = true;
  form.append(out);
  form.addEventListener("submit", (event) => { event.preventDefault(); send(verb, path, form, out); });
  return form;
}

// Forms are made when they are opened: a hundred of them at once would take a second of a phone.
function entry(verb, path, said, all) {
  const head = make("summary", {}, make("code", {}, `${verb} ${path}`));
  if (said.deprecated) head.append(" ", make("span", { class: "badge draft" }, words.old));
  head.append(make("span", { class: "muted" }, ...prose(said.summary)));
  const details = make("details", { id: said.operationId }, head);
  details.addEventListener("toggle", () => details.append(formOf(verb, path, said, all)), { once: true });
  return details;
}

const all = await (await fetch("/api/openapi.json")).json();
const groups = new Map();
const jump = make("nav", { class: "p-jump", "aria-label": words.groups });
for (const [n, { name }] of all.tags.entries()) {
  const list = make("div", { class: "p-ops" });
  const section = make("section", { id: `group-${n}`, "aria-labelledby": `group-${n}-h`, lang: "en" }, make("h2", { id: `group-${n}-h` }, name), list);
  groups.set(name, { section, list });
  jump.append(make("a", { href: `#group-${n}` }, name));
}
for (const [path, verbs] of Object.entries(all.paths)) {
  for (const [verb, said] of Object.entries(verbs)) groups.get(said.tags[0]).list.append(entry(verb.toUpperCase(), path, said, all));
}
root.append(jump, ...[...groups.values()].map(({ section }) => section));
document.getElementById(location.hash.slice(1))?.scrollIntoView();
