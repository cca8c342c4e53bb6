/**
 * One request to the hub: redirects are followed by hand, so that the token reaches the hub's own address and no
 * other; what answers with an error is translated; silence is noticed. Trying again is retry.ts.
 */
import { TagllmError } from "../errors.ts";
import { version } from "../version.ts";
import type { HubSettings } from "./environment.ts";
import { answerError, LostConnection, unreachable } from "./failures.ts";

export interface Ask {
  /** What it is about, for messages: `ORG/NAME` or `ORG/NAME config.json`. */
  readonly what: string;
  /** Below the endpoint, encoded. */
  readonly path: string;
  readonly method?: "GET" | "HEAD";
  /** First byte that is wanted. */
  readonly from?: number;
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Headers of the hub's own answers on the way, the last one winning: what it says of the file. */
  readonly hubHeaders: Headers;
  /** The body. @throws aborted; LostConnection */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Must be called where the body is not read: lets go of the connection. */
  end(): void;
}

const mostRedirects = 5;

/** @throws hub/offline, hub/denied, hub/not-found, hub/revision, hub/file, hub/response, aborted; LostConnection */
export async function ask(settings: HubSettings, request: Ask): Promise<Answer> {
  const { endpoint, offline } = settings;
  if (offline) throw offlineError(request.what);
  const watch = new Watch(request.timeout, request.signal);
  try {
    const hubHeaders = new Headers();
    let url = new URL(endpoint + request.path);
    for (let hop = 0; hop <= mostRedirects; hop++) {
      watch.host = url.host;
      const response = await send(url, settings, request, watch);
      const ownAnswer = isOwn(url, endpoint);
      if (ownAnswer) for (const [name, value] of response.headers) hubHeaders.set(name, value);
      const next = redirection(response, url);
      if (next === null) {
        if (!response.ok && response.status !== 416)
          throw await answerError(response, request.what, settings, ownAnswer);
        return answerOf(response, hubHeaders, watch, request.what);
      }
      await response.body?.cancel();
      // What the hub says of a large file is in the redirection itself; the storage behind it has other etags.
      if (request.method === "HEAD" && !isOwn(next, endpoint))
        return answerOf(response, hubHeaders, watch, request.what);
      url = next;
    }
    const problem = `${request.what}: the hub redirects more than ${mostRedirects} times.`;
    throw new TagllmError("hub/response", problem, "Check HF_ENDPOINT, or try again later.");
  } catch (error) {
    watch.end();
    throw watch.explain(error, request.what);
  }
}

function answerOf(response: Response, hubHeaders: Headers, watch: Watch, what: string): Answer {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of response.body ?? []) {
        watch.alive();
        yield chunk;
      }
    } catch (error) {
      throw watch.explain(error, what);
    } finally {
      watch.end();
    }
  }
  const { status, headers } = response;
  return { status, headers, hubHeaders, chunks, end: () => watch.end() };
}

/** @throws hub/offline */
export function offlineError(what: string): TagllmError {
  return new TagllmError(
    "hub/offline",
    `${what} is not in the cache, and HF_HUB_OFFLINE forbids to ask the hub.`,
    "Unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE), or bring the files into the cache from elsewhere.",
  );
}

const isOwn = (url: URL, endpoint: string): boolean => url.origin === new URL(endpoint).origin;

function send(url: URL, { endpoint, token }: HubSettings, request: Ask, watch: Watch): Promise<Response> {
  const headers: Record<string, string> = {
    "user-agent": `tagllm/${version}; node/${process.versions.node}`,
    // Sizes and ranges are those of the file, not of a compressed stream.
    "accept-encoding": "identity",
  };
  if (token !== null && isOwn(url, endpoint)) headers.authorization = `Bearer ${token}`;
  if (request.from !== undefined && request.from > 0) headers.range = `bytes=${request.from}-`;
  return fetch(url, { method: request.method ?? "GET", headers, redirect: "manual", signal: watch.signal });
}

function redirection(response: Response, from: URL): URL | null {
  const location = response.headers.get("location");
  if (response.status < 301 || response.status > 308 || location === null) return null;
  const next = URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (next && (next.protocol === "https:" || (next.protocol === "http:" && from.protocol === "http:")))
    return next;
  const problem = `${from.origin} redirects to ${JSON.stringify(location.slice(0, 200))}, which is no safe address.`;
  throw new TagllmError("hub/response", problem, "Check HF_ENDPOINT.");
}

/** Ends a request that its caller gave up or from which nothing comes any more. */
class Watch {
  /** Who is asked, for messages. */
  host = "";
  private readonly silence = new AbortController();
  private readonly timeout: number;
  private readonly outer: AbortSignal | undefined;
  private timer: NodeJS.Timeout;
  readonly signal: AbortSignal;

  constructor(timeout: number, outer: AbortSignal | undefined) {
    this.timeout = timeout;
    this.outer = outer;
    this.signal = outer ? AbortSignal.any([outer, this.silence.signal]) : this.silence.signal;
    this.timer = this.start();
  }

  private start(): NodeJS.Timeout {
    return setTimeout(() => this.silence.abort(), this.timeout);
  }

  alive(): void {
    clearTimeout(this.timer);
    this.timer = this.start();
  }

  end(): void {
    clearTimeout(this.timer);
    this.silence.abort();
  }

  /** What an error of fetch means. Errors of ours pass. */
  explain(error: unknown, what: string): unknown {
    if (error instanceof TagllmError || error instanceof LostConnection) return error;
    if (this.outer?.aborted) return abortedError();
    const problem = `${what}: ${this.host}: ${reasonOf(error, this.timeout)}`;
    // No network, or a wrong address: that is not mended within seconds.
    if ((error as { cause?: NodeJS.ErrnoException }).cause?.code === "ENOTFOUND")
      return unreachable(problem, error);
    return new LostConnection(problem, { cause: error });
  }
}

export const abortedError = (): TagllmError =>
  new TagllmError(
    "aborted",
    "The download was interrupted.",
    "What is there is kept: the same command goes on from there.",
  );

/** Why a connection broke, in a few words. */
function reasonOf(error: unknown, timeout: number): string {
  if (error instanceof Error && error.name === "AbortError") return `nothing came for ${timeout / 1000} s`;
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  return cause?.code ?? cause?.message ?? (error as Error).message;
}
