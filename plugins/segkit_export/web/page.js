const card = JSON.parse(document.getElementById("card").textContent);
const COLOURS = [[0, 0, 0], [255, 176, 0], [60, 200, 255], [255, 80, 140], [120, 230, 90], [190, 130, 255]];
const $ = (id) => document.getElementById(id);
const state = { session: null, ort: null, picture: null, probabilities: null, threshold: card.threshold };

// ---- loading ------------------------------------------------------------------------------------

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
  state.ort = await import(URL.createObjectURL(script));
  state.ort.env.wasm.numThreads = 1;
  state.ort.env.wasm.wasmBinary = await unzipped("ort.wasm.gz");
  state.session = await state.ort.InferenceSession.create(await bytesOf("model.onnx"),
    { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  say("Ready.");
}

// ---- from a picture to a mask -------------------------------------------------------------------

async function decode(blob) {
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#000";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** Probabilities per class at the picture's own size: one plane for a binary network. */
async function infer(picture) {
  const shape = geometry([picture.height, picture.width], card.size, card.resize);
  const input = new state.ort.Tensor("uint8", fit(picture.data, shape), [1, ...card.size, 3]);
  const { logits } = await state.session.run({ image: input });
  const [, channels, height, width] = logits.dims, length = height * width;
  const planes = [];
  for (let k = 0; k < channels; k++) planes.push(logits.data.slice(k * length, (k + 1) * length));
  channels === 1 ? sigmoid(planes[0]) : softmax(planes, length);
  return planes.map((plane) => unfit(plane, shape));
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

async function segment(blob) {
  const picture = await decode(blob), begun = performance.now();
  const probabilities = await infer(picture);
  return { picture, probabilities, mask: maskOf(probabilities, card.threshold), ms: performance.now() - begun };
}

// ---- showing it ---------------------------------------------------------------------------------

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

async function open(blob) {
  if (!state.session || !blob) return;
  say("Working …");
  await new Promise((done) => setTimeout(done, 30));
  try {
    Object.assign(state, await segment(blob));
    state.mask = maskOf(state.probabilities, state.threshold);
  } catch (error) {
    say(`This file cannot be segmented: ${error.message}`, true);
    return;
  }
  $("drop").hidden = true;
  $("view").hidden = $("result").hidden = false;
  $("picture").textContent = `${state.picture.width} × ${state.picture.height}`;
  $("time").textContent = state.ms < 1000 ? `${state.ms.toFixed(0)} ms` : `${(state.ms / 1000).toFixed(1)} s`;
  say("");
  draw();
}

function draw() {
  const { picture, mask } = state, { width, height } = picture;
  const canvas = $("view"), context = canvas.getContext("2d");
  canvas.width = width;
  canvas.height = height;
  const shown = new ImageData(new Uint8ClampedArray(picture.data), width, height);
  paint(shown.data, mask, width, height, $("fill").value / 100, Math.max(1, Math.round(Math.max(width, height) / 500)));
  context.putImageData(shown, 0, 0);
  tabulate(mask);
}

function paint(pixels, mask, width, height, fill, thick) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!mask[i]) continue;
      const border = onBorder(mask, x, y, width, height, thick), share = border ? 1 : fill;
      const colour = COLOURS[(mask[i] - 1) % (COLOURS.length - 1) + 1];
      for (let c = 0; c < 3; c++) pixels[4 * i + c] += share * (colour[c] - pixels[4 * i + c]);
    }
  }
}

function onBorder(mask, x, y, width, height, thick) {
  const here = mask[y * width + x];
  for (const [dx, dy] of [[thick, 0], [-thick, 0], [0, thick], [0, -thick]]) {
    const u = x + dx, v = y + dy;
    if (u < 0 || v < 0 || u >= width || v >= height || mask[v * width + u] !== here) return true;
  }
  return false;
}

function tabulate(mask) {
  const counts = new Array(card.classes.length).fill(0);
  for (const value of mask) counts[value]++;
  const body = $("areas").tBodies[0];
  body.replaceChildren(...card.classes.slice(1).map((name, index) => {
    const row = document.createElement("tr"), colour = COLOURS[index % (COLOURS.length - 1) + 1];
    const share = 100 * counts[index + 1] / mask.length;
    for (const text of [name, counts[index + 1].toLocaleString("en"), `${share.toFixed(2)} %`]) {
      row.insertCell().textContent = text;
    }
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colour})`;
    row.cells[0].prepend(swatch);
    return row;
  }));
}

function saveMask() {
  const { picture, mask } = state, step = card.classes.length === 2 ? 255 : 1;
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const image = new ImageData(picture.width, picture.height);
  for (let i = 0; i < mask.length; i++) image.data.set([step * mask[i], step * mask[i], step * mask[i], 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.convertToBlob({ type: "image/png" }).then((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "mask.png";
    link.click();
  });
}

// ---- wiring -------------------------------------------------------------------------------------

const stage = $("stage");
$("threshold-row").hidden = card.config.num_classes > 1;  // the likeliest class needs none
$("threshold").value = Math.round(100 * card.threshold);
$("threshold-value").textContent = card.threshold.toFixed(2);
$("file").addEventListener("change", (event) => open(event.target.files[0]));
$("another").addEventListener("click", () => $("file").click());
$("save").addEventListener("click", saveMask);
$("fill").addEventListener("input", draw);
$("threshold").addEventListener("input", (event) => {
  state.threshold = event.target.value / 100;
  $("threshold-value").textContent = state.threshold.toFixed(2);
  state.mask = maskOf(state.probabilities, state.threshold);
  draw();
});
for (const name of ["dragenter", "dragover"]) {
  stage.addEventListener(name, (event) => { event.preventDefault(); stage.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) stage.addEventListener(name, () => stage.classList.remove("over"));
stage.addEventListener("drop", (event) => { event.preventDefault(); open(event.dataTransfer.files[0]); });

/** For scripts and tests: `await segkit.ready; await segkit.segment(blob)`. */
window.segkit = { card, segment, resize: { geometry, fit, unfit }, ready: start() };
window.segkit.ready.catch((error) => say(`The network could not be loaded: ${error.message}`, true));
