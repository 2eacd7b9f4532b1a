"use strict";
const $ = (id) => document.getElementById(id);
const RIGHT = [86, 180, 233], EXTRA = [230, 159, 0], MISSED = [204, 51, 143];
let listing = null, shown = [], chosen = -1, loaded = null, ticket = 0;

// The list: filtered by name and score, ordered, one case chosen.
const fill = () => {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const low = Number($("low").value), high = Number($("high").value), order = $("order").value;
  $("low-value").textContent = low.toFixed(2);
  $("high-value").textContent = high.toFixed(2);
  shown = listing.cases.map((one, place) => ({ ...one, place })).filter((one) =>
    one.dice >= low && one.dice <= high && words.every((word) => `${one.id} ${one.cls}`.toLowerCase().includes(word)));
  if (order === "id") shown.sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
  else if (order === "doubt") shown.sort((a, b) => (b.expected_dice ?? 0) - b.dice - ((a.expected_dice ?? 0) - a.dice));
  else shown.sort((a, b) => (order === "up" ? 1 : -1) * (a.dice - b.dice));
  $("cases").replaceChildren(...shown.map((one, row) => {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.id = `case-${one.place}`;
    const name = document.createElement("span"), score = document.createElement("span");
    name.textContent = one.id;
    score.textContent = one.dice.toFixed(3);
    item.append(name, score);
    item.addEventListener("click", () => choose(row));
    return item;
  }));
  $("count").textContent = `${shown.length} of ${listing.cases.length} cases`;
  const row = shown.findIndex((one) => one.place === chosen);
  if (shown.length) choose(row >= 0 ? row : 0);
};

