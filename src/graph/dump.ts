/** A readable text form of a graph: one line per node, stable from run to run (golden dumps compare it). */
import { type Attribute, formatType, type Graph, type Value } from "./graph.ts";
import { usedInputs } from "./onnx.ts";

export function dumpGraph(graph: Graph): string {
  const names = new Map<Value, string>();
  const nameOf = (v: Value): string => {
    if (v.kind === "constant") return formatConstant(v);
    if (v.kind !== "computed") return v.name;
    const existing = names.get(v);
    if (existing) return existing;
    const name = `%${names.size}`;
    names.set(v, name);
    return name;
  };
  const lines = usedInputs(graph).map((v) => `${v.kind} ${v.name} ${formatType(v)}`);
  for (const node of graph.live()) {
    const args = node.inputs.map(nameOf).join(", ");
    const attributes = Object.entries(node.attributes).map(([k, v]) => ` ${k}=${formatAttribute(v)}`);
    const results = node.outputs.map((o) => `${nameOf(o)} ${formatType(o)}`).join(", ");
    lines.push(`${results} = ${node.op}(${args})${attributes.join("")}`);
  }
  for (const [name, v] of graph.outputs) lines.push(`output ${name} = ${nameOf(v)}`);
  return `${lines.join("\n")}\n`;
}

function formatAttribute(value: Attribute): string {
  if (typeof value !== "object") return String(value);
  return "float" in value ? String(value.float) : `[${value.join(",")}]`;
}

function formatConstant(v: Value): string {
  const values = [...(v.data ?? [])].slice(0, 4).join(",");
  return `${formatType(v)}{${values}${(v.data?.length ?? 0) > 4 ? ",..." : ""}}`;
}
