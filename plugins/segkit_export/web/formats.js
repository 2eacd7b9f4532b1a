// What a file is, from its own bytes, before anything decodes it: kind, size, whether it is whole.
// A name's ending says nothing here. Every refusal is one sentence for a person.

const MOST_BYTES = 400e6, MOST_PIXELS = 50e6;
const FOREIGN = [
  ["SVG, a drawing and no picture", (text) => /^\s*<(\?xml|svg|!DOCTYPE svg)/i.test(text)],
  ["TIFF, which browsers do not read", (text) => text.startsWith("II*\0") || text.startsWith("MM\0*")],
  ["DICOM, which browsers do not read", (text) => text.slice(128, 132) === "DICM"],
  ["a PDF", (text) => text.startsWith("%PDF")],
  ["a zip archive", (text) => text.startsWith("PK\x03\x04")],
];

/** {type, width, height, notes}; throws where the page should not touch the file. */
function inspect(bytes) {
  if (!bytes.length) throw new Error("the file is empty");
  const text = String.fromCharCode(...bytes.subarray(0, 160));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = readerOf(text);
  if (!reader) {
    const found = FOREIGN.find(([, fits]) => fits(text));
    throw new Error(`it is ${found ? found[0] : "no picture"}; give a PNG, JPEG, WebP, GIF, BMP or AVIF file`);
  }
  let facts;
  try { facts = reader(view, bytes); } catch (error) {
    if (error instanceof RangeError) throw new Error("the file is cut short");
    throw error;
  }
  return bounded(facts);
}

function readerOf(text) {
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return png;
  if (text.startsWith("\xff\xd8\xff")) return jpeg;
  if (text.startsWith("GIF8")) return gif;
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return webp;
  if (text.startsWith("BM")) return bmp;
  return text.slice(4, 8) === "ftyp" && /avi[fs]|mif1|msf1|hei[cxs]/.test(text.slice(8, 40)) ? heif : null;
}

function bounded(facts) {
  const { width, height } = facts, size = `${width.toLocaleString("en")} × ${height.toLocaleString("en")} pixels`;
  if (!(width > 0 && height > 0)) throw new Error(`the file is damaged: it says ${size}`);
  if (width * height > MOST_PIXELS) throw new Error(`${size} are more than the ${MOST_PIXELS / 1e6} million that this page takes`);
  return facts;
}

function png(view, bytes) {
  const facts = { type: "image/png", width: view.getUint32(16), height: view.getUint32(20), notes: [] };
  bounded(facts);
  if (bytes[24] === 16) facts.notes.push("16 bits a channel, read as 8");
  for (let at = 8; ;) {
    const length = view.getUint32(at), kind = view.getUint32(at + 4);
    if (view.getUint32(at + 8 + length) !== crc32(bytes.subarray(at + 4, at + 8 + length))) {
      throw new Error("the file is damaged: a checksum is wrong");
    }
    if (kind === 0x6163544c) facts.notes.push("animated, first picture taken");  // acTL
    if (kind === 0x49454e44) return facts;  // IEND
    at += 12 + length;
  }
}

function jpeg(view, bytes) {
  const facts = { type: "image/jpeg", width: 0, height: 0, notes: [] };
  let at = 2;
  for (; ; at += 2 + view.getUint16(at + 2)) {
    while (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xff) at++;
    if (view.getUint8(at) !== 0xff) throw new Error("the file is damaged: a marker is missing");
    const marker = view.getUint8(at + 1);
    if (marker === 0xda) break;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      Object.assign(facts, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
      if (view.getUint8(at + 9) === 4) facts.notes.push("CMYK, colours as the browser turns them");
    }
  }
  for (let end = bytes.length - 1; end > at; end--) {
    if (bytes[end - 1] === 0xff && bytes[end] === 0xd9) return facts;
  }
  throw new Error("the file is cut short");
}

function gif(view, bytes) {
  const facts = { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true), notes: [] };
  const table = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const blocks = (at) => { while (view.getUint8(at)) at += 1 + bytes[at]; return at + 1; };
  let at = 13 + table(bytes[10]), frames = 0;
  while (view.getUint8(at) !== 0x3b) {
    if (bytes[at] === 0x21) at = blocks(at + 2);
    else if (bytes[at] === 0x2c) { frames++; at = blocks(at + 11 + table(view.getUint8(at + 9))); }
    else throw new Error("the file is damaged: an unknown block");
  }
  if (frames > 1) facts.notes.push(`animated, the first of ${frames} pictures taken`);
  return facts;
}

function webp(view, bytes) {
  if (view.getUint32(4, true) + 8 > bytes.length) throw new Error("the file is cut short");
  const kind = String.fromCharCode(...bytes.subarray(12, 16)), facts = { type: "image/webp", notes: [] };
  const three = (at) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2) + 1;
  if (kind === "VP8X") {
    if (bytes[20] & 2) facts.notes.push("animated, first picture taken");
    return { ...facts, width: three(24), height: three(27) };
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { ...facts, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  return { ...facts, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

function bmp(view) {
  const size = { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  return { type: "image/bmp", ...size, notes: [] };
}

function heif(view, bytes) {
  const brand = String.fromCharCode(...bytes.subarray(8, 12)), facts = { notes: [], width: 0, height: 0 };
  facts.type = brand.startsWith("avi") ? "image/avif" : "image/heic";
  if (brand === "avis") facts.notes.push("animated, first picture taken");
  for (let at = 12; at < Math.min(bytes.length - 16, 65536); at++) {
    if (view.getUint32(at) !== 0x69737065) continue;  // ispe: the size of a picture or of a tile, the largest counts
    const width = view.getUint32(at + 8), height = view.getUint32(at + 12);
    if (width * height > facts.width * facts.height) Object.assign(facts, { width, height });
  }
  return facts;
}

/** Pixels of a file, and what a person should know of how they were read. */
async function decode(blob) {
  if (blob.size > MOST_BYTES) throw new Error(`the file is larger than ${MOST_BYTES / 1e6} MB`);
  const bytes = new Uint8Array(await blob.arrayBuffer()), { type, notes } = inspect(bytes);
  const wishes = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(new Blob([bytes], { type }), wishes).catch(() => {
    throw new Error(`the file is damaged, or of a kind of ${type.slice(6).toUpperCase()} that this browser does not read`);
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#000";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { picture: context.getImageData(0, 0, canvas.width, canvas.height), notes };
}
