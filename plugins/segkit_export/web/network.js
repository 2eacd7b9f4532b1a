// The network: loading it, and from a picture to probabilities and a mask.

const card = JSON.parse(document.getElementById("card").textContent);
const $ = (id) => document.getElementById(id);
const network = { session: null, ort: null, stages: null, way: "WebAssembly", why: "" };

async function bytesOf(name) {
  const inline = $(`asset-${name}`);
  if (!inline) {
    const answer = await fetch(`./${name}`);
    if (!answer.ok) throw new Error(`${name} is missing (${answer.status})`);
    return new Uint8Array(await answer.arrayBuffer());
  }
  const text = atob(inline.textContent.trim());
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

async function unzipped(name) {
  const stream = new Blob([await bytesOf(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function start() {
  const script = new Blob([await bytesOf("ort.mjs")], { type: "text/javascript" });
  network.ort = await import(URL.createObjectURL(script));
  network.ort.env.wasm.numThreads = 1;
  network.ort.env.wasm.wasmBinary = await unzipped("ort.wasm.gz");
  const model = await bytesOf("model.onnx");
  network.session = await sessionOf(model);
  await chooseWay(model);
}

function sessionOf(model) {
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
  return network.ort.InferenceSession.create(model, options);
}

/** Probabilities on the network's grid, one plane for a binary network, and where the picture lies on it. */
async function infer(picture) {
  const shape = geometry([picture.height, picture.width], card.size, card.resize);
  const input = new network.ort.Tensor("uint8", fit(picture.data, shape), [1, ...card.size, 3]);
  const { logits } = await run({ image: input });
  const [, channels, height, width] = logits.dims, length = height * width;
  const planes = [];
  for (let k = 0; k < channels; k++) planes.push(logits.data.slice(k * length, (k + 1) * length));
  channels === 1 ? sigmoid(planes[0]) : softmax(planes, length);
  return { planes, shape };
}

function sigmoid(plane) {
  for (let i = 0; i < plane.length; i++) plane[i] = 1 / (1 + Math.exp(-plane[i]));
}

function softmax(planes, length) {
  for (let i = 0; i < length; i++) {
    const highest = Math.max(...planes.map((plane) => plane[i]));
    let sum = 0;
    for (const plane of planes) sum += plane[i] = Math.exp(plane[i] - highest);
    for (const plane of planes) plane[i] /= sum;
  }
}

/** Class indices: above the threshold, or the likeliest class. */
function maskOf(planes, threshold) {
  const mask = new Uint8Array(planes[0].length);
  for (let i = 0; i < mask.length; i++) {
    if (planes.length === 1) { mask[i] = planes[0][i] > threshold ? 1 : 0; continue; }
    for (let k = 1; k < planes.length; k++) if (planes[k][i] > planes[mask[i]][i]) mask[i] = k;
  }
  return mask;
}

/** The mask at the picture's own size. */
function fullMask({ planes, shape }, threshold) {
  return maskOf(planes.map((plane) => unfit(plane, shape)), threshold);
}

/** The certified band per class, where the network has a certificate and keeps to its threshold. */
function bands({ planes, shape }, threshold) {
  if (!card.certificate || threshold !== card.threshold) return [];
  return bandsOf(maskOf(planes, threshold), shape, card.certificate, card.classes);
}

/** A file to everything that the page knows of it. Decoding does not count in `ms`. */
async function segment(blob, threshold = card.threshold) {
  const { picture, notes } = await decode(blob), begun = performance.now();
  const found = await infer(picture), mask = fullMask(found, threshold);
  return { picture, notes, ...found, mask, ms: performance.now() - begun };
}
