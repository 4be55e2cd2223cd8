// Suggestions while typing: an ARIA combobox on a search field. Loaded when such a field is first used (site.js).
// Without it the field is a field, and Enter searches.
// Milliseconds of quiet before the server is asked.
const WAIT = 180;
let lists = 0;

function style() {
  const href = new URL("./search.css", import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
}

export function attach(input) {
  if (input.hasAttribute("aria-controls")) return;
  style();
  const list = document.createElement("ul");
  list.className = "suggest";
  list.id = `suggest-${++lists}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.dataset.suggest);
  list.hidden = true;
  input.form.append(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  let timer = 0;
  let asked = "";
  let abort = null;
  let at = -1;

  function close() {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(index) {
    const options = list.children;
    options[at]?.setAttribute("aria-selected", "false");
    at = index < -1 ? options.length - 1 : index >= options.length ? -1 : index;
    if (at < 0) { input.removeAttribute("aria-activedescendant"); return; }
    options[at].setAttribute("aria-selected", "true");
    options[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[at].id);
  }

  function show(found) {
    list.replaceChildren(...found.map((one, n) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${n}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.dataset.url = one.url;
      const text = document.createElement("span");
      text.textContent = one.text;
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = one.label;
      item.append(text, " ", kind);
      return item;
    }));
    if (!found.length || document.activeElement !== input) { close(); return; }
    at = -1;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    const typed = input.value.trim();
    if (typed === asked && !list.hidden) return;
    asked = typed;
    abort?.abort();
    // Whoever writes in the query language knows what to look for.
    if (typed.length < 2 || /[:()[\]{}"*?~]/.test(typed)) { close(); return; }
    abort = new AbortController();
    try {
      const answer = await fetch(`/search/suggest?q=${encodeURIComponent(typed)}`, { signal: abort.signal, headers: { Accept: "application/json" } });
      if (!answer.ok) { close(); return; }
      show((await answer.json()).suggestions);
    } catch { /* typed on, or no network: the field still searches */ }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape" && !list.hidden) { close(); event.preventDefault(); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) { ask(); return; }
      choose(event.key === "ArrowDown" ? at + 1 : at - 1);
      event.preventDefault();
    }
    if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      location.assign(list.children[at].dataset.url);
    }
  });
  input.addEventListener("blur", close);
  // Before the field loses its focus to the list.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) location.assign(item.dataset.url);
  });
  if (input.value && document.activeElement === input && input.value !== input.defaultValue) ask();
}
