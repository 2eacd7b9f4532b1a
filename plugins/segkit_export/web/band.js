// The margins of `segkit certify`: how far the outline can be off, as `segkit predict` draws it.

const FAR = 1e6;  // stands for an infinite distance where planes are resized

/** Squared distance of each pixel to the nearest one that is `value`, exactly; Infinity if there is none. */
function squares(hit, value, height, width) {
  const down = new Float64Array(height * width);
  for (let x = 0; x < width; x++) {
    let gap = Infinity;
    for (let y = 0; y < height; y++) down[y * width + x] = gap = hit[y * width + x] === value ? 0 : gap + 1;
    for (let y = height - 1, up = Infinity; y >= 0; y--) {
      up = hit[y * width + x] === value ? 0 : up + 1;
      down[y * width + x] = Math.min(down[y * width + x], up) ** 2;
    }
  }
  for (let y = 0; y < height; y++) down.set(lowest(down.subarray(y * width, (y + 1) * width)), y * width);
  return down;
}

/** min over j of row[j] + (i - j)², from the parabolas that are lowest somewhere. */
function lowest(row) {
  const where = [], from = [], result = new Float64Array(row.length).fill(Infinity);
  for (let j = 0; j < row.length; j++) {
    if (row[j] === Infinity) continue;
    let begin = -Infinity;
    while (where.length) {
      const k = where[where.length - 1];
      begin = (row[j] + j * j - row[k] - k * k) / (2 * (j - k));
      if (begin > from[from.length - 1]) break;
      where.pop(), from.pop();
      begin = -Infinity;
    }
    where.push(j), from.push(begin);
  }
  for (let i = 0, at = 0; where.length && i < row.length; i++) {
    while (at + 1 < where.length && from[at + 1] <= i) at++;
    result[i] = row[where[at]] + (i - where[at]) ** 2;
  }
  return result;
}

/** Outside, the distance to the nearest foreground; inside, minus the depth. */
function signedDistance(hit, height, width) {
  const outside = squares(hit, 1, height, width), inside = squares(hit, 0, height, width);
  return Float32Array.from(outside, (value, i) => {
    const distance = Math.sqrt(value) - Math.sqrt(inside[i]);
    return Math.max(-FAR, Math.min(FAR, distance));
  });
}

/** {outer, inner} in pixels of the network's grid: the size group's where it was calibrated. */
function radii(certificate, name, share) {
  const { names, edges } = certificate.groups;
  const group = names.length ? names[edges.filter((edge) => edge < share).length] : "all";
  const rows = certificate.margins.filter((row) => row.class === name);
  const own = rows.find((row) => row.group === group && row.enough) ?? rows.find((row) => row.group === "all");
  const value = (side) => own[side].per_picture ?? Infinity;
  return { outer: value("outer"), inner: value("inner") };
}

/** Per class {name, inner, predicted, outer} at the picture's own size; `mask` is on the network's grid. */
function bandsOf(mask, shape, certificate, classes) {
  const [high, wide] = shape.content, width = shape.size[1];
  return classes.slice(1).map((name, index) => {
    const hit = new Uint8Array(high * wide), grid = new Float32Array(mask.length).fill(FAR);
    for (let i = 0; i < hit.length; i++) {
      const value = mask[Math.floor(i / wide) * width + i % wide];
      hit[i] = classes.length > 2 ? value === index + 1 : value !== 0;
    }
    const share = hit.reduce((sum, value) => sum + value, 0) / hit.length, { outer, inner } = radii(certificate, name, share);
    const distance = signedDistance(hit, high, wide);
    for (let y = 0; y < high; y++) grid.set(distance.subarray(y * wide, (y + 1) * wide), y * width);
    const full = unfit(grid, shape);
    const part = (fits) => Uint8Array.from(full, (value) => (fits(value) ? 1 : 0));
    return { name, inner: part((d) => d < -inner), predicted: part((d) => d <= 0), outer: part((d) => d <= outer) };
  });
}
