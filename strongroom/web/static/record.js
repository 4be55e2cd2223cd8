// The record's page, quicker: citations and previews change in place. Without this file the same links and form lead to pages.
const status = document.getElementById("status");

// -- Cite
const form = document.querySelector("form[data-cite]");
const cited = document.getElementById("cite-text");
if (form) {
  const own = cited.innerHTML;
  const first = form.elements.style.value;
  let wanted = 0;
  form.addEventListener("change", async () => {
    const style = form.elements.style.value;
    const turn = ++wanted;
    if (style === first) { cited.innerHTML = own; return; }
    cited.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${form.action}?${new URLSearchParams({ style, format: "html", locale: document.documentElement.lang })}`);
      if (!answer.ok) throw new Error(String(answer.status));
      // Made by the server: escaped, with i, b, sup and sub alone.
      const text = await answer.text();
      if (turn === wanted) cited.innerHTML = text;
    } catch {
      if (turn === wanted) form.submit();
    } finally {
      if (turn === wanted) cited.removeAttribute("aria-busy");
    }
  });
}

// -- Preview
const frame = document.getElementById("preview-frame");

function adapt() {
  // The frame has our own page in it, which runs no script: this one gives it the theme and takes its height.
  let inner;
  try { inner = frame.contentDocument; } catch { return; }
  if (!inner?.body) return;
  const theme = document.documentElement.dataset.theme;
  if (theme) inner.documentElement.dataset.theme = theme; else delete inner.documentElement.dataset.theme;
  if (inner.getElementById("pdf")) { frame.style.height = ""; return; }
  frame.style.height = `${Math.max(64, Math.min(Math.ceil(inner.body.getBoundingClientRect().height) + 2, 540))}px`;
}

if (frame) {
  frame.addEventListener("load", adapt);
  if (frame.contentDocument?.readyState === "complete" && frame.contentDocument.URL !== "about:blank") adapt();
  new MutationObserver(adapt).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  // No selector knows that the focus is in a frame: this page only loses it.
  const mark = () => frame.classList.toggle("focused", document.activeElement === frame);
  addEventListener("blur", mark);
  addEventListener("focus", mark);
  document.addEventListener("focusin", mark);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-preview]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const name = decodeURIComponent(link.pathname.split("/preview/")[1]);
    frame.classList.remove("pdf", "audio");
    if (/\.pdf$/i.test(name)) frame.classList.add("pdf");
    frame.src = `${link.pathname}?frame=1`;
    frame.title = link.getAttribute("aria-label");
    document.getElementById("preview-name").textContent = name;
    document.getElementById("preview-open").href = link.pathname;
    const picture = link.closest("tr").querySelector(".name .i use").getAttribute("href");
    document.querySelector(".pv-card .box-head .i use").setAttribute("href", picture);
    const section = document.getElementById("preview");
    section.scrollIntoView();
    section.tabIndex = -1;
    section.focus({ preventScroll: true });
    if (status) status.textContent = frame.title;
  });
}

// -- Tabs: the section that is read is marked, where the page can't scroll further the one that was chosen
const bar = document.querySelector(".rec-tabs .tabs");
const parts = [...bar.children].map((link) => [link, document.querySelector(link.hash)]);

function follow() {
  const line = bar.getBoundingClientRect().bottom + innerHeight / 5;
  const above = parts.filter(([, part]) => part.getBoundingClientRect().top <= line);
  let [found] = above.at(-1) || parts[0];
  if (scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2) {
    const below = parts.slice(above.length);
    [found] = below.find(([link]) => link.hash === location.hash) || below.at(-1) || parts.at(-1);
  }
  if (found.ariaCurrent) return;
  for (const [link] of parts) link.ariaCurrent = link === found ? "location" : null;
  bar.scrollLeft = found.offsetLeft - bar.offsetLeft - 16;
}

follow();
addEventListener("scroll", follow, { passive: true });
addEventListener("hashchange", follow);
