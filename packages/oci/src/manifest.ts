import { type Descriptor, parseDescriptor } from "./descriptor.ts";
import { isNestedDeeper, isObject, readAnnotations } from "./json-object.ts";
import {
  isImageManifestMediaType,
  isIndexMediaType,
  isMediaTypeText,
  isSchema1MediaType,
} from "./media-types.ts";
import { OciError, quoted } from "./oci-error.ts";

/** distribution-spec: at least 4 MB should be taken; 4 MiB is what clients read at most, too. */
export const manifestSizeLimitBytes = 4_194_304;
const maxDescriptors = 10_000;
const maxDepth = 64;
const generalTypes: readonly string[] = ["", "application/octet-stream", "application/json"];

/** What a registry needs to know of a manifest or index. The bytes themselves are kept as they were pushed. */
export interface ParsedManifest {
  readonly kind: "image" | "index";
  /** As the client declared it, without parameters. */
  readonly mediaType: string;
  /** As referrers show it: the manifest's own, else the config's media type of an image. */
  readonly artifactType: string | undefined;
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
  /** Entries of an index: manifests, or blobs where a build cache uses an index as a list of layers. */
  readonly manifests: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a manifest of any type: OCI and Docker schema 2 images and indexes, artifacts, types nobody knows yet. Unknown fields are fine; of an
 * unknown type, only `config`, `layers`, `blobs`, `manifests`, `subject`, `annotations` and `artifactType` are looked at, if they are there.
 * Fields that are null count as absent, as Go writes empty lists so. Whether what it names exists is not asked here.
 *
 * `MANIFEST_INVALID` with what is wrong, also for more than 64 levels of nesting or 10,000 descriptors; `SIZE_INVALID` over 4 MiB;
 * `DIGEST_INVALID` for a digest in it. Nothing else is thrown, whatever the bytes.
 */
export function parseManifest(bytes: Uint8Array, contentType: string): ParsedManifest {
  if (bytes.byteLength > manifestSizeLimitBytes) {
    throw new OciError("SIZE_INVALID", `a manifest has at most ${manifestSizeLimitBytes} bytes`);
  }
  const json = parseJson(bytes);
  const mediaType = mediaTypeOf(json, contentType);
  checkSchemaVersion(json, mediaType);
  const kind = kindOf(json, mediaType);
  const config = read(json, "config", (value) => parseDescriptor(value, "config"));
  const layers = [...readList(json, "layers", "layer"), ...readList(json, "blobs", "blob")];
  const manifests = readList(json, "manifests", "entry");
  if (layers.length + manifests.length > maxDescriptors) {
    throw invalid(
      `it names ${layers.length + manifests.length} contents; at most ${maxDescriptors} are taken`,
    );
  }
  checkShape(json, kind, mediaType, config);
  return {
    kind,
    mediaType,
    artifactType: artifactTypeOf(json, kind, config),
    config,
    layers,
    manifests,
    subject: read(json, "subject", (value) => parseDescriptor(value, "subject")),
    annotations: read(json, "annotations", (value) => readAnnotations(value, "manifest")) ?? {},
  };
}

function parseJson(bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid("it is not UTF-8", cause);
  }
  if (isNestedDeeper(text, maxDepth)) throw invalid(`it is nested deeper than ${maxDepth} levels`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON", cause);
  }
  if (!isObject(value)) throw invalid("it must be a JSON object");
  return value;
}

/** Schema 1 is told by its media type or, under a general one, by a field that only it had. Unknown types number as they like. */
function checkSchemaVersion(json: JsonObject, mediaType: string): void {
  const version = json["schemaVersion"];
  if (isSchema1MediaType(mediaType) || (version === 1 && json["fsLayers"] !== undefined)) {
    throw invalid(
      "docker schema 1 is not supported; push it again with a client that writes schema 2 or OCI",
    );
  }
  if (isKnown(mediaType) && version !== 2) throw invalid("its schemaVersion must be 2");
}

/**
 * The Content-Type decides; a `mediaType` field, if there is one, must say the same (image-spec). Content types that every JSON document
 * could have say nothing, so that the field decides.
 */
function mediaTypeOf(json: JsonObject, contentType: string): string {
  const declared = withoutParameters(contentType);
  const field = json["mediaType"] ?? "";
  if (typeof field !== "string") throw invalid("its mediaType must be a string");
  const isGeneral = generalTypes.includes(declared.toLowerCase());
  if (isGeneral && field === "") throw invalid("say what it is, by its Content-Type or a mediaType field");
  if (!isGeneral && field !== "" && field.toLowerCase() !== declared.toLowerCase()) {
    throw invalid(`it was sent as ${quoted(declared)}, but its mediaType is ${quoted(field)}`);
  }
  const mediaType = isGeneral ? field : declared;
  // It is served as a header one day.
  if (!isMediaTypeText(mediaType) || !/^[\x21-\x7e]+$/.test(mediaType)) {
    throw invalid(`${quoted(mediaType)} is no media type`);
  }
  return mediaType;
}

function withoutParameters(contentType: string): string {
  const semicolon = contentType.indexOf(";");
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim();
}

function isKnown(mediaType: string): boolean {
  return isIndexMediaType(mediaType) || isImageManifestMediaType(mediaType);
}

function kindOf(json: JsonObject, mediaType: string): ParsedManifest["kind"] {
  if (isIndexMediaType(mediaType)) return "index";
  if (isImageManifestMediaType(mediaType)) return "image";
  return Array.isArray(json["manifests"]) ? "index" : "image";
}

function checkShape(
  json: JsonObject,
  kind: ParsedManifest["kind"],
  mediaType: string,
  config: Descriptor | undefined,
): void {
  if (!isKnown(mediaType)) return;
  if (kind === "image") {
    if (config === undefined) throw invalid("an image manifest needs a config");
    if (json["layers"] === undefined) throw invalid("an image manifest needs layers, if only an empty list");
    // One document that is both would mean different things to different clients (CVE-2021-41190).
    if (isPresent(json["manifests"]))
      throw invalid("it is an image manifest, but has manifests like an index");
    return;
  }
  if (json["manifests"] === undefined) throw invalid("an index needs manifests, if only an empty list");
  if (isPresent(json["layers"]) || isPresent(json["config"])) {
    throw invalid("it is an index, but has config or layers like an image manifest");
  }
}

function artifactTypeOf(
  json: JsonObject,
  kind: ParsedManifest["kind"],
  config: Descriptor | undefined,
): string | undefined {
  const own = json["artifactType"] ?? "";
  if (typeof own !== "string") throw invalid("its artifactType must be a string");
  if (own !== "" && !isMediaTypeText(own)) throw invalid(`its artifactType ${quoted(own)} is no media type`);
  if (own !== "") return own;
  // distribution-spec, "Listing Referrers": an image without a type of its own shows its config's; an index shows none.
  return kind === "image" ? config?.mediaType : undefined;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function read<T>(json: JsonObject, field: string, parse: (value: unknown) => T): T | undefined {
  const value = json[field];
  return isPresent(value) ? parse(value) : undefined;
}

function readList(json: JsonObject, field: string, what: string): readonly Descriptor[] {
  const value = json[field];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`its ${field} must be a list`);
  if (value.length > maxDescriptors)
    throw invalid(`it has ${value.length} ${field}; at most ${maxDescriptors} are taken`);
  return value.map((entry, index) => parseDescriptor(entry, `${what} ${index + 1}`));
}

function invalid(problem: string, cause?: unknown): OciError {
  return new OciError("MANIFEST_INVALID", `the manifest is not valid: ${problem}`, { cause });
}
