/** What an answer that is none means: the hub's statuses and its X-Error-Code, as errors with a cure. */
import { TagllmError } from "../errors.ts";
import type { HubSettings } from "./environment.ts";

/** Something that may be gone at the next try. */
export class LostConnection extends Error {
  /** Milliseconds that the server asks to wait. */
  readonly wait: number;

  constructor(message: string, options: { cause?: unknown; wait?: number } = {}) {
    super(message, options);
    this.wait = options.wait ?? 0;
  }
}

export const unreachable = (problem: string, cause: unknown): TagllmError =>
  new TagllmError(
    "hub/unreachable",
    `The hub cannot be reached: ${problem}.`,
    "Check the network and HF_ENDPOINT, or try again later; what was downloaded is kept.",
    { cause },
  );

const longestWait = 60_000;

/** The error of an answer; `own`: of the hub itself, not of the storage it redirected to. */
export async function answerError(
  response: Response,
  what: string,
  { endpoint, token }: Pick<HubSettings, "endpoint" | "token">,
  own: boolean,
): Promise<TagllmError | LostConnection> {
  await response.body?.cancel();
  const { status } = response;
  const passing = status === 408 || status === 429 || status >= 500;
  // The storage's addresses are signed for a while: a new one is asked for.
  if (passing || !own)
    return new LostConnection(`${what}: ${new URL(response.url).host} answered ${status}`, waitOf(response));
  return statusError(status, response.headers.get("x-error-code"), what, endpoint, token !== null);
}

/** Of a final status; `code` is the hub's own word for it. */
export function statusError(
  status: number,
  code: string | null,
  what: string,
  endpoint: string,
  hasToken: boolean,
): TagllmError {
  const said = `${endpoint} answered ${status}${code ? ` ${code}` : ""}`;
  const login = hasToken
    ? "Check that the token (HF_TOKEN, or the token file) is valid and may read it."
    : "If it is private or gated, set HF_TOKEN to an access token that may read it.";
  if (code === "GatedRepo" || (status === 403 && code !== "RepoNotFound")) {
    const cure = `Ask for access on ${endpoint}/${what.split(" ")[0]} and set HF_TOKEN to a token of that account.`;
    return new TagllmError("hub/denied", `${what} is not open to you (${said}).`, cure);
  }
  if (code === "RevisionNotFound") {
    const cure = "Give a branch, tag or full commit that the repository has.";
    return new TagllmError("hub/revision", `${what}: there is no such revision (${said}).`, cure);
  }
  if (code === "EntryNotFound") {
    return new TagllmError("hub/file", `There is no file ${what} (${said}).`, "Check the repository.");
  }
  // The hub answers 401 for a repository that does not exist, so that nobody learns which private ones do.
  if (status === 404 || code === "RepoNotFound") {
    const cure = `Check the spelling of ORG/NAME. ${login}`;
    return new TagllmError("hub/not-found", `There is no repository ${what} for you (${said}).`, cure);
  }
  if (status === 401) return new TagllmError("hub/denied", `${what} was refused (${said}).`, login);
  return new TagllmError("hub/response", `${what}: ${said}.`, "Check HF_ENDPOINT, or try again later.");
}

function waitOf({ headers }: Response): { wait: number } {
  const seconds = Number(headers.get("retry-after") ?? 0);
  return { wait: Number.isFinite(seconds) ? Math.min(longestWait, Math.max(0, seconds * 1000)) : 0 };
}
