// "Is this record genuine?", worked out in the reader's own browser: the log's signature, the way from the entry to the
// signed root, the author's signature, who else has signed, and whether this page says what the entry committed to.
// It asks this site only, and sends nothing but requests for public files.

const utf8 = new TextEncoder();
const panels = document.querySelectorAll("[data-genuine]");
const TURNING = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/gu;

class Wrong extends Error {}

const bytesOf = (text, alphabet) => {
  const plain = alphabet === "url" ? text.replaceAll("-", "+").replaceAll("_", "/") : text;
  return Uint8Array.from(atob(plain), (c) => c.charCodeAt(0));
};
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const join = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
};
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const node = (left, right) => sha256(join(Uint8Array.of(1), left, right));
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

async function signed(key, signature, message) {
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, message);
}

async function ask(path, kind) {
  const answer = await fetch(path, { credentials: "omit", cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  if (kind === "bytes") return new Uint8Array(await answer.arrayBuffer());
  return kind === "json" ? answer.json() : answer.text();
}

// The signed note, its text and its signature lines: the newest that enough witnesses have cosigned, if it covers the entry.
async function checkpoint(vkey, origin, index) {
  const witnessed = (await ask("/v1/witnesses", "json").catch(() => null))?.witnessed_size ?? 0;
  const note = await ask(witnessed > index ? `/v1/checkpoints/${witnessed}` : "/log/checkpoint");
  const at = note.lastIndexOf("\n\n");
  const text = note.slice(0, at + 1);
  const lines = note.slice(at + 2).split("\n").filter(Boolean).map((line) => {
    const [, name, value] = line.split(" ");
    return { name, value: bytesOf(value) };
  });
  const [name, , key] = vkey.split("+", 2).concat(vkey.split("+").slice(2).join("+"));
  const own = lines.find((line) => line.name === name);
  const holds = own && (await signed(bytesOf(key).slice(1), own.value.slice(4), utf8.encode(text)));
  const [from, size, root] = text.split("\n");
  if (!holds || from !== origin) throw new Wrong("checkpoint");
  return { text, lines: lines.filter((line) => line !== own), size: Number(size), root: bytesOf(root) };
}

// Tiles of the tree of so many entries, each fetched once.
function tree(size) {
  const tiles = new Map();
  const tile = (level, n) => {
    const width = Math.min(256, Math.floor(size / 256 ** level) - n * 256);
    let digits = String(n);
    digits = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
    const groups = digits.match(/.../g);
    const last = groups.pop();
    const path = `/log/tile/${level}/${groups.map((group) => `x${group}/`).join("")}${last}${width < 256 ? `.p/${width}` : ""}`;
    if (!tiles.has(path)) tiles.set(path, ask(path, "bytes"));
    return tiles.get(path);
  };
  // The root of 2^height entries, the nth of that height.
  const whole = async (height, nth) => {
    const level = Math.floor(height / 8);
    const count = 2 ** (height - 8 * level);
    const first = nth * count;
    const bytes = await tile(level, Math.floor(first / 256));
    let hashes = Array.from({ length: count }, (_, k) => bytes.slice(((first % 256) + k) * 32, ((first % 256) + k + 1) * 32));
    while (hashes.length > 1) {
      const pairs = [];
      for (let k = 0; k < hashes.length; k += 2) pairs.push(await node(hashes[k], hashes[k + 1]));
      hashes = pairs;
    }
    return hashes[0];
  };
  const split = (count) => {
    let half = 1;
    while (half * 2 < count) half *= 2;
    return half;
  };
  const range = async (from, count) => {
    const height = Math.log2(count);
    if (Number.isInteger(height) && from % count === 0) return whole(height, from / count);
    const half = split(count);
    return node(await range(from, half), await range(from + half, count - half));
  };
  // The root that follows from a leaf at a place.
  const rootFrom = async (leaf, index, from = 0, count = size) => {
    if (count === 1) return leaf;
    const half = split(count);
    return index < from + half
      ? node(await rootFrom(leaf, index, from, half), await range(from + half, count - half))
      : node(await range(from, half), await rootFrom(leaf, index, from + half, count - half));
  };
  return rootFrom;
}

async function entry(index) {
  const event = (await ask(`/v1/events/${index}`, "json")).event;
  const [header, payload, signature] = event.split(".");
  return {
    leaf: await sha256(join(Uint8Array.of(0), utf8.encode(event))),
    header: JSON.parse(new TextDecoder().decode(bytesOf(header, "url"))),
    payload: JSON.parse(new TextDecoder().decode(bytesOf(payload, "url"))),
    signature: bytesOf(signature, "url"),
    message: utf8.encode(`${header}.${payload}`),
  };
}

// The author's key: named by its own digest in the signed header, and registered by an entry of the same tree.
async function author(one, proved) {
  const listed = await ask(`/v1/keys?actor=${encodeURIComponent(one.payload.iss)}&limit=200`, "json");
  const key = listed.keys.find((known) => known.kid === one.header.kid);
  if (!key) throw new Wrong("signature");
  const print = await sha256(utf8.encode(`{"crv":"Ed25519","kty":"OKP","x":"${key.x}"}`));
  const holds = await signed(bytesOf(key.x, "url"), one.signature, one.message);
  if (base64url(print) !== one.header.kid || !holds) throw new Wrong("signature");
  const home = await entry(key.index);
  const registers = JSON.stringify(home.payload.data).includes(`"${key.x}"`);
  if (!registers || !(await proved(home, key.index))) throw new Wrong("signature");
}

// Witnesses that the log's own policy names and whose cosignatures hold, and whether this site calls one of them independent.
async function witnesses(point) {
  const listed = await ask("/v1/witnesses", "json").catch(() => ({ witnesses: [] }));
  const found = { names: [], independent: false };
  for (const witness of listed.witnesses) {
    const [name, , ...rest] = witness.key.split("+");
    const key = bytesOf(rest.join("+")).slice(1);
    for (const one of point.lines.filter((line) => line.name === name && line.value.length === 76)) {
      const time = new DataView(one.value.buffer, one.value.byteOffset + 4, 8).getBigUint64(0);
      const message = utf8.encode(`cosignature/v1\ntime ${time}\n${point.text}`);
      if (!(await signed(key, one.value.slice(12), message))) continue;
      found.names.push(witness.name);
      found.independent ||= witness.is_independent;
    }
  }
  return found;
}

const plain = (text) => text.replace(TURNING, "").replace(/\s+/g, " ").trim();

// The page's document is what the entry committed to, and its texts stand on this page.
async function page(path, one, index) {
  const record = await ask(path);
  const digest = base64url(await sha256(utf8.encode(record)));
  const { openings } = await ask(`/v1/events/${index}/openings`, "json");
  const opening = openings.find((each) => each.name === "page")?.opening;
  if (!opening) throw new Error("no opening");
  const sealed = base64url(await sha256(utf8.encode(opening)));
  const [, name, value] = JSON.parse(new TextDecoder().decode(bytesOf(opening, "url")));
  if (!one.payload.data._sd.includes(sealed) || name !== "page" || value !== digest) throw new Wrong("page");
  const about = JSON.parse(record).entries.filter((each) => /^project-(registered|amended)$/.test(each.type)).pop();
  for (const shown of document.querySelectorAll("article [data-field]")) {
    const said = about?.fields[shown.dataset.field];
    const parts = shown.querySelectorAll("p");
    const text = parts.length ? [...parts].map((part) => part.textContent).join(" ") : shown.textContent;
    if (said === undefined || plain(text) !== plain(said)) throw new Wrong("shown");
  }
}

async function check({ index, leaf, key, origin, record }, tell) {
  const at = Number(index);
  const point = await checkpoint(key, origin, at);
  tell("checkpoint", point.size);
  const rootFrom = tree(point.size);
  const proved = async (one, place) => same(await rootFrom(one.leaf, place), point.root);
  const one = await entry(at);
  if (base64url(one.leaf) !== leaf) throw new Wrong("entry");
  if (at >= point.size) throw new Error("not covered yet");
  if (!(await proved(one, at))) throw new Wrong("inclusion");
  tell("inclusion");
  await author(one, proved);
  tell("signature", one.payload.iss);
  const others = await witnesses(point);
  if (record) {
    await page(record, one, at);
    tell("page");
  }
  return others;
}

for (const panel of panels) {
  const words = JSON.parse(panel.dataset.words);
  const make = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const fill = (text, value) => text.replace("{value}", () => String(value));
  panel.querySelector("[data-without]")?.remove();
  const button = make("button", words.button);
  button.type = "button";
  const answer = make("div", "");
  answer.setAttribute("role", "status");
  panel.append(button, answer);
  button.addEventListener("click", async () => {
    button.disabled = true;
    const list = make("ul", "");
    answer.replaceChildren(make("p", words.working));
    answer.className = "";
    let sentence;
    try {
      const others = await check(panel.dataset, (step, value) => list.append(make("li", fill(words[`ok-${step}`], value))));
      sentence = fill(words.holds, new Date().toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }));
      list.append(make("li", others.names.length ? fill(words.witnesses, others.names.join(", ")) : words.alone));
      if (others.names.length && !others.independent) list.append(make("li", words["no-outsider"]));
    } catch (error) {
      const isWrong = error instanceof Wrong;
      answer.className = "bad";
      sentence = isWrong ? words[`bad-${error.message}`] : words.away;
      if (error.name === "NotSupportedError") sentence = words.old;
    }
    answer.replaceChildren(make("p", sentence), list);
    answer.dataset.outcome = answer.className || "good";
    button.disabled = false;
    button.textContent = words.again;
  });
}
