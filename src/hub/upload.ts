/**
 * Files as one commit to a model repository, which is made if it is not there. The commit itself - which files go to
 * large-file storage, their upload, the commit - is the work of @huggingface/hub, loaded only here and only then.
 */
import { TagllmError } from "../errors.ts";
import { type HubSettings, hubSettings } from "./environment.ts";
import { LostConnection, statusError } from "./failures.ts";
import { requireHubId } from "./names.ts";
import { listRepository } from "./repository.ts";
import { abortedError } from "./request.ts";
import { withRetries } from "./retry.ts";
import { type HubOptions, patienceOf } from "./snapshot.ts";

export interface PushOptions extends HubOptions {
  /** Make the repository a private one, where it has to be made. */
  readonly private?: boolean | undefined;
}

export interface Pushed {
  /** ORG/NAME */
  readonly repo: string;
  readonly commit: string;
  /** Page of the commit. */
  readonly url: string;
}

interface Target {
  readonly settings: HubSettings;
  readonly token: string;
  readonly repo: string;
}

/** To the branch main. @throws hub/id, hub/settings, hub/offline, hub/denied, hub/not-found, hub/push, hub/unreachable, aborted */
export async function pushFiles(
  id: string,
  title: string,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  options: PushOptions,
): Promise<Pushed> {
  const { repo } = requireHubId(id);
  if (id.includes("@")) {
    const problem = `${JSON.stringify(id)} has a revision; what is pushed goes to the branch main.`;
    throw new TagllmError("hub/id", problem, "Give ORG/NAME.");
  }
  const found = await hubSettings(options.env);
  if (found.offline) {
    const cure = "Unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE).";
    throw new TagllmError("hub/offline", `HF_HUB_OFFLINE forbids to push to ${repo}.`, cure);
  }
  const token = found.pushToken;
  if (token === null) {
    const problem = `Nothing can be pushed to ${repo} without an access token.`;
    throw new TagllmError("hub/denied", problem, "Set HF_TOKEN to a token that may write there.");
  }
  const target: Target = { settings: { ...found, token }, token, repo };
  const patience = patienceOf(repo, options);
  return withRetries(async () => {
    if (!(await exists(target, options))) await create(target, options);
    return commitFiles(target, title, files, options);
  }, patience);
}

async function exists({ settings, repo }: Target, { signal }: HubOptions): Promise<boolean> {
  try {
    await listRepository(settings, { repo, revision: "main" }, signal);
    return true;
  } catch (error) {
    if (error instanceof TagllmError && error.code === "hub/not-found") return false;
    throw error;
  }
}

async function create(target: Target, options: PushOptions): Promise<void> {
  const { createRepo } = await import("@huggingface/hub");
  await translated(target, options, () =>
    createRepo({
      repo: target.repo,
      hubUrl: target.settings.endpoint,
      accessToken: target.token,
      ...(options.private && { visibility: "private" }),
    }),
  );
}

async function commitFiles(
  target: Target,
  title: string,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  options: PushOptions,
): Promise<Pushed> {
  const { commit } = await import("@huggingface/hub");
  const { repo, settings, token } = target;
  const result = await translated(target, options, () =>
    commit({
      repo,
      title,
      hubUrl: settings.endpoint,
      accessToken: token,
      operations: [...files].map(([path, data]) => ({
        operation: "addOrUpdate",
        path,
        content: new Blob([data]),
      })),
      // Tags are small: one plain upload each, and no second protocol to depend on.
      useXet: false,
      ...(options.signal && { abortSignal: options.signal }),
    }),
  );
  if (!result) throw new TagllmError("hub/push", `${repo}: the hub made no commit.`, "Try again later.");
  return { repo, commit: result.commit.oid, url: result.commit.url };
}

/** The library's errors as ours. */
async function translated<T>(
  { settings, token, repo }: Target,
  { signal }: HubOptions,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted) throw abortedError();
    const { HubApiError } = await import("@huggingface/hub");
    if (!(error instanceof HubApiError)) {
      const { cause } = error as { cause?: NodeJS.ErrnoException };
      // What fetch says of a broken connection has its reason within; everything else is no fault of the network.
      if (!(error instanceof TypeError) || cause === undefined) throw error;
      throw new LostConnection(`${repo}: ${settings.endpoint}: ${cause.code ?? cause.message}`, {
        cause: error,
      });
    }
    const { statusCode, message } = error;
    // The message has the hub's reason and address; the token is in neither.
    const said = message.split("\n")[0]?.replaceAll(token, "...") ?? "";
    if (statusCode === 408 || statusCode === 429 || statusCode >= 500)
      throw new LostConnection(`${repo}: the hub answered ${statusCode}`, { cause: error });
    if (statusCode === 401 || statusCode === 404)
      throw statusError(statusCode, null, repo, settings.endpoint, true);
    const cure =
      statusCode === 403
        ? "Use a token that may write there, or a repository of your own."
        : "Do what the hub says, and push again.";
    const code = statusCode === 403 ? "hub/denied" : "hub/push";
    throw new TagllmError(code, `${repo} did not take the push (${statusCode}): ${said}`, cure, {
      cause: error,
    });
  }
}
