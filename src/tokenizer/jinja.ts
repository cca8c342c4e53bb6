/**
 * The parts of @huggingface/jinja that are used, and the only import of it. They are typed here because the package's
 * own declarations import each other without file extensions, which Node's resolution does not find.
 */

import * as library from "@huggingface/jinja";

/** A parsed template. */
export interface Program {
  readonly type: string;
}

interface RuntimeValue {
  readonly value: unknown;
}

interface JinjaEnvironment {
  set(name: string, value: unknown): unknown;
}

interface JinjaInterpreter {
  run(program: Program): RuntimeValue;
  /** Called for every node of a template, each time that it runs, and with undefined for one that is left out. */
  evaluate(node: unknown, environment: JinjaEnvironment): RuntimeValue;
}

interface Library {
  tokenize(template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown[];
  parse(tokens: unknown[]): Program;
  Environment: new () => JinjaEnvironment;
  Interpreter: new (environment: JinjaEnvironment) => JinjaInterpreter;
}

const { tokenize, parse, Environment, Interpreter } = library as unknown as Library;

/** How long a template may be, how many nodes it may run, and for how many milliseconds. */
export interface Bounds {
  readonly size: number;
  readonly steps: number;
  readonly time: number;
}

/** As Hugging Face's transformers reads chat templates. Throws what is wrong with it. */
export const parseJinja = (template: string): Program =>
  parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));

/** The text of a template that knows nothing but `values`; functions among them get plain values. */
export function runJinja(
  program: Program,
  values: Readonly<Record<string, unknown>>,
  bounds: Bounds,
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(values)) environment.set(name, value);
  return String(new BoundedInterpreter(environment, bounds).run(program).value);
}

/** Jinja has no endless loop, but loops in loops, macros that call themselves and texts that double. */
class BoundedInterpreter extends Interpreter {
  readonly #bounds: Bounds;
  readonly #end: number;
  #steps = 0;

  constructor(environment: JinjaEnvironment, bounds: Bounds) {
    super(environment);
    this.#bounds = bounds;
    this.#end = performance.now() + bounds.time;
  }

  override evaluate(node: unknown, environment: JinjaEnvironment): RuntimeValue {
    const { steps, size, time } = this.#bounds;
    if (++this.#steps > steps) throw new Error(`it takes more than ${steps} steps`);
    if (performance.now() > this.#end) throw new Error(`it takes more than ${time / 1000} seconds`);
    const result = this.#stripped(node, environment) ?? super.evaluate(node, environment);
    const { value } = result;
    const length = typeof value === "string" || Array.isArray(value) ? value.length : 0;
    if (length > size) throw new Error(`it makes a text or list of ${length}; none may have over ${size}`);
    return result;
  }

  /** `text.strip(characters)` and its kind, which the library takes for `text.strip()`: it would take all blanks. */
  #stripped(node: unknown, environment: JinjaEnvironment): RuntimeValue | null {
    const { type, callee, args } = (node ?? {}) as Partial<CallNode>;
    if (type !== "CallExpression" || callee?.type !== "MemberExpression" || args?.length !== 1) return null;
    const sides = callee.computed ? undefined : strips[callee.property.value];
    if (!sides) return null;
    const [text, characters] = [callee.object, args[0]].map((n) => super.evaluate(n, environment).value);
    if (typeof text !== "string" || typeof characters !== "string") return null;
    const goes = new Set(characters);
    let kept = [...text];
    const first = kept.findIndex((character) => !goes.has(character));
    const last = kept.findLastIndex((character) => !goes.has(character));
    if (sides.right) kept = kept.slice(0, last + 1);
    if (sides.left) kept = first === -1 ? [] : kept.slice(first);
    return super.evaluate({ type: "StringLiteral", value: kept.join("") }, environment);
  }
}

interface CallNode {
  type: string;
  callee: { type: string; object: unknown; property: { value: string }; computed: boolean };
  args: unknown[];
}

const strips: Readonly<Record<string, { left: boolean; right: boolean }>> = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
};
