import { AppError } from "../lib/app-error.ts";
import type { Endpoint, HttpMethod } from "./endpoint.ts";

export type Match =
  | { readonly kind: "found"; readonly endpoint: Endpoint; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: "wrong-method"; readonly allowed: readonly HttpMethod[] }
  | { readonly kind: "unknown" };

/** A path template, split where its repository name lies: `/v2/{name}/tags/list` = ["", "v2"] + name + ["tags", "list"]. */
interface Template {
  readonly endpoint: Endpoint;
  readonly before: readonly string[];
  readonly hasName: boolean;
  readonly after: readonly string[];
}

/**
 * Finds the endpoint for a path. Repository names contain slashes and may contain the very words that follow them ("blobs", "tags"), so the
 * part after the name is matched from the end of the path: the last occurrence wins. Where two templates fit, the longer one is meant.
 */
export function createMatcher(endpoints: readonly Endpoint[]): (method: string, pathname: string) => Match {
  const templates = endpoints.map(toTemplate).sort((left, right) => weight(right) - weight(left));
  const bySurface = groupBySurface(templates);
  return remember((method, pathname) => {
    const segments = pathname.split("/");
    const candidates = bySurface.get(segments[1] ?? "") ?? bySurface.get(anySurface) ?? [];
    const allowed: HttpMethod[] = [];
    for (const template of candidates) {
      if (!fits(template, segments)) continue;
      if (template.endpoint.method !== method) {
        allowed.push(template.endpoint.method);
        continue;
      }
      return { kind: "found", endpoint: template.endpoint, params: paramsOf(template, segments) };
    }
    return allowed.length > 0
      ? { kind: "wrong-method", allowed: [...new Set(allowed)] }
      : { kind: "unknown" };
  });
}

const maxRemembered = 2_000;
const maxRememberedLength = 300;

/** Clients ask for the same again and again. When there is no room for more, all is forgotten: that costs less than knowing what was used last. */
function remember(match: (method: string, pathname: string) => Match): typeof match {
  const known = new Map<string, Map<string, Match>>();
  let size = 0;
  return (method, pathname) => {
    const kept = known.get(method)?.get(pathname);
    if (kept !== undefined) return kept;
    const found = match(method, pathname);
    if (found.kind !== "found" || pathname.length > maxRememberedLength) return found;
    if (size === maxRemembered) {
      known.clear();
      size = 0;
    }
    const ofMethod = known.get(method) ?? new Map<string, Match>();
    known.set(method, ofMethod.set(pathname, found));
    size += 1;
    return found;
  };
}

/** No first segment is called so. */
const anySurface = "/";

/** The templates by the word that their paths begin with, in their order: those of another surface need not be looked at. */
function groupBySurface(templates: readonly Template[]): ReadonlyMap<string, readonly Template[]> {
  const open = templates.filter((template) => surfaceOf(template) === undefined);
  const words = new Set(templates.map(surfaceOf).filter((word) => word !== undefined));
  const groups = [...words].map((word) => {
    const isOf = (template: Template) => (surfaceOf(template) ?? word) === word;
    return [word, templates.filter(isOf)] as const;
  });
  return new Map([...groups, [anySurface, open]]);
}

/** Undefined when it may be any word. */
function surfaceOf({ before }: Template): string | undefined {
  const word = before[1];
  return word === undefined || word.startsWith("{") ? undefined : word;
}

function toTemplate(endpoint: Endpoint): Template {
  const segments = endpoint.path.split("/");
  const name = segments.indexOf("{name}");
  return name < 0
    ? { endpoint, before: segments, hasName: false, after: [] }
    : { endpoint, before: segments.slice(0, name), hasName: true, after: segments.slice(name + 1) };
}

/** Literals before parameters, long before short. */
function weight(template: Template): number {
  const all = [...template.before, ...template.after];
  return (
    all.length * 100 + all.filter((segment) => !segment.startsWith("{")).length - (template.hasName ? 50 : 0)
  );
}

function fits(template: Template, segments: readonly string[]): boolean {
  const { before, after, hasName } = template;
  const nameLength = segments.length - before.length - after.length;
  if (hasName ? nameLength < 1 : nameLength !== 0) return false;
  return fitFrom(after, segments, before.length + nameLength) && fitFrom(before, segments, 0);
}

function fitFrom(patterns: readonly string[], segments: readonly string[], offset: number): boolean {
  // From the end: that is where the paths of one surface differ.
  for (let index = patterns.length - 1; index >= 0; index -= 1) {
    if (!fitsSegment(patterns[index] ?? "", segments[offset + index] ?? "")) return false;
  }
  return true;
}

function fitsSegment(pattern: string, segment: string): boolean {
  return pattern.startsWith("{") ? segment !== "" : pattern === segment;
}

function paramsOf(template: Template, segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  const offset = segments.length - template.after.length;
  if (template.hasName) params["name"] = decode(segments.slice(template.before.length, offset).join("/"));
  template.before.forEach((pattern, index) => take(params, pattern, segments[index]));
  template.after.forEach((pattern, index) => take(params, pattern, segments[offset + index]));
  return params;
}

function take(params: Record<string, string>, pattern: string, segment: string | undefined): void {
  if (pattern.startsWith("{")) params[pattern.slice(1, -1)] = decode(segment ?? "");
}

function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new AppError(
      "REQUEST_INVALID",
      "the address has a percent sign that is not followed by two hexadecimal digits",
      {
        cause,
      },
    );
  }
}
