/**
 * A server on loopback that behaves like the hub, as far as models and commits go, with a second one on another port
 * that has the large files, as the hub's storage does. A test may put itself in the way of any request.
 */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Files = Record<string, Buffer | string>;

export interface HubRequest {
  readonly side: "hub" | "storage";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  /** The file of the repository that is asked for. */
  readonly file: string | undefined;
}

interface Repository {
  readonly commits: Map<string, Map<string, Buffer>>;
  readonly refs: Map<string, string>;
  /** Who may read it: everyone, everyone with the token, or with the token those who were let in (nobody). */
  access: "public" | "private" | "gated";
}

/** May answer instead of the server (true), or destroy the connection. */
type Interference = (request: HubRequest, response: ServerResponse) => boolean | Promise<boolean>;

/** As on the hub: what is not text goes into large-file storage. */
const isLarge = (file: string): boolean => /\.(safetensors|bin|gguf)$/.test(file);
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
export const gitSha1 = (data: Buffer): string =>
  createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");

export class FakeHub {
  readonly token = "hf_good";
  readonly requests: HubRequest[] = [];
  interfere: Interference = () => false;
  /** Connections that were opened to either server. */
  connections = 0;
  /** Titles of the commits that were pushed. */
  readonly pushed: string[] = [];
  private readonly repositories = new Map<string, Repository>();
  private readonly stored = new Map<string, Buffer>();
  private readonly hub: Server;
  private readonly storage: Server;

  private constructor() {
    this.hub = createServer((request, response) => this.serve("hub", request, response));
    this.storage = createServer((request, response) => this.serve("storage", request, response));
  }

