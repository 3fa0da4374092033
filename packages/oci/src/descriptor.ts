import { type Digest, digestProblem, parseDigest } from "./digest.ts";
import { isObject, readAnnotations } from "./json-object.ts";
import { isMediaTypeText } from "./media-types.ts";
import { OciError, quoted } from "./oci-error.ts";

export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

/** A descriptor as image-spec "OCI Content Descriptors" has it; fields that a registry has no use for are left out. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the target. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  /** Entries of an index; `unknown` for attestations of build tools. */
  readonly platform?: Platform;
  readonly urls?: readonly string[];
  /** The target's bytes, base64. */
  readonly data?: string;
}

/**
 * Parses one descriptor of a manifest; `where` tells an error message which: "layer 3". Unknown fields are passed over, optional ones that are
 * null count as absent, as Go writes them. `DIGEST_INVALID` for its digest, `MANIFEST_INVALID` for everything else.
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw invalid(where, "it must be an object");
  const { mediaType, size, digest } = value;
  if (typeof mediaType !== "string" || mediaType === "") throw invalid(where, "it needs a mediaType");
  if (!isMediaTypeText(mediaType))
    throw invalid(where, `its mediaType ${quoted(mediaType)} is no media type`);
  if (typeof digest !== "string") throw invalid(where, "it needs a digest");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(where, "its size must be a whole number, 0 or more");
  }
  return {
    mediaType,
    digest: readDigest(digest, where),
    size,
    ...optional("annotations", value["annotations"], (annotations) => readAnnotations(annotations, where)),
    ...optional("artifactType", value["artifactType"], (type) => readArtifactType(type, where)),
    ...optional("platform", value["platform"], (platform) => readPlatform(platform, where)),
    ...optional("urls", value["urls"], (urls) => readUrls(urls, where)),
    ...optional("data", value["data"], (data) => readData(data, size, where)),
  };
}

function optional<K extends string, V>(
  key: K,
  value: unknown,
  read: (value: unknown) => V,
): { readonly [P in K]?: V } {
  if (value === undefined || value === null) return {};
  return { [key]: read(value) } as { readonly [P in K]: V }; // as: a computed key widens to string
}

function readText(value: unknown, field: string, where: string): string {
  if (typeof value !== "string") throw invalid(where, `its ${field} must be a string`);
  return value;
}

function readDigest(text: string, where: string): Digest {
  const problem = digestProblem(text);
  if (problem === undefined) return parseDigest(text);
  throw new OciError("DIGEST_INVALID", `the digest ${quoted(text)} of the ${where} is not valid: ${problem}`);
}

/** Empty counts as absent with every client, so it is let through. */
function readArtifactType(value: unknown, where: string): string {
  const text = readText(value, "artifactType", where);
  if (text !== "" && !isMediaTypeText(text)) {
    throw invalid(where, `its artifactType ${quoted(text)} is no media type`);
  }
  return text;
}

function readPlatform(value: unknown, where: string): Platform {
  if (!isObject(value)) throw invalid(where, "its platform must be an object");
  const { architecture, os, variant } = value;
  return {
    architecture: typeof architecture === "string" ? architecture : "",
    os: typeof os === "string" ? os : "",
    ...(typeof variant === "string" ? { variant } : {}),
  };
}

function readUrls(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((url) => typeof url === "string")) {
    throw invalid(where, "its urls must be a list of strings");
  }
  return value;
}

/** image-spec, "Embedded Content": the decoded data must be the content itself, so at least its length must be the size. */
function readData(value: unknown, size: number, where: string): string {
  const text = readText(value, "data", where);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw invalid(where, `its data ${quoted(text)} is not base64`);
  }
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const decodedBytes = (text.length / 4) * 3 - padding;
  if (decodedBytes !== size) {
    throw invalid(where, `its data has ${decodedBytes} bytes, but its size says ${size}`);
  }
  return text;
}

function invalid(where: string, problem: string): OciError {
  return new OciError("MANIFEST_INVALID", `the ${where} of the manifest is no descriptor: ${problem}`);
}
