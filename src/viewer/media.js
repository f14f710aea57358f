// The bytes of a file, read through the host, and the element that shows them.

// The server returns complete files up to this size, and parts of larger ones.
const WHOLE = 4 * 1024 * 1024;
const PART = 2 * 1024 * 1024;
// Larger files are only linked: they would go through the host and stay in memory.
const LARGEST = 32 * 1024 * 1024;

const MEDIA = /^(image|audio|video)\/[\w.+-]+$/;

const mediaKind = (file) => MEDIA.exec(file.mime_type ?? "")?.[1];

const decode = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

const readBytes = async (uri, type) => {
  const { contents } = await ask("resources/read", { uri });
  const { blob, text, mimeType } = contents?.[0] ?? {};
  if (typeof blob === "string") return decode(blob);
  // A text of another type explains why there are no bytes.
  if (typeof text !== "string" || mimeType !== type) throw new Error("no bytes");
  return new TextEncoder().encode(text);
};

/** Reads a file, and reports the number of bytes so far to `progress`. */
const readFile = async (file, progress) => {
  const parts = [];
  if ((file.bytes ?? 0) <= WHOLE) {
    parts.push(await readBytes(file.uri, file.mime_type));
  } else {
    for (let start = 0; start < file.bytes; start += PART) {
      progress(start);
      const end = Math.min(start + PART, file.bytes) - 1;
      parts.push(await readBytes(`${file.uri}?bytes=${start}-${end}`, file.mime_type));
    }
  }
  return new Blob(parts, { type: file.mime_type });
};

const dataUrl = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

/**
 * Shows bytes in an element. A host's content security policy may allow only `data:` URLs, so they are the second try.
 * Resolves when the element can show the bytes.
 */
const present = (element, blob) => new Promise((resolve, reject) => {
  const address = URL.createObjectURL(blob);
  let tried = false;
  element.addEventListener("error", () => {
    if (tried) return reject(new Error("not shown"));
    tried = true;
    URL.revokeObjectURL(address);
    dataUrl(blob).then((data) => { element.src = data; }, reject);
  });
  element.addEventListener(element.localName === "img" ? "load" : "loadedmetadata", resolve);
  element.src = address;
});