  static async start(t: { after(work: () => unknown): void }): Promise<FakeHub> {
    const fake = new FakeHub();
    for (const server of [fake.hub, fake.storage]) {
      server.on("connection", () => {
        fake.connections++;
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    t.after(() => {
      for (const server of [fake.hub, fake.storage]) {
        server.closeAllConnections();
        server.close();
      }
    });
    return fake;
  }

  get endpoint(): string {
    return addressOf(this.hub);
  }

  get storageAddress(): string {
    return addressOf(this.storage);
  }

  /** A new commit with exactly these files; returns its id. */
  commit(
    name: string,
    files: Files,
    { ref = "main", access = "public" as Repository["access"] } = {},
  ): string {
    const repository = this.repositories.get(name) ?? { commits: new Map(), refs: new Map(), access };
    repository.access = access;
    const content = new Map(Object.entries(files).map(([path, data]) => [path, Buffer.from(data)]));
    const id = createHash("sha1").update(randomUUID()).digest("hex");
    repository.commits.set(id, content);
    repository.refs.set(ref, id);
    this.repositories.set(name, repository);
    for (const data of content.values()) this.stored.set(sha256(data), data);
    return id;
  }

  /** Other content under a commit that is there, which the real hub never does. */
  replace(name: string, file: string, data: Buffer): void {
    this.filesOf(name).set(file, data);
    this.stored.set(sha256(data), data);
  }

  /** The files of a repository's newest commit. */
  filesOf(name: string, ref = "main"): Map<string, Buffer> {
    const repository = this.repositories.get(name);
    return repository?.commits.get(repository.refs.get(ref) ?? "") ?? new Map();
  }

  private async serve(side: "hub" | "storage", message: IncomingMessage, response: ServerResponse) {
    const url = new URL(message.url ?? "/", "http://x");
    const path = decodeURIComponent(url.pathname);
    const [, file] = /\/(?:resolve|resolve-cache\/models\/[^/]+\/[^/]+)\/[^/]+\/(.+)$/.exec(path) ?? [];
    const request: HubRequest = {
      side,
      method: message.method ?? "",
      path,
      authorization: message.headers.authorization,
      range: message.headers.range,
      file: file ?? url.searchParams.get("file") ?? undefined,
    };
    this.requests.push(request);
    const body = await bodyOf(message);
    if (await this.interfere(request, response)) return;
    if (side === "storage") this.fromStorage(request, body, response);
    else this.fromHub(request, body, response);
  }

  private fromStorage({ method, path, range }: HubRequest, body: Buffer, response: ServerResponse): unknown {
    const oid = path.split("/").at(-1) ?? "";
    if (method === "PUT") {
      if (sha256(body) !== oid) return response.writeHead(400).end();
      this.stored.set(oid, body);
      return response.writeHead(200).end();
    }
    const data = this.stored.get(oid);
    // The storage's own ETag is not the hub's.
    return data
      ? sendData(response, data, range, { etag: `"${oid.slice(0, 32)}-2"` })
      : response.writeHead(403).end();
  }

  private fromHub(request: HubRequest, body: Buffer, response: ServerResponse): unknown {
    const { path, method, authorization } = request;
    const isUser = authorization === `Bearer ${this.token}`;
    if (authorization !== undefined && !isUser) return fail(response, 401, null, "Invalid credentials");
    if (method === "POST") return this.write(path, body, isUser, response);
    const [, repo = "", rest = ""] =
      /^\/(?:api\/(?:models|resolve-cache\/models)\/)?([^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
    const repository = this.repositories.get(repo);
    if (!repository || (repository.access === "private" && !isUser))
      return fail(response, isUser ? 404 : 401, "RepoNotFound", "Repository not found");
    if (path.startsWith("/api/models/")) {
      const revision = rest.replace(/^revision\//, "");
      const commit = repository.refs.get(revision) ?? revision;
      const files = repository.commits.get(commit);
      if (!files) return fail(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
      const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
      return sendJson(response, { id: repo, sha: commit, siblings });
    }
    if (repository.access === "gated")
      return fail(response, isUser ? 403 : 401, "GatedRepo", "Access to this model is restricted");
    const [, revision = "", file = ""] = /^(?:resolve\/)?([^/]+)\/(.+)$/.exec(rest) ?? [];
    const commit = repository.refs.get(revision) ?? revision;
    const data = repository.commits.get(commit)?.get(file);
    if (!data) return fail(response, 404, "EntryNotFound", "Entry not found");
    return this.sendFile(request, { repo, commit, file, data }, response);
  }

  private sendFile(
    { path, range }: HubRequest,
    { repo, commit, file, data }: { repo: string; commit: string; file: string; data: Buffer },
    response: ServerResponse,
  ): unknown {
    const common = { "x-repo-commit": commit, "x-linked-size": String(data.length) };
    if (isLarge(file)) {
      const location = `${this.storageAddress}/lfs/${sha256(data)}?file=${encodeURIComponent(file)}`;
      const headers = {
        ...common,
        "x-linked-etag": `"${sha256(data)}"`,
        etag: '"of-the-redirection"',
        location,
      };
      return response.writeHead(302, headers).end("Found. Redirecting");
    }
    const etag = `"${gitSha1(data)}"`;
    if (path.startsWith("/api/")) return sendData(response, data, range, { etag, "x-repo-commit": commit });
    const location = `/api/resolve-cache/models/${repo}/${commit}/${file}`;
    return response.writeHead(307, { ...common, "x-linked-etag": etag, location }).end("Temporary Redirect");
  }

  private write(path: string, body: Buffer, isUser: boolean, response: ServerResponse): unknown {
    if (!isUser) return fail(response, 401, null, "Invalid username or password");
    if (path === "/api/repos/create") {
      const { name, organization, visibility } = JSON.parse(body.toString()) as Record<string, string>;
      const full = `${organization}/${name}`;
      if (organization === "others") return fail(response, 403, null, "You may not create in this namespace");
      if (this.repositories.has(full))
        return fail(response, 409, null, "You already created this model repo");
      const access = visibility === "private" ? "private" : "public";
      this.commit(full, { ".gitattributes": "*.safetensors filter=lfs\n" }, { access });
      return sendJson(response, { url: `${this.endpoint}/${full}`, id: randomUUID() });
    }
    const [, repo = "", action] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git\/info\/lfs\/objects)?\/(preupload|batch|commit)/.exec(
        path,
      ) ?? [];
    const repository = this.repositories.get(repo);
    if (!repository) return fail(response, 404, "RepoNotFound", "Repository not found");
    if (action === "preupload") {
      const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
      const modes = files.map((f) => ({ path: f.path, uploadMode: isLarge(f.path) ? "lfs" : "regular" }));
      return sendJson(response, { files: modes });
    }
    if (action === "batch") {
      const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
      const upload = (oid: string) => ({
        actions: { upload: { href: `${this.storageAddress}/lfs/${oid}` } },
      });
      const answers = objects.map((o) => ({ ...o, ...(this.stored.has(o.oid) ? {} : upload(o.oid)) }));
      return sendJson(response, { transfer: "basic", objects: answers });
    }
    const lines = body
      .toString()
      .split("\n")
      .map((line) => JSON.parse(line) as CommitLine);
    const files = new Map(this.filesOf(repo));
    for (const { key, value } of lines) {
      if (key === "file") files.set(value.path, Buffer.from(value.content, "base64"));
      if (key === "lfsFile") files.set(value.path, this.stored.get(value.oid) as Buffer);
      if (key === "header") this.pushed.push(value.summary);
    }
    const commitOid = this.commit(repo, Object.fromEntries(files), { access: repository.access });
    return sendJson(response, { commitOid, commitUrl: `${this.endpoint}/${repo}/commit/${commitOid}` });
  }
}

interface CommitLine {
  readonly key: string;
  readonly value: { path: string; content: string; oid: string; summary: string };
}

export function sendData(
  response: ServerResponse,
  data: Buffer,
  range: string | undefined,
  headers: Record<string, string>,
): unknown {
  const [, from] = /^bytes=(\d+)-$/.exec(range ?? "") ?? [];
  const start = Number(from ?? 0);
  if (start >= data.length && from !== undefined)
    return response.writeHead(416, { "content-range": `bytes */${data.length}` }).end();
  const part = data.subarray(start);
  const contentRange = `bytes ${start}-${data.length - 1}/${data.length}`;
  const all = { ...headers, "accept-ranges": "bytes", "content-length": String(part.length) };
  if (from === undefined) response.writeHead(200, all);
  else response.writeHead(206, { ...all, "content-range": contentRange });
  return response.end(part);
}

/** Sends the first `bytes` of an answer as long as `data`, and when these `have arrived`, breaks the connection. */
export function sendBroken(
  response: ServerResponse,
  data: Buffer,
  bytes: number,
  haveArrived: () => boolean,
): void {
  response.writeHead(200, { "content-length": String(data.length) });
  response.write(data.subarray(0, bytes));
  const look = setInterval(() => {
    if (!haveArrived()) return;
    clearInterval(look);
    response.destroy();
  }, 10);
}

function sendJson(response: ServerResponse, value: unknown): unknown {
  const text = JSON.stringify(value);
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  return response.end(text);
}

function fail(response: ServerResponse, status: number, code: string | null, error: string): unknown {
  const headers = { "content-type": "application/json", ...(code && { "x-error-code": code }) };
  return response.writeHead(status, headers).end(JSON.stringify({ error }));
}

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
