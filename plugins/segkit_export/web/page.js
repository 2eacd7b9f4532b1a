// The page: a queue of files, one of them shown, results to save.

const state = { entries: [], shown: null, picture: null, mask: null, busy: false, threshold: card.threshold };
const seconds = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`);
const pause = () => new Promise((done) => setTimeout(done, 30));

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

// ---- the queue ----------------------------------------------------------------------------------

function add(files) {
  const fresh = [...files].map((file) => ({ file, name: file.name || "picture", state: "waiting", text: "waiting" }));
  if (!fresh.length) return;
  fresh[0].show = true;
  state.entries.push(...fresh);
  for (const entry of fresh) $("list").append(rowOf(entry));
  $("drop").hidden = true;
  $("batch").hidden = false;
  work();
}

function rowOf(entry) {
  entry.row = document.createElement("li");
  const name = document.createElement("button"), text = document.createElement("span");
  name.type = "button";
  name.textContent = entry.name;
  name.addEventListener("click", () => (entry.state === "done" ? show(entry) : say(`${entry.name}: ${entry.text}`, true)));
  entry.row.append(name, text);
  mark(entry);
  return entry.row;
}

function mark(entry) {
  entry.row.className = entry.state;
  entry.row.lastChild.textContent = entry.text;
  entry.row.toggleAttribute("aria-current", entry === state.shown);
}

/** One file after the other; a file that cannot be read stops none of the others. */
async function work() {
  if (state.busy) return;
  state.busy = true;
  try {
    await window.segkit.ready;
    for (let entry; (entry = state.entries.find((item) => item.state === "waiting")); ) await workOn(entry);
  } finally {
    state.busy = false;
    summarise();
  }
}

async function workOn(entry) {
  say(`Working on ${entry.name} …`);
  await pause();
  try {
    const found = await segment(entry.file, state.threshold);
    keep(entry, found);
    say("");
    if (entry.show || !state.shown) present(entry, found.picture, found.mask);
  } catch (error) {
    Object.assign(entry, { state: "failed", text: error.message });
    say(`${entry.name} cannot be segmented: ${error.message}`, true);
  }
  mark(entry);
}

/** What stays of a file: its probabilities on the network's small grid, never its pixels. */
function keep(entry, { picture, planes, shape, mask, ms, notes }) {
  Object.assign(entry, { planes, shape, ms, notes, width: picture.width, height: picture.height, state: "done" });
  measure(entry, mask);
}

function measure(entry, mask) {
  entry.areas = areasOf(mask);
  const share = 100 * (1 - entry.areas[0] / mask.length);
  entry.text = [`${share.toFixed(1)} %`, seconds(entry.ms), ...entry.notes].join(" · ");
}

function summarise() {
  const done = state.entries.filter((entry) => entry.state === "done"), failed = state.entries.filter((entry) => entry.state === "failed");
  const mean = done.reduce((sum, entry) => sum + entry.ms, 0) / done.length;
  const parts = [`${done.length} of ${state.entries.length} segmented`];
  if (done.length > 1) parts.push(`${seconds(mean)} each`);
  if (failed.length) parts.push(`${failed.length} not read`);
  $("summary").textContent = parts.join(", ");
  $("save-all").hidden = !done.length;
}

// ---- showing one --------------------------------------------------------------------------------

async function show(entry) {
  try {
    const { picture } = await decode(entry.file);
    present(entry, picture, fullMask(entry, state.threshold));
  } catch (error) {
    say(`${entry.name} cannot be read any more: ${error.message}`, true);
  }
}

function present(entry, picture, mask) {
  const before = state.shown;
  Object.assign(state, { shown: entry, picture, mask });
  if (before) mark(before);
  mark(entry);
  $("view").hidden = $("result").hidden = false;
  $("picture").textContent = `${picture.width} × ${picture.height}`;
  $("time").textContent = seconds(entry.ms);
  $("way").textContent = network.way;
  $("way").title = network.why;
  draw();
}

function draw() {
  const found = bands(state.shown, state.threshold);
  drawInto($("view"), state.picture, state.mask, $("band").checked ? found : [], $("fill").value / 100);
  tabulate(state.mask, found);
  $("band-row").hidden = !card.certificate;
  $("promise").textContent = !card.certificate ? "" : found.length ? card.certificate.promise
    : `The margins are certified at the threshold ${card.threshold.toFixed(2)} only.`;
}

function tabulate(mask, found) {
  const counts = areasOf(mask), count = (part) => part.reduce((sum, value) => sum + value, 0).toLocaleString("en");
  $("areas").tBodies[0].replaceChildren(...card.classes.slice(1).map((name, index) => {
    const row = document.createElement("tr"), share = 100 * counts[index + 1] / mask.length, band = found[index];
    const texts = [name, counts[index + 1].toLocaleString("en"), `${share.toFixed(2)} %`];
    for (const text of texts) row.insertCell().textContent = text;
    if (band) row.title = `between ${count(band.inner)} and ${count(band.outer)} pixels by the certified margins`;
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colourOf(index + 1)})`;
    row.cells[0].prepend(swatch);
    return row;
  }));
}

