// What this browser keeps of uploads that are on their way, so that they go on after it was closed: the handle of the
// file where the browser gives one, else, up to a size, the file itself. It is gone as soon as the file is complete.

const MOST = 256 << 20; // a file up to here is kept itself
const DAYS = 7;

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
