/**
 * Reads settings of a Hugging Face config.json with the library's own defaults: a key that is absent takes the
 * family's default; so does one that is null, unless the library gives null another meaning. A value of the wrong
 * kind is an error that names the key.
 */
import { TagllmError } from "../errors.ts";

type Settings = Readonly<Record<string, unknown>>;

export class ConfigReader {
  private readonly source: Settings;
  private readonly path: string;
  private readonly defaults: Settings;

  constructor(source: Settings, path = "config.json", defaults: Settings = {}) {
    this.source = source;
    this.path = path;
    this.defaults = defaults;
  }

  /** The same settings, with what absent ones stand for: the defaults of a family's configuration class. */
  withDefaults(defaults: Settings): ConfigReader {
    return new ConfigReader(this.source, this.path, defaults);
  }

  has(key: string): boolean {
    return this.source[key] !== undefined && this.source[key] !== null;
  }

  /** Whether the key is there and null: which switches some settings off. */
  isNull(key: string): boolean {
    return this.source[key] === null;
  }

  /** A positive whole number; `null` in the file stands for `whenNull`, and is an error without one. */
  size(key: string, whenNull?: number): number {
    if (this.isNull(key) && whenNull === undefined) throw this.missing(key);
    const value = this.isNull(key) ? whenNull : (this.source[key] ?? this.defaults[key] ?? whenNull);
    if (value === undefined) throw this.missing(key);
    if (typeof value !== "number") throw this.wrong(key, value, "a number");
    if (!Number.isSafeInteger(value) || value < 1) throw this.wrong(key, value, "a positive whole number");
    return value;
  }

  /** A positive whole number, or null where the file or the default says so. */
  optionalSize(key: string): number | null {
    return this.switchedOff(key) ? null : this.size(key);
  }

  number(key: string, otherwise?: number): number {
    const value = this.source[key] ?? this.defaults[key] ?? otherwise;
    if (value === undefined) throw this.missing(key);
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.wrong(key, value, "a number");
    return value;
  }

  /** A number above 0. */
  positive(key: string, otherwise?: number): number {
    const value = this.number(key, otherwise);
    if (value <= 0) throw this.wrong(key, value, "above 0");
    return value;
  }

  /** A number above 0, or null where the file or the default says so. */
  optionalPositive(key: string): number | null {
    return this.switchedOff(key) ? null : this.positive(key);
  }

  flag(key: string, otherwise?: boolean): boolean {
    const value = this.source[key] ?? this.defaults[key] ?? otherwise;
    if (value === undefined) throw this.missing(key);
    if (typeof value !== "boolean") throw this.wrong(key, value, "true or false");
    return value;
  }

  /** One of `allowed`. */
  choice<T extends string>(key: string, allowed: readonly T[], otherwise?: T): T {
    const value = this.source[key] ?? this.defaults[key] ?? otherwise;
    if (value === undefined) throw this.missing(key);
    if (!allowed.includes(value as T)) throw this.wrong(key, value, `one of ${allowed.join(", ")}`);
    return value as T;
  }

  /** A list with `length` entries, each of which `isEntry`; null where the key is absent or null. */
  list<T>(key: string, length: number, isEntry: (x: unknown) => x is T, entries: string): T[] | null {
    const value = this.source[key] ?? null;
    if (value === null) return null;
    if (!Array.isArray(value) || value.length !== length || !value.every(isEntry)) {
      throw this.wrong(key, value, `a list of ${length} ${entries}`);
    }
    return value;
  }

  /** A nested object; null where the key is absent, null or has nothing in it. */
  section(key: string): ConfigReader | null {
    const value = this.source[key] ?? null;
    if (value === null) return null;
    if (typeof value !== "object" || Array.isArray(value)) throw this.wrong(key, value, "an object");
    if (Object.keys(value).length === 0) return null;
    return new ConfigReader(value as Settings, `${this.path} ${key}`);
  }

  /** Refuses a setting that has another value than `only`, which is also what its absence means. */
  require(key: string, only: unknown, why: string): void {
    if (this.has(key) && this.source[key] !== only) throw this.wrong(key, this.source[key], why);
  }

  wrong(key: string, value: unknown, wanted: string): TagllmError {
    return new TagllmError(
      "model/config",
      `${this.path}: ${key} is ${JSON.stringify(value)}, which is not ${wanted}.`,
      "Check that config.json belongs to this checkpoint; a setting that would change the numbers is never ignored.",
    );
  }

  private switchedOff(key: string): boolean {
    return this.source[key] === null || (this.source[key] === undefined && this.defaults[key] == null);
  }

  private missing(key: string): TagllmError {
    return new TagllmError(
      "model/config",
      `${this.path} has no ${key}.`,
      "Check that this is the config.json that belongs to the checkpoint.",
    );
  }
}
