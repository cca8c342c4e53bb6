// Loaded before a program under test: kills it inside the n-th write of a file whose name has a certain part.
// KILL_IN="<part of the name>:<half|before|after>:<n>": half of the bytes written, or before or after the rename.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";

const [part, moment, count] = (process.env.KILL_IN ?? "").split(":");
const isMeant = (file) => basename(String(file)).includes(part);
let left = Number(count);
const kill = () => process.kill(process.pid, "SIGKILL");

const { open, rename } = fs.promises;
fs.promises.open = async (file, ...rest) => {
  const handle = await open(file, ...rest);
  if (moment === "half" && rest[0] === "wx" && isMeant(file)) {
    handle.writeFile = async (content) => {
      const bytes = Buffer.from(content);
      if (--left > 0) return handle.write(bytes);
      await handle.write(bytes.subarray(0, bytes.length / 2));
      kill();
    };
  }
  return handle;
};
fs.promises.rename = async (from, to) => {
  const meant = moment !== "half" && isMeant(to) && --left <= 0;
  if (meant && moment === "before") kill();
  await rename(from, to);
  if (meant) kill();
};
syncBuiltinESMExports();
