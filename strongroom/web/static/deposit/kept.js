// What this browser keeps of uploads that are on their way, so that they go on after it was closed: the handle of the
// file where the browser gives one, else, up to a size, the file itself. It is gone as soon as the file is complete.
// Beside it lie words that did not reach the server (autosave.js). All is one account's: another's log-in, and a log-out
// that the server took, clear it; a session that merely ended does not.

const MOST = 256 << 20; // a file up to here is kept itself
const DAYS = 7;
const USER = "deposit-user"; // whose all this is
const WORDS = "deposit-"; // + the draft's number

function open() {
  return new Promise((done, fail) => {
    const asked = indexedDB.open("strongroom-uploads", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("files");
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
}

async function use(mode, act) {
  const db = await open();
  try {
    return await new Promise((done, fail) => {
      const transaction = db.transaction("files", mode);
      const asked = act(transaction.objectStore("files"));
      transaction.oncomplete = () => done(asked?.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error);
    });
  } finally {
    db.close();
  }
}

const nameOf = (record, key) => `${record}/${key}`;

/** Whether it is kept. Best effort: private windows and full disks have none, and the upload goes on all the same. */
export async function remember(record, item) {
  const { file, handle, size, key } = item;
  const said = { record: String(record), key, size, lastModified: file.lastModified, at: Date.now(), handle };
  try {
    await use("readwrite", (store) => store.put({ ...said, file: !handle && size <= MOST ? file : null }, nameOf(record, key)));
    return true;
  } catch {
    try {
      await use("readwrite", (store) => store.put({ ...said, handle: null, file: null }, nameOf(record, key)));
    } catch { /* nothing is kept */ }
    return false;
  }
}

export async function forget(record, key) {
  try {
    await use("readwrite", (store) => store.delete(nameOf(record, key)));
  } catch { /* it was not there */ }
}

/** What is known of a draft's files, by key; what is too old goes. */
export async function recall(record) {
  const found = new Map();
  try {
    const all = await use("readonly", (store) => store.getAll());
    for (const one of all) {
      if (one.at < Date.now() - DAYS * 86_400_000) await forget(one.record, one.key);
      else if (one.record === String(record)) found.set(one.key, one);
    }
  } catch { /* nothing is known */ }
  return found;
}

/** The file again, or null where it is gone, or where the user must be asked first (`ask`: now). */
export async function fileOf(known, ask = false) {
  try {
    if (known?.file) return new File([known.file], known.file.name, { lastModified: known.lastModified, type: known.file.type });
    if (!known?.handle) return null;
    let allowed = await known.handle.queryPermission({ mode: "read" });
    if (allowed !== "granted" && ask) allowed = await known.handle.requestPermission({ mode: "read" });
    if (allowed !== "granted") return null;
    const file = await known.handle.getFile();
    return file.size === known.size && file.lastModified === known.lastModified ? file : null;
  } catch {
    return null;
  }
}

// Whose it is ─────────────────────────────────────────────────────────────────────────────────────────────

const words = () => Object.keys(localStorage).filter((key) => key.startsWith(WORDS) && key !== USER);

async function clear() {
  try {
    for (const key of [...words(), USER]) localStorage.removeItem(key);
  } catch { /* no storage, nothing in it */ }
  try {
    await use("readwrite", (store) => store.clear());
  } catch { /* nothing was kept */ }
}

async function keepsAny() {
  try {
    return words().length > 0 || (await use("readonly", (store) => store.count())) > 0;
  } catch {
    return false;
  }
}

let owned = null;

/** What another account left goes; from here on all is this one's. */
export function own(user) {
  owned ??= (async () => {
    try {
      const before = localStorage.getItem(USER);
      if (before && before !== user) await clear();
      localStorage.setItem(USER, user);
    } catch { /* no storage */ }
  })();
  return owned;
}

const PATIENCE = 5000; // ms for a last save
// Open forms, here and in other windows of this browser, end with the session.
const forms = [];
const windows = typeof BroadcastChannel === "function" ? new BroadcastChannel("strongroom-deposit") : null;
windows?.addEventListener("message", () => { for (const one of forms) one.end(); });

/** `save()` tries to bring all that is typed to the server, `end()` stops: nothing is kept or sent any more. */
export function ending(form) { forms.push(form); }

/** The log-out form: asks first where something would be lost, and forgets only what the server let go of. */
export async function logOut(form) {
  await Promise.race([Promise.all(forms.map((one) => one.save())), new Promise((go) => { setTimeout(go, PATIENCE); })]);
  if ((forms.some((one) => one.busy) || await keepsAny()) && !confirm(form.dataset.kept)) return;
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  } catch {
    alert(form.dataset.cut);
    return;
  }
  if (answer.type !== "opaqueredirect") { // refused: the server's page says why
    form.submit();
    return;
  }
  for (const one of forms) one.end();
  windows?.postMessage("out");
  await clear();
  location.assign("/");
}
