import type { TSchema } from "typebox";
import type { Endpoint, Permission } from "../endpoint.ts";
import { surfaceOf } from "../error-reply.ts";
import { errorTable } from "../error-table.ts";
import type { QueryParameter } from "../query-parameter.ts";

/** A piece of the document, as JSON has it. */
type Part = { readonly [name: string]: unknown };

const pathParameters: Readonly<Record<string, string>> = {
  name: "A repository's whole name. It may have slashes, which are sent as they are: `acme/app`.",
  namespace: "An organization's or user's name: the first part of repository names.",
  digest: "`sha256:` and 64 hexadecimal digits, or another algorithm's.",
  reference: "A tag or a digest.",
};

/**
 * The OpenAPI 3.1 document of the endpoints. The same endpoints give the same document, byte for byte, in the order of paths and methods. Bodies and
 * replies are named after the first endpoint that has them; schemas that several endpoints share are in it once.
 */
export async function createOpenapiDocument(endpoints: readonly Endpoint[]): Promise<Part> {
  const sorted = endpoints.toSorted((left, right) =>
    left.path === right.path ? compare(left.method, right.method) : compare(left.path, right.path),
  );
  const schemas = createSchemaNames();
  const paths: Record<string, Record<string, Part>> = {};
  for (const endpoint of sorted) {
    const item = (paths[endpoint.path] ??= {});
    item[endpoint.method.toLowerCase()] = await operationOf(endpoint, schemas);
  }
  const tags = [...new Set(sorted.map(areaOf))].toSorted(compare);
  return {
    openapi: "3.1.0",
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    info: {
      title: "Entrepôt",
      version: "1",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "Everything that the server answers. What follows a repository's name is set off by `/-/` below /api/v1. " +
        "Errors are RFC 9457 problem details, below /v2 and /token OCI errors. " +
        "`x-permission` says who may call an operation.",
    },
    tags: tags.map((name) => ({ name })),
    paths,
    components: { schemas: schemas.all(), responses: errorResponses, securitySchemes },
  };
}

async function operationOf(endpoint: Endpoint, schemas: SchemaNames): Promise<Part> {
  const { id, summary, can, path } = endpoint;
  const body = await endpoint.body?.();
  const reply = await endpoint.reply?.();
  const content = (schema: TSchema, kind: "Body" | "Reply") => ({
    schema: { $ref: schemas.refer(schema, `${pascalCase(id)}${kind}`) },
  });
  const parameters = [...pathParametersOf(path), ...(endpoint.query ?? []).map(queryParameter)];
  return {
    operationId: id,
    summary,
    tags: [areaOf(endpoint)],
    "x-permission": can,
    security: securityOf(can),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              [path === "/token" ? "application/x-www-form-urlencoded" : "application/json"]: content(
                body,
                "Body",
              ),
            },
          },
        }),
    responses: {
      "2XX": {
        description: reply === undefined ? "Done." : "Done; what there is to tell.",
        ...(reply === undefined ? {} : { content: { "application/json": content(reply, "Reply") } }),
      },
      ...errorsOf(endpoint),
    },
  };
}

function pathParametersOf(path: string): readonly Part[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    description: pathParameters[name] ?? `The ${name}.`,
    schema: { type: "string", minLength: 1 },
  }));
}

function queryParameter(parameter: QueryParameter): Part {
  const { name, description, form, values, maxLength, pattern } = parameter;
  const one = {
    type: form === "text" ? "string" : form,
    ...(form === "integer" ? { minimum: 0 } : {}),
    ...(values === undefined ? {} : { enum: values }),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(pattern === undefined ? {} : { pattern }),
  };
  return {
    name,
    in: "query",
    required: parameter.isRequired ?? false,
    description,
    schema: parameter.isRepeatable === true ? { type: "array", items: one } : one,
  };
}

function securityOf(can: Permission): readonly Part[] {
  const some = [{ basic: [] }, { bearer: [] }, { session: [] }];
  if (can.who === "public") return [];
  return can.who === "identified" ? [{}, ...some] : some;
}

/** Which errors an endpoint can have follows from what it is; the codes in them are told by `title`, or by OCI's `code`. */
function errorsOf({ path, can, body, query }: Endpoint): Part {
  const form = surfaceOf(path) === "oci" ? "OciErrors" : "Problem";
  const statuses = [
    ...(body !== undefined || query !== undefined || path.includes("{") ? ["400"] : []),
    ...(can.who === "public" ? [] : ["401"]),
    ...(can.who === "public" || can.who === "identified" ? [] : ["403"]),
    ...(path.includes("{") ? ["404"] : []),
    "429",
    "503",
    "default",
  ];
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${form}` }]));
}

interface SchemaNames {
  /** Where the schema is; the name is used when it is new. */
  refer(schema: TSchema, name: string): string;
  all(): Part;
}

function createSchemaNames(): SchemaNames {
  const names = new Map<TSchema, string>();
  return {
    refer(schema, name) {
      const known = names.get(schema) ?? name;
      names.set(schema, known);
      return `#/components/schemas/${known}`;
    },
    all: () =>
      Object.fromEntries(
        [...names]
          .map(([schema, name]) => [name, schema] as const)
          .toSorted(([left], [right]) => compare(left, right)),
      ),
  };
}

const ociCodes = [...new Set(Object.values(errorTable).map((form) => form.ociCode))];

const errorResponses = {
  Problem: {
    description: "What went wrong (RFC 9457).",
    content: {
      "application/problem+json": {
        schema: {
          type: "object",
          required: ["type", "title", "status", "detail", "requestId"],
          properties: {
            type: { type: "string" },
            title: { type: "string", enum: Object.keys(errorTable) },
            status: { type: "integer" },
            detail: { type: "string", description: "one sentence for a person" },
            requestId: { type: "string", description: "what the operator finds in the log" },
          },
        },
      },
    },
  },
  OciErrors: {
    description: "What went wrong, as the distribution-spec has it.",
    content: {
      "application/json": {
        schema: {
          type: "object",
          required: ["errors"],
          properties: {
            errors: {
              type: "array",
              items: {
                type: "object",
                required: ["code", "message"],
                properties: {
                  code: { type: "string", enum: ociCodes },
                  message: { type: "string" },
                  detail: {},
                },
              },
            },
          },
        },
      },
    },
  },
};

const securitySchemes = {
  basic: {
    type: "http",
    scheme: "basic",
    description: "A user name with a password, or with an access token in its place.",
  },
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An access token, or a token of the token service (/token).",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-entrepot",
    description: "A browser's session; `entrepot` over plain HTTP.",
  },
};

function areaOf({ id }: Endpoint): string {
  return id.split(".", 1)[0] ?? id;
}

function pascalCase(id: string): string {
  return id
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}

/** By code units: the same on every machine, whatever its language. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
