// The selective scan and SS2D. A sequence of L steps is cut into chunks that advance side by side: `ends` gives the
// state at the end of each, `chain` what each receives from those before, `emit` starts from there and writes y.
// N, the number of states, and the part for one operator are put in by the page.

struct Sizes {
  batch: u32, height: u32, width: u32, channels: u32,
  rank: u32, groups: u32, steps: u32, chunks: u32,  // steps of a chunk
  soft: u32, reverse: u32, rows: u32, length: u32,  // rows: sequences that are scanned
}

@group(0) @binding(0) var<uniform> s: Sizes;
@group(0) @binding(1) var<storage, read> u_in: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;   // SS2D: w_x; else delta
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> third: array<f32>;  // SS2D: the projection; else B
@group(0) @binding(5) var<storage, read_write> state: array<f32>;  // sums of the step sizes, then states
@group(0) @binding(6) var<storage, read_write> planes: array<f32>; // SS2D: y of each direction; else y
@group(0) @binding(7) var<storage, read_write> fourth: array<f32>; // SS2D: y; else C

fn softplus(v: f32) -> f32 { return max(v, 0.0) + log(1.0 + exp(-abs(v))); }

fn index_of(gid: vec3<u32>, groups: vec3<u32>) -> u32 { return gid.x + gid.y * groups.x * 64u; }

fn ends_at(cell: u32, n: u32) -> u32 { return s.rows * s.chunks + cell * N + n; }

//== SS2D: weights are w_dt (4, D, R), bias (4, D), A (4 D, N), D (4 D); row = (sample * 4 + direction) * D + channel

fn entry() -> u32 { return s.rank + 2u * N; }

fn pixel(direction: u32, t: u32) -> u32 {
  let at = select(t, s.length - 1u - t, direction >= 2u);
  return select(at, (at % s.height) * s.width + at / s.height, direction % 2u == 1u);
}

struct Place { u: u32, projected: u32, line: u32, y: u32 }

fn place(row: u32, t: u32) -> Place {
  let channel = row % s.channels;
  let direction = row / s.channels % 4u;
  let sample = row / s.channels / 4u;
  let p = sample * s.length + pixel(direction, t);
  let plane = direction * s.batch * s.length * s.channels;
  return Place(p * s.channels + channel, (p * 4u + direction) * entry(), direction * s.channels + channel,
               plane + p * s.channels + channel);
}

fn lines() -> u32 { return 4u * s.channels; }

fn size_at(at: Place) -> f32 {
  var raw = weights[lines() * s.rank + at.line];
  for (var r = 0u; r < s.rank; r++) { raw += weights[at.line * s.rank + r] * third[at.projected + r]; }
  return softplus(raw);
}

fn decay_of(row: u32, n: u32) -> f32 { return weights[lines() * (s.rank + 1u) + row % lines() * N + n]; }
fn skip_of(row: u32) -> f32 { return weights[lines() * (s.rank + 1u + N) + row % lines()]; }
fn drive_at(at: Place, n: u32) -> f32 { return third[at.projected + s.rank + n]; }
fn read_at(at: Place, n: u32) -> f32 { return third[at.projected + s.rank + N + n]; }

@compute @workgroup_size(64)
fn project(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = index_of(gid, groups);
  let columns = 4u * entry();
  if (i >= s.batch * s.length * columns) { return; }
  var sum = 0.0;
  for (var d = 0u; d < s.channels; d++) {
    sum += u_in[i / columns * s.channels + d] * second[i % columns * s.channels + d];
  }
  third[i] = sum;
}

@compute @workgroup_size(64)
fn merge(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = index_of(gid, groups);
  let count = s.batch * s.length * s.channels;
  if (i >= count) { return; }
  fourth[i] = planes[i] + planes[count + i] + planes[2u * count + i] + planes[3u * count + i];
}

//== line: weights are A (D, N), D (D), bias (D); row = sample * D + channel

struct Place { u: u32, projected: u32, line: u32, y: u32 }

fn place(row: u32, t: u32) -> Place {
  let at = select(t, s.length - 1u - t, s.reverse == 1u);
  let channel = row % s.channels;
  let group = row / s.channels * s.groups + channel / (s.channels / s.groups);
  return Place(row * s.length + at, group * N * s.length + at, channel, row * s.length + at);
}

fn size_at(at: Place) -> f32 {
  let raw = second[at.u];
  if (s.soft == 1u) { return softplus(raw + weights[s.channels * (N + 1u) + at.line]); }
  return raw;
}

fn decay_of(row: u32, n: u32) -> f32 { return weights[row % s.channels * N + n]; }
fn skip_of(row: u32) -> f32 { return weights[s.channels * N + row % s.channels]; }
fn drive_at(at: Place, n: u32) -> f32 { return third[at.projected + n * s.length]; }
fn read_at(at: Place, n: u32) -> f32 { return fourth[at.projected + n * s.length]; }

//== scan

@compute @workgroup_size(64)
fn ends(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = index_of(gid, groups);  // chunk * rows + row
  if (i >= s.rows * s.chunks) { return; }
  let row = i % s.rows;
  let first = i / s.rows * s.steps;
  var h: array<f32, N>;
  var decay: array<f32, N>;
  for (var n = 0u; n < N; n++) { h[n] = 0.0; decay[n] = decay_of(row, n); }
  var sum = 0.0;
  for (var t = first; t < min(first + s.steps, s.length); t++) {
    let at = place(row, t);
    let dt = size_at(at);
    let x = dt * u_in[at.u];
    sum += dt;
    for (var n = 0u; n < N; n++) { h[n] = exp(decay[n] * dt) * h[n] + x * drive_at(at, n); }
  }
  state[i] = sum;
  for (var n = 0u; n < N; n++) { state[ends_at(i, n)] = h[n]; }
}

@compute @workgroup_size(64)
fn chain(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = index_of(gid, groups);
  if (i >= s.rows * N) { return; }
  let row = i / N;
  let n = i % N;
  let decay = decay_of(row, n);
  var received = 0.0;
  for (var chunk = 0u; chunk < s.chunks; chunk++) {
    let cell = chunk * s.rows + row;
    let left = state[ends_at(cell, n)];
    state[ends_at(cell, n)] = received;
    received = exp(decay * state[cell]) * received + left;
  }
}

@compute @workgroup_size(64)
fn emit(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = index_of(gid, groups);
  if (i >= s.rows * s.chunks) { return; }
  let row = i % s.rows;
  let first = i / s.rows * s.steps;
  let skip = skip_of(row);
  var h: array<f32, N>;
  var decay: array<f32, N>;
  for (var n = 0u; n < N; n++) { h[n] = state[ends_at(i, n)]; decay[n] = decay_of(row, n); }
  for (var t = first; t < min(first + s.steps, s.length); t++) {
    let at = place(row, t);
    let dt = size_at(at);
    let u = u_in[at.u];
    var y = skip * u;
    for (var n = 0u; n < N; n++) {
      h[n] = exp(decay[n] * dt) * h[n] + dt * u * drive_at(at, n);
      y += h[n] * read_at(at, n);
    }
    planes[at.y] = y;
  }
}