const picture = async (kind, place) => {
  const image = new Image();
  image.src = `${kind}/${place}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
};

const choose = async (row) => {
  const one = shown[row], mine = ++ticket;
  for (const item of $("cases").querySelectorAll("[aria-selected]")) item.removeAttribute("aria-selected");
  const item = $(`case-${one.place}`);
  item.setAttribute("aria-selected", "true");
  item.scrollIntoView({ block: "nearest" });
  $("cases").setAttribute("aria-activedescendant", item.id);
  if (chosen === one.place && loaded) return;
  chosen = one.place;
  $("message").textContent = "loading …";
  try {
    const [image, truth, chance] = await Promise.all(["picture", "truth", "probability"].map((kind) => picture(kind, one.place)));
    const band = listing.margins ? await picture("band", one.place) : null;
    if (mine !== ticket) return;
    loaded = { one, image, truth, chance, band };
    $("message").textContent = "";
    draw();
    if (listing.maps) await maps(one.place, mine);
  } catch (error) {
    if (mine === ticket) $("message").textContent = `${one.id} cannot be shown: ${error.message}`;
  }
};

const maps = async (place, mine) => {
  const found = await (await fetch(`maps/${place}`)).json();
  if (mine !== ticket) return;
  $("maps").replaceChildren(...Object.entries(found).map(([title, uri]) => {
    const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
    image.src = uri;
    image.alt = caption.textContent = title;
    figure.append(image, caption);
    return figure;
  }));
};

// Every pixel anew: the threshold recolours in place, nothing is asked of the server.
const draw = () => {
  if (!loaded) return;
  const { one, image, truth, chance, band } = loaded;
  const width = image.width, height = image.height, count = width * height;
  const level = Number($("threshold").value) * 65535, border = Number($("wipe").value) * width, mode = $("mode").value;
  const out = new ImageData(width, height);
  let tp = 0, fp = 0, fn = 0;
  for (let i = 0, p = 0; i < count; i++, p += 4) {
    const value = chance.data[p] * 256 + chance.data[p + 1];
    const has = truth.data[p] > 0, says = value > level;
    if (has && says) tp++; else if (says) fp++; else if (has) fn++;
    const x = i % width;
    let colour = null, strength = 0.45;
    if (mode === "wipe") { if (x < border ? has : says) colour = x < border ? RIGHT : EXTRA; }
    else if (mode === "errors") {
      if (has && says) colour = RIGHT;
      else if (says) { colour = EXTRA; strength = 0.7; }
      else if (has) { colour = MISSED; strength = (x + Math.floor(i / width)) % 6 < 3 ? 0.9 : 0.4; }
    } else if (mode === "probability") { const v = value / 65535; colour = [255 * v, 220 * v * v + 40 * v, 90 + 60 * v]; strength = 0.75; }
    else if (mode === "margins" && band) {
      // outlines of truth (blue), core and outer margin (orange); the band between them is tinted
      const level = band.data[p], next = (q) => (q >= 0 && q < 4 * count ? q : p);
      const edge = (read) => [p + 4, p + 4 * width].some((q) => read(next(q)) !== read(p));
      if (edge((q) => truth.data[q] > 0)) { colour = RIGHT; strength = 1; }
      else if (edge((q) => band.data[q] > 200) || edge((q) => band.data[q] > 40)) { colour = EXTRA; strength = 0.9; }
      else if (level > 40 && level < 200) { colour = EXTRA; strength = 0.25; }
    }
    for (let c = 0; c < 3; c++) out.data[p + c] = colour ? image.data[p + c] * (1 - strength) + colour[c] * strength : image.data[p + c];
    if (mode === "wipe" && Math.abs(x - border) < 0.6) out.data[p] = out.data[p + 1] = out.data[p + 2] = 255;
    out.data[p + 3] = 255;
  }
  const canvas = $("canvas");
  canvas.width = width; canvas.height = height;
  canvas.getContext("2d").putImageData(out, 0, 0);
  const total = 2 * tp + fp + fn, dice = total ? (2 * tp) / total : 1;
  canvas.setAttribute("aria-label", `${one.id}: Dice ${dice.toFixed(3)} at threshold ${Number($("threshold").value).toFixed(2)}`);
  $("threshold-value").textContent = Number($("threshold").value).toFixed(2);
  $("wipe-label").hidden = mode !== "wipe";
  $("legend").hidden = mode !== "errors";
  $("promise").hidden = mode !== "margins";
  const figure = (value, digits) => (value === null ? "–" : value.toFixed(digits));
  const rows = { case: one.id, fold: one.fold, "Dice now": dice.toFixed(4), "Dice scored": figure(one.dice, 4), "IoU scored": figure(one.iou, 4), "HD95, px": figure(one.hd95, 1), "missed, px": fn, "too much, px": fp };
  if (one.cls) rows.kind = one.cls;
  $("facts").replaceChildren(...Object.entries(rows).map(([name, value]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name; text.textContent = value;
    row.append(term, text);
    return row;
  }));
};

const step = (by) => {
  if (!shown.length) return;
  const row = shown.findIndex((one) => one.place === chosen);
  choose((row + by + shown.length) % shown.length);
};
const nudge = (by) => { const slider = $("threshold"); slider.value = Number(slider.value) + by; draw(); };
document.addEventListener("keydown", (event) => {
  const field = event.target.matches("input, select");
  if (event.ctrlKey || event.metaKey || event.altKey || (field && event.target.type !== "range")) return;
  const arrows = !field;
  const keys = { n: () => step(1), p: () => step(-1), m: () => { const mode = $("mode"); do mode.selectedIndex = (mode.selectedIndex + 1) % mode.length; while (mode.selectedOptions[0].disabled); draw(); },
    "+": () => nudge(0.01), "-": () => nudge(-0.01), ...(arrows && { ArrowRight: () => step(1), ArrowDown: () => step(1), ArrowLeft: () => step(-1), ArrowUp: () => step(-1) }) };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
for (const id of ["search", "low", "high"]) $(id).addEventListener("input", fill);
for (const id of ["wipe", "threshold"]) $(id).addEventListener("input", draw);
$("order").addEventListener("change", fill);
$("mode").addEventListener("change", draw);
$("next").addEventListener("click", () => step(1));
$("previous").addEventListener("click", () => step(-1));
$("reset").addEventListener("click", () => { $("threshold").value = listing.threshold; draw(); });
fetch("cases.json").then((answer) => answer.json()).then((found) => {
  listing = found;
  document.title = $("title").textContent = found.title;
  $("notice").hidden = found.selection !== "test";
  $("threshold").value = found.threshold;
  $("margins").hidden = $("margins").disabled = !found.margins;
  $("promise").textContent = `${found.margins} Blue: the truth. Orange: core, outer margin, and the band between them.`;
  fill();
});
