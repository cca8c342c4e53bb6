/**
 * Reads settings of a Hugging Face config.json with the library's own defaults: a key that is absent or null
 * takes the default; a value of the wrong kind is an error that names the key.
 */
import { TagllmError } from "../errors.ts";

export class ConfigReader {
  private readonly source: Record<string, unknown>;
  private readonly path: string;

  constructor(source: Record<string, unknown>, path = "config.json") {
    this.source = source;
    this.path = path;
  }

  has(key: string): boolean {
    return this.source[key] !== undefined && this.source[key] !== null;
  }

  /** A positive whole number. */
  size(key: string, otherwise?: number): number {
    const value = this.number(key, otherwise);
    if (!Number.isSafeInteger(value) || value < 1) throw this.wrong(key, value, "a positive whole number");
    return value;
  }

  number(key: string, otherwise?: number): number {
    const value = this.source[key] ?? otherwise;
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

  flag(key: string, otherwise: boolean): boolean {
    const value = this.source[key] ?? otherwise;
    if (typeof value !== "boolean") throw this.wrong(key, value, "true or false");
    return value;
  }

  /** One of `allowed`. */
  choice<T extends string>(key: string, allowed: readonly T[], otherwise?: T): T {
    const value = this.source[key] ?? otherwise;
    if (value === undefined) throw this.missing(key);
    if (!allowed.includes(value as T)) throw this.wrong(key, value, `one of ${allowed.join(", ")}`);
    return value as T;
  }

  /** A nested object; null where the key is absent or null. */
  section(key: string): ConfigReader | null {
    const value = this.source[key] ?? null;
    if (value === null) return null;
    if (typeof value !== "object" || Array.isArray(value)) throw this.wrong(key, value, "an object");
    return new ConfigReader(value as Record<string, unknown>, `${this.path} ${key}`);
  }

  wrong(key: string, value: unknown, wanted: string): TagllmError {
    return new TagllmError(
      "model/config",
      `${this.path}: ${key} is ${JSON.stringify(value)}, which is not ${wanted}.`,
      "Check that config.json belongs to this checkpoint; a setting that would change the numbers is never ignored.",
    );
  }

  private missing(key: string): TagllmError {
    return new TagllmError(
      "model/config",
      `${this.path} has no ${key}.`,
      "Check that this is the config.json that belongs to the checkpoint.",
    );
  }
}
