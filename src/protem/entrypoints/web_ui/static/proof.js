// Checks in this browser that an entry of the audit log is under a signed head: the hashes with
// WebCrypto's SHA-256 (RFC 6962, 2.1.1), the head's signature with its Ed25519 where it has that.
// Not here: trust. The key comes from the server that is checked; `protem audit verify` takes the
// key that the reader kept.

const bytesOf = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
const ofHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hexOf = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

async function sha256(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

// The path from a leaf up to the root of a tree of `size` leaves (RFC 9162, 2.1.3.2). Positions are
// beyond 32 bits in principle, so no bit operators.
export async function rootOf(entry, index, size, path) {
  if (!(index >= 0 && index < size)) throw new Error("there is no such entry under this head");
  let position = index;
  let last = size - 1;
  let node = await sha256(Uint8Array.of(0), entry);
  for (const sibling of path) {
    if (last === 0) throw new Error("the path is too long");
    if (position % 2 === 1 || position === last) {
      node = await sha256(Uint8Array.of(1), sibling, node);
      while (position !== 0 && position % 2 === 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      node = await sha256(Uint8Array.of(1), node, sibling);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new Error("the path is too short");
  return node;
}

// A C2SP signed note: the text, an empty line, and lines of "— name base64(key hash, signature)".
export function readNote(note) {
  const text = new TextDecoder().decode(note);
  const end = text.lastIndexOf("\n\n");
  const [origin, size, root] = text.slice(0, end + 1).split("\n");
  const signatures = text.slice(end + 2).split("\n").filter(Boolean).map((line) => {
    const [, name, data] = line.split(" ");
    return { name, data: bytesOf(data) };
  });
  const body = new TextEncoder().encode(text.slice(0, end + 1));
  return { origin, size: Number(size), root: bytesOf(root), body, signatures };
}

// "yes", "no", or "unknown" in a browser without Ed25519.
export async function isSigned(note, key) {
  const [name, hash, data] = [key.split("+")[0], key.split("+")[1], key.split("+").slice(2).join("+")];
  const found = note.signatures.find((one) => one.name === name && hexOf(one.data.slice(0, 4)) === hash);
  if (!found || note.origin !== name) return "no";
  try {
    const raw = bytesOf(data).slice(1);
    const trusted = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    return (await crypto.subtle.verify("Ed25519", trusted, found.data.slice(4), note.body)) ? "yes" : "no";
  } catch {
    return "unknown";
  }
}

async function check(place) {
  const { entry, index, note, key, path } = place.dataset;
  const head = readNote(bytesOf(note));
  const steps = path.trim() ? path.trim().split(" ").map(ofHex) : [];
  const root = await rootOf(bytesOf(entry), Number(index), head.size, steps);
  if (hexOf(root) !== hexOf(head.root)) throw new Error("the entry does not lead to the signed root");
  const signed = await isSigned(head, key);
  if (signed === "no") throw new Error("the head is not signed by the key below");
  const size = `the signed root of ${head.size} entries`;
  return signed === "yes"
    ? `Checked in this browser: the entry leads to ${size}, and the signature is the key's.`
    : `Checked in this browser: the entry leads to ${size}. It cannot check the signature itself.`;
}

const place = document.getElementById("browser-check");
if (place && globalThis.crypto?.subtle) {
  try {
    place.textContent = await check(place);
  } catch (error) {
    place.className = "notice risk";
    place.textContent = `The check in this browser fails: ${error.message}.`;
  }
  place.hidden = false;
}
