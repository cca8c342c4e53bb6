/**
 * Where the hub is, where its files are kept and who asks: the environment variables of Python's huggingface_hub,
 * with its names, order and defaults, so that both use one cache and one token. Read anew at every use.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { TagllmError } from "../errors.ts";

type Variables = Readonly<Record<string, string | undefined>>;

export interface HubSettings {
  /** Address of the hub, without a slash at the end. */
  readonly endpoint: string;
  /** Folder of the cache. */
  readonly cache: string;
  readonly offline: boolean;
  /** Whether the cache may have symbolic links; where the file system has none it is found out. */
  readonly symlinks: boolean;
  /** Milliseconds without an answer after which a request is taken as lost: about a file, and for its bytes. */
  readonly metadataTimeout: number;
  readonly downloadTimeout: number;
  /** Sent with requests to the endpoint and to nobody else. */
  readonly token: string | null;
  /** The token, also where HF_HUB_DISABLE_IMPLICIT_TOKEN keeps it from being sent unasked. */
  readonly pushToken: string | null;
}

const defaultEndpoint = "https://huggingface.co";
const defaultTimeout = 10;

/** @throws hub/settings */
export async function hubSettings(env: Variables = process.env): Promise<HubSettings> {
  const home = expand(
    env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface"),
    env,
  );
  const cache = env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, "hub");
  const token = await findToken(env, home);
  return {
    endpoint: endpointOf(env.HF_ENDPOINT),
    cache: expand(cache, env),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    symlinks: !isTrue(env.HF_HUB_DISABLE_SYMLINKS),
    metadataTimeout: milliseconds("HF_HUB_ETAG_TIMEOUT", env),
    downloadTimeout: milliseconds("HF_HUB_DOWNLOAD_TIMEOUT", env),
    token: isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? null : token,
    pushToken: token,
  };
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

function endpointOf(given: string | undefined): string {
  const text = (given || defaultEndpoint).replace(/\/+$/, "");
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "") return text;
  throw settingError("HF_ENDPOINT", text, `Set it to an address such as ${defaultEndpoint}, or unset it.`);
}

function milliseconds(name: string, env: Variables): number {
  const text = env[name] || String(defaultTimeout);
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds > 0) return seconds * 1000;
  throw settingError(name, text, "Set it to a whole number of seconds above 0, or unset it.");
}

function settingError(name: string, value: string, cure: string): TagllmError {
  return new TagllmError(
    "hub/settings",
    `The environment variable ${name} is ${JSON.stringify(value)}.`,
    cure,
  );
}

/** `~` and variables in a path, as the shell and Python have them. */
function expand(path: string, env: Variables): string {
  const atHome = /^~(?=$|[/\\])/.test(path) ? homedir() + path.slice(1) : path;
  return atHome.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain, braced) => env[plain ?? braced] ?? whole);
}

async function findToken(env: Variables, home: string): Promise<string | null> {
  const given = clean(env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN);
  if (given !== null) return checked(given, "HF_TOKEN");
  const file = expand(env.HF_TOKEN_PATH ?? join(home, "token"), env);
  const text = await readFile(file, "utf8").catch(() => undefined);
  const stored = clean(text);
  return stored === null ? null : checked(stored, file);
}

const clean = (token: string | undefined): string | null => token?.replace(/[\r\n]/g, "").trim() || null;

/** A token goes into a header; what cannot be in one is refused without being shown. */
function checked(token: string, from: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  const problem = `The token in ${from} has blanks or characters that no token has.`;
  throw new TagllmError("hub/settings", problem, "Copy it again from the hub's page of access tokens.");
}
