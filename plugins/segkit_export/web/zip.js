// A zip archive of files as they are (PNG is packed already), and the checksum that PNG shares with it.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** [[name, bytes], …] -> a Blob. Names are UTF-8; no file is compressed again. */
function zip(files) {
  const parts = [], directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const label = new TextEncoder().encode(name), facts = [crc32(bytes), bytes.length, bytes.length];
    const local = record(0x04034b50, [20, 0x800, 0, 0, 0x21], facts, [label.length, 0]);
    directory.push(record(0x02014b50, [20, 20, 0x800, 0, 0, 0x21], facts, [label.length, 0, 0, 0, 0], [0, offset]), label);
    parts.push(local, label, bytes);
    offset += local.length + label.length + bytes.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0), count = directory.length / 2;
  const end = record(0x06054b50, [0, 0, count, count], [length, offset], [0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** A signature, then runs of 16-bit and 32-bit numbers in turns. */
function record(signature, ...runs) {
  const size = runs.reduce((sum, run, i) => sum + run.length * (i % 2 ? 4 : 2), 4), view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  let at = 4;
  runs.forEach((run, i) => run.forEach((value) => {
    i % 2 ? view.setUint32(at, value, true) : view.setUint16(at, value, true);
    at += i % 2 ? 4 : 2;
  }));
  return new Uint8Array(view.buffer);
}
