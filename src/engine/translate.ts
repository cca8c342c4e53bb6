/** onnxruntime's messages in the user's words: no C++ paths, no line numbers, a cure. */
import { TagllmError } from "../errors.ts";
import type { Failure, Request } from "./protocol.ts";

/** A source file with its line, the C++ function that follows it and the condition that it found false. */
const sourceLocation = new RegExp(
  [
    /(?:[A-Za-z]:)?[\\/][^\s:()]*\.(?:cc|h|hpp|cpp|cu)(?::\d+)?/, // file and line
    /(?: [^()]*?\w+(?:::[\w~<>]+)+(?:\((?:[^()]|\([^()]*\))*\)(?: const)?)?(?:::<lambda[^>]*>)?(?: \[with [^\]]*\])?)?/,
    /(?: .{1,200}? was false\.)?/,
  ]
    .map((part) => part.source)
    .join(""),
  "g",
);

const outOfMemory =
  /bad_alloc|failed to allocate|out of memory|array buffer allocation|typed array length|bad_array_new_length/i;

/** What is left of a runtime message once source paths, function signatures and internal names are gone. */
export function essence(message: string): string {
  return message
    .replace(
      /Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: /g,
      "$1 ($2): ",
    )
    .replace(sourceLocation, "")
    .replace(/\b(?:onnxruntime|Ort|std|gsl|Eigen)::[\w:<>~]+(?:\([^)]*\))?/g, "")
    .replace(/\[ONNXRuntimeError\]\s*:\s*\d+\s*:\s*\w+\s*:\s*/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

export function translateFailure(error: unknown, during: Request["kind"]): Failure {
  if (error instanceof TagllmError) return { code: error.code, problem: error.problem, cure: error.cure };
  const message = error instanceof Error ? error.message : String(error);
  const rest = essence(message);
  if (outOfMemory.test(message)) {
    return {
      code: "engine/memory",
      problem: `Not enough memory while the engine tried to ${during}: ${rest}`,
      cure: "Lower the token budget (tokensPerRun in the study), close other programs, or use a smaller base.",
    };
  }
  const code = during === "compile" ? "engine/compile" : during === "start" ? "engine/start" : "engine/run";
  const cure =
    "`tagllm doctor` checks the installation; if it passes, please report this with the study file.";
  return { code, problem: `The engine failed to ${during}: ${rest}`, cure };
}
