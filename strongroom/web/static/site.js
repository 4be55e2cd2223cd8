// Enhancement only: every page reads and works without this file.
const root = document.documentElement;

function switchTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* only for this page then */ }
}

async function copy(button) {
  const from = button.dataset.copy;
  const text = from.startsWith("#") ? document.querySelector(from).textContent : from;
  const said = button.dataset.copied;
  try { await navigator.clipboard.writeText(text.trim()); } catch { return; }
  const status = document.getElementById("status");
  const label = button.querySelector("[data-label]");
  status.textContent = said;
  button.classList.add("done");
  const was = label?.textContent;
  if (label) label.textContent = said;
  setTimeout(() => {
    if (label) label.textContent = was;
    button.classList.remove("done");
    status.textContent = "";
  }, 1500);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) switchTheme();
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// Sort order and "all versions" apply at once; without script their form has a button.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form) form.requestSubmit();
});

// What the deposit form keeps in this browser goes when its owner logs out, and when somebody else logs in.
const out = document.querySelector('form[action="/logout"]');
const whose = () => { try { return localStorage.getItem("deposit-user"); } catch { return null; } };
if (out && whose() && whose() !== out.dataset.user) import("./deposit/kept.js").then((kept) => kept.own(out.dataset.user));
out?.addEventListener("submit", (event) => {
  if (!whose()) return;
  event.preventDefault();
  import("./deposit/kept.js").then((kept) => kept.logOut(out), () => out.submit());
});

// Suggestions in search fields: the script comes when one is first used.
document.addEventListener("focusin", (event) => {
  const input = event.target.closest("input[data-suggest]");
  if (input) import("./search.js").then((search) => search.attach(input), () => { /* the field still searches */ });
});
