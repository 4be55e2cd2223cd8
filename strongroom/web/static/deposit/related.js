// Related works: what kind of identifier this is, as it is typed, and the title when the work is one of ours.

import { el, t } from "./page.js";
import { whenAdded } from "./rows.js";

// In the order in which they are tried; the scheme's name is that of the records API.
const SCHEMES = [
  ["doi", /^(?:doi:\s*|https?:\/\/(?:dx\.)?doi\.org\/)?(10\.\d{4,9}\/\S+)$/i, "DOI"],
  ["arxiv", /^(?:arxiv:\s*|https?:\/\/arxiv\.org\/(?:abs|pdf)\/)(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[a-z]{2})?\/\d{7})$/i, "arXiv"],
  ["orcid", /^(?:orcid:\s*|https?:\/\/orcid\.org\/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])$/i, "ORCID"],
  ["ror", /^(?:https?:\/\/)?ror\.org\/(0[a-hj-km-np-tv-z0-9]{6}\d\d)$/i, "ROR"],
  ["handle", /^(?:hdl:\s*|https?:\/\/hdl\.handle\.net\/)(\d+(?:\.\d+)*\/\S+)$/i, "Handle"],
  ["swh", /^(swh:1:(?:cnt|dir|rel|rev|snp):[0-9a-f]{40}\S*)$/i, "Software Heritage"],
  ["ark", /^(?:https?:\/\/\S+\/)?(ark:\/?\d{5,9}\/\S+)$/i, "ARK"],
  ["urn", /^(urn:[a-z0-9][a-z0-9-]{1,31}:\S+)$/i, "URN"],
  ["pmid", /^(?:pmid:\s*|https?:\/\/pubmed\.ncbi\.nlm\.nih\.gov\/)(\d{1,9})\/?$/i, "PubMed"],
  ["isbn", /^(?:isbn[:\s]*)?((?:97[89][- ]?)?(?:\d[- ]?){9}[\dX])$/i, "ISBN"],
  ["issn", /^(?:issn[:\s]*)?(\d{4}-\d{3}[\dX])$/i, "ISSN"],
  ["url", /^(https?:\/\/\S+)$/i, "URL"],
];

/** The scheme of an identifier, its bare value and the scheme's name; null for what is none. */
export function detect(text) {
  for (const [scheme, form, name] of SCHEMES) {
    const found = form.exec(text.trim());
    if (found) return { scheme, value: found[1], name };
  }
  return null;
}

const known = new Map();

async function titleOf(doi) {
  if (!known.has(doi)) {
    const query = new URLSearchParams({ q: `doi:"${doi.replace(/["\\]/g, "")}"`, size: "1", allversions: "true" });
    known.set(doi, fetch(`/api/records?${query}`, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : null))
      .then((body) => body?.hits.hits[0]?.metadata.title || "")
      .catch(() => ""));
  }
  return known.get(doi);
}

function enhance(input) {
  if (input.dataset.detect) return;
  input.dataset.detect = "on";
  const row = input.closest("[data-row]");
  const scheme = row?.querySelector('[name$=".scheme"]');
  const line = el("p.help.detected", { "aria-live": "polite" });
  const field = input.closest(".field") || input.parentElement;
  field.append(line);
  let set = "";
  async function look() {
    const text = input.value.trim();
    const found = detect(text);
    if (scheme && (!scheme.value || scheme.value === set)) {
      const wanted = found?.scheme || "";
      if (scheme.localName !== "select" || [...scheme.options].some((one) => one.value === wanted)) {
        scheme.value = wanted;
        set = wanted;
      }
    }
    line.textContent = found ? found.name : text.length > 5 ? t("no known identifier") : "";
    if (found?.scheme !== "doi") return;
    const title = await titleOf(found.value.toLowerCase());
    if (title && input.value.trim() === text) line.textContent = `${found.name}. ${title}`;
  }
  input.addEventListener("input", look);
  if (input.value) look();
}

export function start() {
  whenAdded((root) => {
    for (const input of root.querySelectorAll('[name^="metadata.related_identifiers."][name$=".identifier"]')) enhance(input);
  });
}
