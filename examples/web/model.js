// The two ONNX files of `reage export` in onnxruntime-web: encode once per face, decode per age.

import { softCode } from "./ages.js";

const RUNTIME = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;

export async function openModel(folder) {
  const ort = await openRuntime();
  const [encoder, decoder] = await Promise.all(
    ["generator_encoder.onnx", "generator_decoder.onnx"].map(async (name) =>
      ort.InferenceSession.create(await download(folder + name), { executionProviders: ["wasm"] })),
  );
  const size = encoder.inputMetadata[0].shape[1];
  return {
    size,
    encode: (pixels) => encoder.run({ image: new ort.Tensor("float32", pixels, [1, size, size, 3]) }),
    decode: async (features, age) => {
      const code = new ort.Tensor("float32", softCode(age), [1, 14]);
      return (await decoder.run({ ...features, age_code: code })).delta.data;
    },
  };
}

async function openRuntime() {
  let ort;
  try {
    ort = await import(`${RUNTIME}ort.wasm.min.mjs`);
  } catch {
    throw new Error("onnxruntime-web is missing: run “npm install” in this folder.");
  }
  ort.env.wasm.wasmPaths = RUNTIME;
  // More threads need a server that sends cross-origin isolation headers.
  ort.env.wasm.numThreads = 1;
  return ort;
}

async function download(url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`${url} is missing: put the exported ONNX files into the folder “model”.`);
  }
  return new Uint8Array(await answer.arrayBuffer());
}