function setThreshold(event) {
  state.threshold = event.target.value / 100;
  $("threshold-value").textContent = state.threshold.toFixed(2);
  state.mask = fullMask(state.shown, state.threshold);
  draw();
}

/** The other rows follow when the slider is let go. */
async function measureAll() {
  const threshold = state.threshold;
  for (const entry of state.entries.filter((item) => item.state === "done")) {
    if (threshold !== state.threshold) return;
    measure(entry, fullMask(entry, threshold));
    mark(entry);
    await pause();
  }
}

// ---- saving -------------------------------------------------------------------------------------

const stemOf = (name) => name.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\x00-\x1f]/g, "_") || "picture";

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function saveMask() {
  const { picture, mask, shown } = state;
  save(new Blob([await maskFile(mask, picture.width, picture.height)], { type: "image/png" }), `${stemOf(shown.name)}.png`);
}

/** masks/NAME.png of every picture and a table of areas, at the threshold that is set. */
async function archive() {
  const taken = new Set(), files = [], rows = [["file", "mask", "width", "height", ...card.classes.slice(1), "ms"]];
  for (const entry of state.entries.filter((item) => item.state === "done")) {
    const mask = fullMask(entry, state.threshold), name = `masks/${free(stemOf(entry.name), taken)}.png`;
    files.push([name, await maskFile(mask, entry.width, entry.height)]);
    rows.push([entry.name, name, entry.width, entry.height, ...areasOf(mask).slice(1), Math.round(entry.ms)]);
  }
  const table = rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  return zip([...files, ["areas.csv", new TextEncoder().encode(table)]]);
}

function free(stem, taken) {
  let name = stem;
  for (let k = 2; taken.has(name.toLowerCase()); k++) name = `${stem}-${k}`;
  taken.add(name.toLowerCase());
  return name;
}

function quoted(value) {
  const text = String(value).replace(/^[=+@\t-]/, "'$&");  // no spreadsheet takes a file's name for a formula
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

// ---- wiring -------------------------------------------------------------------------------------

$("threshold-row").hidden = card.config.num_classes > 1;  // the likeliest class needs none
$("threshold").value = Math.round(100 * card.threshold);
$("threshold-value").textContent = card.threshold.toFixed(2);
for (const id of ["file", "capture"]) {
  $(id).addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
}
$("another").addEventListener("click", () => $("file").click());
for (const id of ["photo", "photo-again"]) $(id).addEventListener("click", openCamera);
$("shutter").addEventListener("click", takePicture);
$("no-camera").addEventListener("click", closeCamera);
$("save").addEventListener("click", saveMask);
$("save-all").addEventListener("click", async () => save(await archive(), "masks.zip"));
for (const id of ["fill", "band"]) $(id).addEventListener("input", draw);
$("threshold").addEventListener("input", setThreshold);
$("threshold").addEventListener("change", measureAll);
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); $("stage").classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => $("stage").classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); add(event.dataTransfer.files); });
document.addEventListener("paste", (event) => add(event.clipboardData.files));

/** Begin again with no pictures. */
function forget() {
  Object.assign(state, { entries: [], shown: null });
  $("list").replaceChildren();
}

/** For scripts and tests: `await segkit.ready; await segkit.segment(blob)`. */
window.segkit = { card, segment, bands, archive, add, forget, resize: { geometry, fit, unfit }, network, gpu, scan, ready: start() };
window.segkit.ready.then(() => say("Ready."), (error) => say(`The network could not be loaded: ${error.message}`, true));
