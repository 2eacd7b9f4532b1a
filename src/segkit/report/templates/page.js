"use strict";
// Sorting: the header's button turns the direction; figures sort by data-v, text by itself.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const numeric = head.classList.contains("n");
    const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numeric;
    const value = (row) => {
      const cell = row.children[column], raw = cell.dataset.v ?? cell.textContent.trim();
      return numeric ? (raw === "" ? NaN : Number(raw)) : raw.toLowerCase();
    };
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (numeric && (Number.isNaN(x) || Number.isNaN(y))) return Number.isNaN(x) - Number.isNaN(y);
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    };
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...[...body.rows].sort(order));
  });
}
// Filter: rows that do not hold the words are hidden.
for (const input of document.querySelectorAll("input[data-filter]")) {
  const rows = () => document.getElementById(input.dataset.filter).tBodies[0].rows;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows()) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
}
// Enlarging: a dialog, closed by Escape; the arrow keys go through the pictures.
const dialog = document.getElementById("large");
const zooms = [...document.querySelectorAll(".zoom")];
let shown = 0;
const show = (index) => {
  shown = (index + zooms.length) % zooms.length;
  const small = zooms[shown].querySelector("img");
  dialog.querySelector("img").src = small.src;
  dialog.querySelector("img").alt = small.alt;
  dialog.querySelector("p").textContent = small.alt;
  if (!dialog.open) dialog.showModal();
};
zooms.forEach((zoom, index) => zoom.addEventListener("click", () => show(index)));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") show(shown + 1);
  if (event.key === "ArrowLeft") show(shown - 1);
});
dialog.querySelector("[data-step='-1']").addEventListener("click", () => show(shown - 1));
dialog.querySelector("[data-step='1']").addEventListener("click", () => show(shown + 1));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
// Hovering over a mark of a chart tells its value.
const tip = document.getElementById("tip");
const place = (event) => {
  const mark = event.target.closest?.(".dots, .bar, .hist");
  tip.hidden = !mark;
  if (!mark) return;
  const text = (name) => mark.querySelector(`desc.${name}`)?.textContent ?? "";
  const names = JSON.parse(mark.closest(".chart").dataset.series || "[]");
  const number = [...(mark.closest("[class*='serie-']")?.classList ?? [])].find((c) => /^serie-\d+$/.test(c));
  const name = number && names[Number(number.slice(6))];
  tip.textContent = [name, text("x_label"), text("value")].filter(Boolean).join(" · ");
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
};
for (const chart of document.querySelectorAll(".chart")) {
  chart.addEventListener("mousemove", place);
  chart.addEventListener("mouseleave", () => { tip.hidden = true; });
}
// Light and dark: the system's choice until the button is pressed.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
