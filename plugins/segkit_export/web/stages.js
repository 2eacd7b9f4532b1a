// The network in stages: WebAssembly up to the next scans, the GPU for these, and on.

async function openStages(data) {
  const { wgsl, stages } = JSON.parse(new TextDecoder().decode(await bytesOf("stages.json")));
  await openGpu(wgsl);
  const externalData = [{ path: "model.onnx", data }];
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all", externalData };
  for (const stage of stages) {
    const model = Uint8Array.from(atob(stage.model), (letter) => letter.charCodeAt(0));
    stage.session = model.length ? await network.ort.InferenceSession.create(model, options) : null;
  }
  return stages;
}

/** The same feeds and answer as of the whole network's session. */
async function runStages(stages, feeds) {
  const values = { ...feeds };
  for (const { session, inputs, outputs, scans } of stages) {
    if (session) {
      const made = await session.run(Object.fromEntries(inputs.map((name) => [name, values[name]])));
      for (const [there, name] of Object.entries(outputs)) values[name] = made[there];
    }
    for (const { operator, inputs: names, output } of scans) {
      const { data, dims } = await scan(operator, names.map((name) => values[name]));
      values[output] = new network.ort.Tensor("float32", data, dims);
    }
  }
  return { logits: values.logits };
}

/** Take the GPU for scans if it gives the same answer on this device, and sooner; `?way=webgpu` or `wasm` decides. */
async function chooseWay(model) {
  const wish = new URLSearchParams(location.search).get("way");
  if (!card.stages || wish === "wasm") return;
  try {
    const stages = await openStages(model), input = trial(), plain = (feeds) => network.session.run(feeds);
    const staged = (feeds) => runStages(stages, feeds), [first, second] = [await plain(input), await staged(input)];
    const apart = difference(first.logits.data, second.logits.data);
    if (!(apart <= 1)) throw new Error(`the GPU's answer differs by ${apart.toFixed(1)} times the bound`);
    const [slow, fast] = [await timed(plain, input), await timed(staged, input)];
    network.why = `the whole network in WebAssembly: ${slow.toFixed(0)} ms; with scans on the GPU: ${fast.toFixed(0)} ms`;
    if (fast < slow || wish === "webgpu") Object.assign(network, { stages, way: "WebGPU and WebAssembly" });
  } catch (error) {
    network.why = `WebAssembly alone: ${error.message}`;
  }
}

/** Noise of a fixed seed, as a picture at the network's size. */
function trial() {
  const data = new Uint8Array(card.size[0] * card.size[1] * 3);
  for (let i = 0, seed = 1; i < data.length; i++) data[i] = (seed = (seed * 48271) % 2147483647) >> 8;
  return { image: new network.ort.Tensor("uint8", data, [1, ...card.size, 3]) };
}

/** In the bound of `segkit export`: 1e-3, or 1e-5 of the largest logit where that is more. */
function difference(one, other) {
  let largest = 0, apart = 0;
  for (let i = 0; i < one.length; i++) {
    largest = Math.max(largest, Math.abs(one[i]));
    apart = Math.max(apart, Math.abs(one[i] - other[i]));
  }
  return apart / Math.max(1e-3, 1e-5 * largest);
}

async function timed(run, input) {
  const begun = performance.now();
  await run(input);
  return performance.now() - begun;
}

/** The network's answer by the way that was chosen; a GPU that is lost on the way is done without. */
async function run(feeds) {
  if (network.stages) {
    try { return await runStages(network.stages, feeds); } catch (error) {
      Object.assign(network, { stages: null, way: "WebAssembly", why: `the GPU failed: ${error.message}` });
    }
  }
  return network.session.run(feeds);
}
