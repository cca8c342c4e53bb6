// Completes package-lock.json: a registry without the packages of other platforms leaves their entries out, and
// then `npm ci` refuses on every platform. Run it after changing dependencies; it prints what it added.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const systems = ["android", "darwin", "freebsd", "linux", "win32"];
const processors = ["arm64", "x64"];

/** Entries for optional packages that `packages` names as a dependency and lacks, by their key in the lock. */
export function missingEntries(packages) {
  const missing = {};
  for (const { optionalDependencies = {}, dev } of Object.values(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const key = `node_modules/${name}`;
      if (key in packages) continue;
      const words = name.split("/").at(-1).split("-");
      const os = words.filter((word) => systems.includes(word));
      const cpu = words.filter((word) => processors.includes(word));
      if (os.length !== 1 || cpu.length !== 1)
        throw new Error(`${name} does not say for which platform it is`);
      const libc = os[0] === "linux" ? { libc: [words.includes("musl") ? "musl" : "glibc"] } : {};
      missing[key] = { version, cpu, ...(dev && { dev }), ...libc, optional: true, os };
    }
  }
  return missing;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const missing = missingEntries(lock.packages);
  const all = Object.entries({ ...lock.packages, ...missing });
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
  console.log(Object.keys(missing).join("\n") || "package-lock.json is complete");
}
