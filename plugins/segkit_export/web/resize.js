// Resizing as segkit does it (OpenCV's rules), so that the page sees what `segkit predict` sees.
// Planes are Float32Array, row by row; sizes are [height, width].

/** How a picture is brought to the network's size: `content` is the part of `size` that it fills. */
function geometry(original, size, rule) {
  if (rule === "stretch") return { original, size, content: size, rule };
  const [h, w] = original, [high, wide] = size;
  const content = h * wide >= w * high
    ? [high, Math.max(1, Math.floor(w * high / h))]
    : [Math.max(1, Math.floor(h * wide / w)), wide];
  return { original, size, content, rule };
}

function shrinks(from, to) { return to[0] <= from[0] && to[1] <= from[1]; }

/** Area average: what each output pixel covers, with the weights of partly covered pixels. */
function areaWeights(from, to) {
  const scale = from / to, table = [];
  for (let i = 0; i < to; i++) {
    const begin = i * scale, end = Math.min(from, begin + scale), taps = [];
    for (let j = Math.floor(begin); j < end - 1e-9; j++) {
      taps.push([j, Math.min(end, j + 1) - Math.max(begin, j)]);
    }
    const sum = taps.reduce((total, tap) => total + tap[1], 0);
    table.push(taps.map(([j, weight]) => [j, weight / sum]));
  }
  return table;
}

/** Two neighbours; `area` is OpenCV's area rule where it enlarges. */
function linearWeights(from, to, area) {
  const scale = from / to, table = [];
  for (let i = 0; i < to; i++) {
    let position = (i + 0.5) * scale - 0.5, first = Math.floor(position), share = position - first;
    if (area) {
      first = Math.floor(i * scale);
      share = i + 1 - (first + 1) * (to / from);
      share = share <= 0 ? 0 : share - Math.floor(share);
    }
    if (first < 0) { first = 0; share = 0; }
    if (first >= from - 1) { first = from - 1; share = 0; }
    table.push(share > 0 ? [[first, 1 - share], [first + 1, share]] : [[first, 1]]);
  }
  return table;
}

/** One plane to another size; `how` is "area", "linear" or "nearest". */
function resize(plane, from, to, how) {
  if (from[0] === to[0] && from[1] === to[1]) return plane;
  const weights = shrinks(from, to) && how === "area"
    ? areaWeights : (a, b) => linearWeights(a, b, how === "area");
  const columns = weights(from[1], to[1]), rows = weights(from[0], to[0]);
  const middle = new Float32Array(from[0] * to[1]);
  for (let y = 0; y < from[0]; y++) {
    for (let x = 0; x < to[1]; x++) {
      let sum = 0;
      for (const [j, weight] of columns[x]) sum += plane[y * from[1] + j] * weight;
      middle[y * to[1] + x] = sum;
    }
  }
  const result = new Float32Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    for (const [j, weight] of rows[y]) {
      for (let x = 0; x < to[1]; x++) result[y * to[1] + x] += middle[j * to[1] + x] * weight;
    }
  }
  return result;
}

/** Round half to even, as OpenCV does. */
function round(value) {
  const low = Math.floor(value), rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

/** RGBA bytes of a picture -> RGB bytes (H, W, 3) at network size, padded right and below. */
function fit(rgba, shape) {
  const { original, size, content, rule } = shape;
  const how = rule === "letterbox" || shrinks(original, content) ? "area" : "linear";
  const result = new Uint8Array(size[0] * size[1] * 3);
  for (let channel = 0; channel < 3; channel++) {
    const plane = new Float32Array(original[0] * original[1]);
    for (let i = 0; i < plane.length; i++) plane[i] = rgba[4 * i + channel];
    const scaled = resize(plane, original, content, how);
    for (let y = 0; y < content[0]; y++) {
      for (let x = 0; x < content[1]; x++) {
        const value = round(scaled[y * content[1] + x]);
        result[(y * size[1] + x) * 3 + channel] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return result;
}

/** A plane at network size -> the picture's own size. */
function unfit(plane, shape) {
  const { original, size, content } = shape;
  const cut = new Float32Array(content[0] * content[1]);
  for (let y = 0; y < content[0]; y++) {
    cut.set(plane.subarray(y * size[1], y * size[1] + content[1]), y * content[1]);
  }
  const smaller = original[0] < content[0] && original[1] < content[1];
  return resize(cut, content, original, smaller ? "area" : "linear");
}
