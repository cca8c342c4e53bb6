/** The base that ships with the package; a study or command that names none uses it. */
import { fileURLToPath } from "node:url";

/** Folder of polyglot-5m; the same from src and from dist. */
export const defaultBase: string = fileURLToPath(new URL("../../models/polyglot-5m", import.meta.url));
