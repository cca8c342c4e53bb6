/** The worker thread: answers one request after the other with `Runtime`. */
import { parentPort } from "node:worker_threads";
import type { Request, Response } from "./protocol.ts";
import { Runtime } from "./runtime.ts";
import { translateFailure } from "./translate.ts";

const port = parentPort;
if (!port) throw new Error("engine/worker is the entry of a worker thread");

let runtime: Runtime | null = null;

async function answer(message: Request): Promise<Omit<Extract<Response, { ok: true }>, "id" | "ok">> {
  if (message.kind === "start") {
    runtime = await Runtime.start(message.options);
    return {};
  }
  if (!runtime) throw new Error("the engine was not started");
  switch (message.kind) {
    case "load":
      runtime.load(message.tensors);
      return {};
    case "upload":
      runtime.hold(message.name, message.shape, message.data);
      return {};
    case "compile":
      await runtime.compile(message);
      return {};
    case "drop":
      await runtime.drop(message.program);
      return {};
    case "run":
      return runtime.run(message.program, message.feeds, message.keep);
    case "reserve":
      runtime.reserve(message.names, message.shape, message.rows);
      return {};
    case "place":
      runtime.place(message.placements);
      return {};
    case "release":
      runtime.release(message.names);
      return {};
    case "write":
      runtime.write(message.files);
      return {};
    case "read":
      return { read: runtime.read(message.files) };
    case "stats":
      return { stats: runtime.stats() };
    case "close":
      await runtime.close();
      return {};
  }
}

let last = Promise.resolve();
port.on("message", ({ id, message }: { id: number; message: Request }) => {
  last = last.then(async () => {
    try {
      const result = await answer(message);
      const buffers = Object.values(result.outputs ?? {}).map((a) => a.buffer as ArrayBuffer);
      port.postMessage({ id, ok: true, ...result } satisfies Response, buffers);
    } catch (e) {
      port.postMessage({ id, ok: false, failure: translateFailure(e, message.kind) } satisfies Response);
    }
  });
});
