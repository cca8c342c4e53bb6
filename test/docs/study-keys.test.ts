/** docs/studies.md has a table for every object of a study: all its keys, and no others, with their defaults. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { root } from "../../scripts/docs.ts";
import { studySchema } from "../../src/study/schema.ts";

interface Key {
  readonly key: string;
  readonly required: boolean;
  readonly default?: unknown;
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

const page = readFileSync(join(root, "docs", "studies.md"), "utf8");

/** By the path of the object, "" for the study itself: the cell of the default for each key. */
function tablesOf(text: string): Map<string, Map<string, string>> {
  const tables = new Map<string, Map<string, string>>();
  let open: { keys: Map<string, string>; column: number } | null = null;
  for (const line of text.split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, path] = /^\| key of (a study|`[\w.]+`)/.exec(line) ?? [];
    if (path !== undefined) {
      open = { keys: new Map(), column: cells.indexOf("default") };
      const name = path === "a study" ? "" : path.slice(1, -1);
      assert.ok(open.column > 0 && !tables.has(name), `the table of ${path}`);
      tables.set(name, open.keys);
    } else if (!line.startsWith("|")) open = null;
    else if (open && !line.startsWith("|---")) {
      for (const [, key = ""] of (cells[1] as string).matchAll(/`([^`]+)`/g)) {
        assert.ok(!open.keys.has(key), `${key} is there twice`);
        open.keys.set(key, cells[open.column] as string);
      }
    }
  }
  return tables;
}

/** The objects that a value may be, below the names, lists and choices that it is wrapped in. */
function objectsOf(node: Node): Node[] {
  const { additionalProperties: named, items, anyOf = [], oneOf = [] } = node;
  const below = [
    ...(typeof named === "object" ? [named] : []),
    ...(items ? [items] : []),
    ...anyOf,
    ...oneOf,
  ];
  return [...(node.properties ? [node] : []), ...below.flatMap(objectsOf)];
}

/** A key whose value is an object has a table of its own, or its keys stand in this one, with a dot. */
function keysOf(objects: readonly Node[], path: string, tables: ReadonlySet<string>): Map<string, Key[]> {
  const found = new Map<string, Key[]>([[path, []]]);
  const own = found.get(path) as Key[];
  for (const name of new Set(objects.flatMap(({ properties }) => Object.keys(properties ?? {})))) {
    const having = objects.filter(({ properties }) => properties && name in properties);
    const node = having[0]?.properties?.[name] as Node;
    const inner = having.flatMap(({ properties }) => objectsOf(properties?.[name] as Node));
    const place = path === "" ? name : `${path}.${name}`;
    const key = { key: name, required: having.every(({ required }) => required?.includes(name) ?? false) };
    const isPlain = node.properties !== undefined && !tables.has(place);
    if (!isPlain) own.push({ ...key, ...(isValue(node.default) && { default: node.default }) });
    if (inner.length === 0) continue;
    for (const [at, keys] of keysOf(inner, place, tables)) {
      if (at !== place || tables.has(place)) found.set(at, keys);
      else own.push(...keys.map((k) => ({ ...k, key: `${name}.${k.key}`, required: false })));
    }
  }
  return found;
}

/** The default of an object is made of those of its keys. */
const isValue = (value: unknown): boolean =>
  value !== undefined && (typeof value !== "object" || Array.isArray(value));

/** As YAML has it. */
const written = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(written).join(", ")}]` : String(value);

const tables = tablesOf(page);
const schema = z.toJSONSchema(studySchema, { io: "input" }) as Node;
const expected = keysOf([schema], "", new Set(tables.keys()));

test("every object of a study has a table, and no table is of anything else", () => {
  assert.deepEqual([...tables.keys()].sort(), [...expected.keys()].sort());
  assert.ok([...expected.values()].flat().length > 80);
});

for (const [path, keys] of expected) {
  test(`the keys of ${path || "a study"}`, () => {
    const table = tables.get(path) as Map<string, string>;
    assert.deepEqual([...table.keys()].sort(), keys.map(({ key }) => key).sort());
    for (const { key, required, default: value } of keys) {
      const cell = table.get(key) as string;
      assert.equal(cell === "required", required, `${key}: required`);
      if (value !== undefined) assert.equal(cell, `\`${written(value)}\``, `${key}: its default`);
    }
  });
}
