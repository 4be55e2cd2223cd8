// Shows a PDF, a page at a time as it comes into view. pdf.js and its worker are loaded here alone, and only from here.
const root = document.documentElement;
root.classList.add("js");
const box = document.getElementById("pdf");

function failed(error) {
  const told = document.createElement("p");
  told.className = "pv-why";
  told.textContent = box.dataset.failed;
  box.replaceChildren(told);
  console.info(error);
}

async function draw(lib, doc, leaf, number) {
  const page = await doc.getPage(number);
  const wide = Math.min(box.clientWidth - 32, 900);
  const scale = wide / page.getViewport({ scale: 1 }).width;
  const viewport = page.getViewport({ scale });
  leaf.style.width = `${viewport.width}px`;
  leaf.style.height = `${viewport.height}px`;
  leaf.style.setProperty("--total-scale-factor", String(scale));
  const canvas = document.createElement("canvas");
  const sharp = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.floor(viewport.width * sharp);
  canvas.height = Math.floor(viewport.height * sharp);
  canvas.setAttribute("aria-hidden", "true");
  const layer = document.createElement("div");
  layer.className = "textLayer";
  leaf.replaceChildren(canvas, layer);
  await page.render({ canvas, viewport, transform: sharp === 1 ? null : [sharp, 0, 0, sharp, 0, 0] }).promise;
  await new lib.TextLayer({ textContentSource: page.streamTextContent(), container: layer, viewport }).render();
  leaf.dataset.drawn = "yes";
}

async function show() {
  const lib = await import(box.dataset.lib);
  lib.GlobalWorkerOptions.workerSrc = box.dataset.worker;
  // Beside it lie the tables and fonts that files may use without bringing them; it asks for those it needs.
  const beside = new URL(".", new URL(box.dataset.lib, location.href)).href;
  // No eval, no files of the worker's own, no scripts or forms of the document.
  const doc = await lib.getDocument({
    url: box.dataset.src, isEvalSupported: false, enableXfa: false, useWorkerFetch: false, useWasm: false,
    cMapUrl: `${beside}cmaps/`, standardFontDataUrl: `${beside}fonts/`, useSystemFonts: true, disableAutoFetch: true, withCredentials: new URL(box.dataset.src, location.href).origin === location.origin,
  }).promise;
  const first = await doc.getPage(1);
  const shape = first.getViewport({ scale: 1 });
  const wide = Math.min(box.clientWidth - 32, 900);
  const watch = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      if (!entry.isIntersecting) continue;
      watch.unobserve(entry.target);
      draw(lib, doc, entry.target, Number(entry.target.dataset.number)).catch((error) => console.info(error));
    }
  }, { rootMargin: "600px" });
  const leaves = document.createDocumentFragment();
  for (let number = 1; number <= doc.numPages; number += 1) {
    const leaf = document.createElement("section");
    leaf.className = "leaf";
    leaf.dataset.number = String(number);
    leaf.setAttribute("aria-label", box.dataset.page.replace("#", String(number)));
    leaf.style.width = `${wide}px`;
    leaf.style.height = `${wide * shape.height / shape.width}px`;
    leaves.append(leaf);
  }
  box.replaceChildren(leaves);
  for (const leaf of box.children) watch.observe(leaf);
  box.dataset.pages = String(doc.numPages);
}

show().catch(failed);
