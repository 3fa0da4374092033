import { type Endpoint, endpoint } from "../endpoint.ts";

/** The server's own description. `all` tells every endpoint, these included; it is asked at the first request. */
export function openapiEndpoints(all: () => readonly Endpoint[]): readonly Endpoint[] {
  let text: Promise<string> | undefined;
  return [
    endpoint({
      id: "openapi.get",
      method: "GET",
      path: "/api/v1/openapi.json",
      can: { who: "public" },
      summary: "This document: every endpoint, in the form of OpenAPI 3.1.",
      handle: async () => {
        text ??= describe(all());
        return {
          status: 200,
          headers: { "content-type": "application/json", "cache-control": "public, max-age=300" },
          body: { kind: "text", text: await text },
        };
      },
    }),
  ];
}

async function describe(endpoints: readonly Endpoint[]): Promise<string> {
  const { createOpenapiDocument } = await import("./create-openapi-document.ts");
  return JSON.stringify(await createOpenapiDocument(endpoints));
}
