// Scans on the GPU by WebGPU; see scan.wgsl. The rest of the network stays with WebAssembly, stage by stage.

const gpu = { device: null, code: null, kernels: new Map() };

async function openGpu(code) {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("this browser offers no WebGPU");
  gpu.device = await adapter.requestDevice();
  gpu.device.lost.then(({ message }) => { gpu.device = null; gpu.lost = message; });
  const [common, ...rest] = code.split(/^\/\/== /m);
  gpu.code = { common };
  for (const part of rest) gpu.code[part.match(/^\w+/)[0]] = part.slice(part.indexOf("\n"));
}

/** The compiled kernels of one operator for one number of states. */
async function kernels(kind, states) {
  const key = `${kind} ${states}`;
  if (!gpu.kernels.has(key)) gpu.kernels.set(key, await compiled(kind, states));
  return gpu.kernels.get(key);
}

async function compiled(kind, states) {
  const entries = ["uniform", "read-only-storage", "read-only-storage", "read-only-storage", ...Array(4).fill("storage")]
    .map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
  const group = gpu.device.createBindGroupLayout({ entries });
  const layout = gpu.device.createPipelineLayout({ bindGroupLayouts: [group] });
  const code = `const N = ${states}u;\n` + gpu.code.common + gpu.code[kind] + gpu.code.scan;
  const module = gpu.device.createShaderModule({ code }), found = { group };
  for (const name of kind === "SS2D" ? ["project", "ends", "chain", "emit", "merge"] : ["ends", "chain", "emit"]) {
    found[name] = await gpu.device.createComputePipelineAsync({ layout, compute: { module, entryPoint: name } });
  }
  return found;
}

/** One scan operator of the file: tensors in, {data, dims} out. */
async function scan(operator, tensors) {
  const plan = operator === "SS2D" ? planMap(tensors) : planLine(operator, tensors);
  const found = await kernels(plan.kind, plan.states), { device } = gpu, made = [];
  const buffer = (content, size = content.byteLength) => {
    const fresh = device.createBuffer({ size: Math.max(16, size), usage: plan.usage | GPUBufferUsage.STORAGE });
    if (content) device.queue.writeBuffer(fresh, 0, content);
    return made.push(fresh), fresh;
  };
  plan.usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM;
  const buffers = [plan.sizes, ...plan.contents].map((item) => (typeof item === "number" ? buffer(null, 4 * item) : buffer(item)));
  const binding = device.createBindGroup({
    layout: found.group, entries: buffers.map((item, at) => ({ binding: at, resource: { buffer: item } })) });
  const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
  pass.setBindGroup(0, binding);
  for (const [name, count] of plan.steps) {
    const groups = Math.ceil(count / 64), wide = Math.min(groups, 65535);
    pass.setPipeline(found[name]);
    pass.dispatchWorkgroups(wide, Math.ceil(groups / wide));
  }
  pass.end();
  const size = 4 * plan.dims.reduce((product, side) => product * side, 1);
  const back = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  encoder.copyBufferToBuffer(buffers[plan.result], 0, back, 0, size);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const data = new Float32Array(back.getMappedRange().slice(0));
  for (const item of [...made, back]) item.destroy();
  return { data, dims: plan.dims };
}

const joined = (...parts) => Float32Array.from(parts.flatMap((part) => Array.from(part.data)));

/** Chunks of about √L steps. */
function cut(length) {
  const steps = Math.ceil(Math.sqrt(length));
  return [steps, Math.ceil(length / steps)];
}

function planMap([x, w_x, w_dt, bias, A, D]) {
  const [batch, height, width, channels] = x.dims, rank = w_dt.dims[2], states = A.dims[1], length = height * width;
  const [steps, chunks] = cut(length), rows = 4 * batch * channels, columns = 4 * (rank + 2 * states), all = batch * length;
  return {
    kind: "SS2D", states, dims: x.dims, result: 7,
    sizes: Uint32Array.of(batch, height, width, channels, rank, 1, steps, chunks, 1, 0, rows, length),
    contents: [x.data, w_x.data, joined(w_dt, bias, A, D), all * columns, rows * chunks * (1 + states), 4 * all * channels, all * channels],
    steps: [["project", all * columns], ["ends", rows * chunks], ["chain", rows * states], ["emit", rows * chunks], ["merge", all * channels]],
  };
}

function planLine(operator, [u, delta, A, B, C, D, bias]) {
  const [batch, channels, length] = u.dims, states = A.dims[1], groups = B.dims[1], rows = batch * channels;
  const [steps, chunks] = cut(length), soft = bias ? 1 : 0, reverse = operator.endsWith("Reverse") ? 1 : 0;
  return {
    kind: "line", states, dims: u.dims, result: 6,
    sizes: Uint32Array.of(batch, 1, length, channels, 0, groups, steps, chunks, soft, reverse, rows, length),
    contents: [u.data, delta.data, joined(...[A, D, bias].filter(Boolean)), B.data, rows * chunks * (1 + states), rows * length, C.data],
    steps: [["ends", rows * chunks], ["chain", rows * states], ["emit", rows * chunks]],
  };
}
