// Mask, outline and certified band over a picture.

const COLOURS = [[0, 0, 0], [255, 176, 0], [60, 200, 255], [255, 80, 140], [120, 230, 90], [190, 130, 255]];
const colourOf = (value) => COLOURS[(value - 1) % (COLOURS.length - 1) + 1];

/** The picture with everything on it, into a canvas of the picture's size. */
function drawInto(canvas, picture, mask, found, fill) {
  const { width, height } = picture, thick = Math.max(1, Math.round(Math.max(width, height) / 500));
  canvas.width = width;
  canvas.height = height;
  const shown = new ImageData(new Uint8ClampedArray(picture.data), width, height);
  paint(shown.data, mask, width, height, fill, thick);
  found.forEach((band, index) => dash(shown.data, band, colourOf(index + 1), width, height, thick));
  canvas.getContext("2d").putImageData(shown, 0, 0);
}

function paint(pixels, mask, width, height, fill, thick) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (mask[i]) mix(pixels, i, colourOf(mask[i]), onBorder(mask, x, y, width, height, thick) ? 1 : fill);
    }
  }
}

/** Both margins as thin dashed lines: dark outside, pale inside. */
function dash(pixels, band, colour, width, height, thick) {
  const step = Math.max(4, Math.ceil(Math.max(width, height) / 80));
  const shades = [[band.outer, colour.map((value) => value * 0.55)], [band.inner, colour.map((value) => 255 - (255 - value) * 0.45)]];
  for (const [part, shade] of shades) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = y * width + x;
        if (part[i] && (Math.floor(x / step) + Math.floor(y / step)) % 2 && onBorder(part, x, y, width, height, thick)) mix(pixels, i, shade, 1);
      }
    }
  }
}

function mix(pixels, i, colour, share) {
  for (let c = 0; c < 3; c++) pixels[4 * i + c] += share * (colour[c] - pixels[4 * i + c]);
}

function onBorder(mask, x, y, width, height, thick) {
  const here = mask[y * width + x];
  for (const [dx, dy] of [[thick, 0], [-thick, 0], [0, thick], [0, -thick]]) {
    const u = x + dx, v = y + dy;
    if (u < 0 || v < 0 || u >= width || v >= height || mask[v * width + u] !== here) return true;
  }
  return false;
}

/** The mask as a PNG, as `segkit predict` writes it: 0 and 255, or class indices. */
async function maskFile(mask, width, height) {
  const step = card.classes.length === 2 ? 255 : 1, canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0; i < mask.length; i++) image.data.set([step * mask[i], step * mask[i], step * mask[i], 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

/** How many pixels each class has. */
function areasOf(mask) {
  const counts = new Array(card.classes.length).fill(0);
  for (const value of mask) counts[value]++;
  return counts;
}
